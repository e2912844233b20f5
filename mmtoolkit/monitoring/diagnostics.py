"""Signs that a training goes wrong: numbers in, one sentence out that says what to try, or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The thresholds lie well away from what was measured on captioners of Flickr8k that learnt (BLEU-4 18 to 21 on its
# development pictures, in three recipes: regions as they are or normalised, with and without dropped regions).

# Different captions for each different reference: they had 0.38 to 0.89 in each of their epochs; one that writes from
# habit has a handful of sentences for a thousand pictures.
FEWEST_DIFFERENT = 0.05
FEWEST_PICTURES = 10  # of fewer, chance may give all the same sentence

# Total variation between the alignments of two successive words, 0 the same regions and 1 none in common: they had 0.09
# to 0.17, an untrained one 0.008.
LEAST_MOVED = 0.02
# Total variation between an alignment and looking at all regions alike: they had 0.20 to 0.32.
LEAST_CHOSEN = 0.05

# Root mean square of the global gradient norm as a share of the norm at which it is clipped: near to 1, nearly every
# step was clipped. They had 0.22 to 0.27 (1.1 to 1.3 of 5).
MOST_CLIPPED = 0.9
# A root mean square gradient has vanished below Adam's epsilon (1e-7), where Adam's steps begin to shrink with it: they
# had 3e-5 and more in all of their variables.


def same_captions(captions: Sequence[str], references: Sequence[str]) -> str | None:
    """Whether all pictures, or nearly all, get the same few captions though people wrote different ones.

    Example:
        >>> same_captions(["a dog"] * 50, [f"sentence {i}" for i in range(50)])
        "1 caption for 50 pictures, most often 'a dog': check that captions belong to their pictures, or try …"

    Args:
        captions: What the model wrote, one for each picture.
        references: What a person wrote of the same pictures, one for each.
    """
    different, expected = len(set(captions)), len(set(references))
    if len(captions) < FEWEST_PICTURES or different >= expected or different > max(1, FEWEST_DIFFERENT * expected):
        return None
    ((commonest, _),) = Counter(captions).most_common(1)
    return (
        f"{different} caption{'s' * (different > 1)} for {len(captions)} pictures, most often {commonest!r}: "
        "check that captions belong to their pictures, or try another --learning-rate or --memory-dropout 0"
    )


def still_attention(attention_weights: Sequence[ArrayLike]) -> str | None:
    """Whether the attention stays where it is from word to word.

    Example:
        >>> still_attention([[[0.0, 1.0, 0.0, 0.0]] * 5])
        'the attention does not move between words (0.0 % of it from one to the next): try …'

    Args:
        attention_weights: A `<float>[words, regions]` for each caption; captions of one word say nothing.
    """
    moves = [total_variation(row[1:], row[:-1]) for row in map(np.asarray, attention_weights) if len(row) > 1]
    moved = float(np.mean(np.concatenate(moves))) if moves else 1.0
    if not moved < LEAST_MOVED:
        return None
    return (
        f"the attention does not move between words ({100 * moved:.1f} % of it from one to the next): "
        "try more epochs, a higher --attention-penalty or a lower --learning-rate"
    )


def flat_attention(attention_weights: Sequence[ArrayLike]) -> str | None:
    """Whether the attention looks at all regions alike.

    Example:
        >>> flat_attention([[[0.25, 0.25, 0.25, 0.25]] * 5])
        'the attention looks at all regions alike (0.0 % away from even): try …'

    Args:
        attention_weights: A `<float>[words, regions]` for each caption; one region says nothing.
    """
    rows = [row for row in map(np.asarray, attention_weights) if len(row) and row.shape[-1] > 1]
    share = float(np.mean(np.concatenate([total_variation(row, 1 / row.shape[-1]) for row in rows]))) if rows else 1.0
    if not share < LEAST_CHOSEN:
        return None
    return (
        f"the attention looks at all regions alike ({100 * share:.1f} % away from even): "
        "try more epochs, a lower --attention-penalty or another --learning-rate"
    )


def total_variation(some: ArrayLike, others: ArrayLike) -> NDArray[np.float64]:
    """How much of one distribution must move to make it the other, row by row.

    Example:
        >>> total_variation([[0.5, 0.5, 0.0]], [[0.5, 0.0, 0.5]])
        array([0.5])
    """
    return 0.5 * np.abs(np.asarray(some, np.float64) - np.asarray(others, np.float64)).sum(axis=-1)


def squared_gradients(now: ArrayLike, before: ArrayLike, *, steps: int, decay: float) -> NDArray[np.float64]:
    """The mean squared gradient over the last steps, from Adam's second moment now and before them.

    The moment is `v ← decay · v + (1 - decay) · g²`, so what has come in since is `now - decay^steps · before`. The
    gradients are those that Adam saw: after the clip.

    Example:
        >>> squared_gradients([0.001 * 4.0], [0.0], steps=1, decay=0.999)   # one step, of gradient 2
        array([4.])

    Args:
        now: `<float>[weights]`: the second moments, or sums of them.
        before: The same, so many steps ago.
        steps: Steps in between, 1 or more; the later ones count a little more.
        decay: Adam's beta_2.

    Source: Kingma & Ba, "Adam", 2015, algorithm 1.
    """
    kept = decay**steps
    gone = np.asarray(now, np.float64) - kept * np.asarray(before, np.float64)
    return np.maximum(gone, 0.0) / (1.0 - kept)


def exploding_gradients(norm: float, clip: float | None) -> str | None:
    """Whether the gradients are as long as the clip allows, so that how long they were can no longer be seen.

    Example:
        >>> exploding_gradients(4.98, 5.0)
        'nearly all gradients are cut to the clip (a norm of 4.98 of at most 5), and may explode: where the loss …'

    Args:
        norm: Root mean square of the global norm over an epoch.
        clip: The largest norm; `None` without a clip, where gradients that explode end in a loss of NaN.
    """
    if not clip or norm < MOST_CLIPPED * clip:
        return None
    return (
        f"nearly all gradients are cut to the clip (a norm of {norm:.3g} of at most {clip:g}), and may explode: where "
        "the loss does not fall, try a lower --learning-rate or a larger --batch-size"
    )


def vanishing_gradients(gradients: Mapping[str, float], epsilon: float) -> str | None:
    """Whether weights get so little gradient that Adam no longer moves them.

    Example:
        >>> vanishing_gradients({"cell/kernel": 3e-9, "output/kernel": 1e-3}, 1e-7)
        'the gradients of cell/kernel vanish (3e-09): try …'

    Args:
        gradients: Root mean square gradient of a single weight, by the name of its variable.
        epsilon: Adam's epsilon.
    """
    vanished = sorted((name for name, size in gradients.items() if size < epsilon), key=gradients.__getitem__)
    if not vanished:
        return None
    more = f" and {len(vanished) - 1} more" if len(vanished) > 1 else ""
    return (
        f"the gradients of {vanished[0]}{more} vanish ({gradients[vanished[0]]:.1g}): units may be saturated or dead; "
        "try a lower --learning-rate or fewer --units"
    )
