"""Self-critical training of captioners: on sampled captions by their rewards, in place of people's captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmtoolkit.errors import InputError
from mmtoolkit.metrics import tokenizer_of
from mmtoolkit.metrics.rewards import CaptionReward, Reward
from mmtoolkit.records import CaptionRecord

if TYPE_CHECKING:
    from mmtoolkit.models import Captioner
    from mmtoolkit.training import Phase

CAPTIONS = 80  # a step: five of each picture
AVERAGING = 0.999  # least decay of the averages
TEMPERATURE = 0.6  # at which captions are sampled: at 1 most of them are far from what the search finds


class SelfCritical:
    """Makes the batches and the loss of a training by rewards, as `fit` takes an objective.

    Example:
        >>> objective = SelfCritical(records)
        >>> objective.reward(records[0].id, [records[0].captions[0]], [True])[0] > 1
        True

    Args:
        records: The training records, whose captions are the references.
        reward: `"cider"`, `"bleu"` or `"mix"`; see `CaptionReward`.
    """

    def __init__(self, records: Sequence[CaptionRecord], *, reward: Reward = "cider") -> None:
        references = {record.id: record.captions for record in records}
        self.reward = CaptionReward(references, kind=reward, tokenize=tokenizer_of(references.values()))

    def dataset(self, model: Captioner, records: Sequence[CaptionRecord], source: Any, **order: Any) -> Any:
        """Makes the `tf.data.Dataset` of sampled captions from a position on.

        Raises:
            InputError: The captioner has hard attention.
        """
        from mmtoolkit.data.sampled import sampled_dataset

        check_rewardable(model)
        return sampled_dataset(model, records, source=source, rewards=self.reward, **order)

    def loss(self, model: Captioner, label_smoothing: float) -> Any:
        """Returns the cross-entropy without smoothing, whose gradient the batches' weights make that of the reward."""
        from mmtoolkit.losses import token_loss

        return token_loss(0.0)


def reward_phase(records: Sequence[CaptionRecord], settings: Mapping[str, Any]) -> Phase:
    """Makes the stage of a training by rewards.

    Example:
        >>> settings = {"reward": "cider", "reward_epochs": 1, "reward_rate": 1e-4, "seed": 0}
        >>> reward_phase(records, settings).recipe.learning_rate
        0.0001

    Args:
        records: The training records.
        settings: The options `reward`, `reward_epochs` and `reward_rate`, and those of a `Recipe`.
    """
    from mmtoolkit.training import Phase, Recipe

    objective = SelfCritical(records, reward=settings["reward"])
    own = {"epochs": settings["reward_epochs"], "learning_rate": settings["reward_rate"]}
    usual = Recipe.of(settings)
    longer = max(usual.averaging, AVERAGING) if usual.averaging else 0.0  # of noisy steps
    recipe = replace(usual, **own, batch_size=CAPTIONS, clip=1.0, averaging=longer)
    return Phase("reward", objective, recipe, sharpened)


def check_rewardable(captioner: Captioner) -> None:
    """Checks that a captioner can be trained by rewards.

    Raises:
        InputError: It has hard attention, or its output layer is the embedding table.
    """
    if captioner.decoder.attention_name == "hard":
        raise InputError(
            "Self-critical training is of a captioner with soft attention. Received: one with attention='hard', "
            "whose own reward is for captions that people wrote; train one with attention='bahdanau'."
        )
    if captioner.decoder.tie_output:
        raise InputError(
            "Self-critical training sharpens the output layer. Received: a captioner with tie_output=True, of which it "
            "is the word vectors; train one with tie_output=False."
        )


def sharpened(captioner: Captioner, temperature: float = TEMPERATURE) -> Captioner:
    """Copies a captioner with logits divided by a temperature and without the penalty on attention.

    Its samples, its search and its gradient are then of one distribution.

    Example:
        >>> sharpened(captioner).attention_penalty
        0.0

    Args:
        captioner: A trained captioner.
        temperature: What the weights of its output layer are divided by.

    Raises:
        InputError: Its output layer is the embedding table.
    """
    check_rewardable(captioner)
    sharp = captioner.bare(attention_penalty=0.0)
    for weight in sharp.decoder.output_layer.weights:
        weight.assign(weight / temperature)
    return sharp
