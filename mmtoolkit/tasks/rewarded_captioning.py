"""Self-critical training: captioning whose training batches are what the model says, weighted by rewards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmtoolkit.metrics import tokenizer_of
from mmtoolkit.metrics.rewards import CaptionReward, Reward
from mmtoolkit.records import CaptionRecord
from mmtoolkit.tasks.captioning import Captioning

if TYPE_CHECKING:
    from mmtoolkit.models import Captioner

TEMPERATURE = 0.6  # at which captions are sampled: at 1 most of them are far from what the search finds


class RewardedCaptioning(Captioning):
    """Captions images, and trains on sampled captions by their rewards in place of people's.

    Args:
        records: The training records, whose captions are the references.
        reward: `"cider"`, `"bleu"` or `"mix"`; see `CaptionReward`.
    """

    def __init__(self, records: Sequence[CaptionRecord], reward: Reward) -> None:
        references = {record.id: record.captions for record in records}
        self.reward = CaptionReward(references, kind=reward, tokenize=tokenizer_of(references.values()))

    def dataset(self, model: Captioner, records: Sequence[CaptionRecord], source: Any, **order: Any) -> Any:
        from mmtoolkit.data.sampled import sampled_dataset

        return sampled_dataset(model, records, source=source, rewards=self.reward, **order)

    def loss(self, model: Captioner, label_smoothing: float) -> Any:
        return super().loss(model, 0.0)


def sharpened(captioner: Captioner, temperature: float = TEMPERATURE) -> Captioner:
    """Copies a captioner with logits divided by a temperature and without the penalty on attention.

    Its samples, its search and its gradient are then of one distribution.
    """
    sharp = captioner.bare(attention_penalty=0.0)
    for weight in sharp.decoder.output_layer.weights:
        weight.assign(weight / temperature)
    return sharp
