"""Checks of a training: each returns one sentence with advice, or `None` if all is well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The thresholds are far from what was measured on captioners of Flickr8k that learnt (BLEU-4 18 to 21 on its
# development pictures, in three recipes: regions as they are or normalised, with and without dropped regions).

# Distinct captions per distinct reference: they had 0.38 to 0.89 in each of their epochs; a collapsed one has a handful
# of sentences for a thousand pictures.
FEWEST_DIFFERENT = 0.05
FEWEST_PICTURES = 10  # of fewer, chance may give all the same sentence

# Total variation between the attention of two successive words, 0 the same regions and 1 none in common: they had 0.09
# to 0.17, an untrained one 0.008.
LEAST_MOVED = 0.02
# Total variation between the attention and a uniform one: they had 0.20 to 0.32.
LEAST_CHOSEN = 0.05

# Root mean square of the global gradient norm as a share of the norm at which it is clipped: near to 1, nearly every
# step was clipped. They had 0.22 to 0.27 (1.1 to 1.3 of 5).
MOST_CLIPPED = 0.9
# A root mean square gradient has vanished below Adam's epsilon (1e-7), where Adam's steps begin to shrink with it: they
# had 3e-5 and more in all of their variables.


def same_captions(captions: Sequence[str], references: Sequence[str]) -> str | None:
    """Checks whether nearly all pictures get the same few captions though people wrote different ones.

    Example:
        >>> same_captions(["a dog"] * 50, [f"sentence {i}" for i in range(50)])
        "1 caption for 50 pictures, most often 'a dog': check that captions belong to their pictures, or try ..."

    Args:
        captions: Captions of the model, one for each picture.
        references: Captions by people, one for each of the same pictures.
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
    """Checks whether the attention stays on the same regions from word to word.

    Example:
        >>> still_attention([[[0.0, 1.0, 0.0, 0.0]] * 5])
        'the attention does not move between words (0.0 % of it from one to the next): try ...'

    Args:
        attention_weights: A `<float>[words, regions]` for each caption; captions of one word are left out.
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
    """Checks whether the attention is spread evenly over all regions.

    Example:
        >>> flat_attention([[[0.25, 0.25, 0.25, 0.25]] * 5])
        'the attention is spread evenly over all regions (0.0 % away from uniform): try ...'

    Args:
        attention_weights: A `<float>[words, regions]` for each caption; those with one region are left out.
    """
    rows = [row for row in map(np.asarray, attention_weights) if len(row) and row.shape[-1] > 1]
    share = float(np.mean(np.concatenate([total_variation(row, 1 / row.shape[-1]) for row in rows]))) if rows else 1.0
    if not share < LEAST_CHOSEN:
        return None
    return (
        f"the attention is spread evenly over all regions ({100 * share:.1f} % away from uniform): "
        "try more epochs, a lower --attention-penalty or another --learning-rate"
    )


def total_variation(some: ArrayLike, others: ArrayLike) -> NDArray[np.float64]:
    """Computes the total variation distance between distributions, row by row.

    Example:
        >>> total_variation([[0.5, 0.5, 0.0]], [[0.5, 0.0, 0.5]])
        array([0.5])
    """
    return 0.5 * np.abs(np.asarray(some, np.float64) - np.asarray(others, np.float64)).sum(axis=-1)


def squared_gradients(now: ArrayLike, before: ArrayLike, *, steps: int, decay: float) -> NDArray[np.float64]:
    """Computes the mean squared gradient over the last steps, from Adam's second moment now and before them.

    The moment is `v ← decay · v + (1 - decay) · g²`, so what has come in since is `now - decay^steps · before`. The
    gradients are those that Adam saw: after the clip.

    Example:
        >>> squared_gradients([0.001 * 4.0], [0.0], steps=1, decay=0.999)   # one step, of gradient 2
        array([4.])

    Args:
        now: `<float>[weights]`: the second moments, or sums of them.
        before: The same, `steps` steps earlier.
        steps: Steps in between, 1 or more; later ones have a slightly larger weight.
        decay: Adam's beta_2.

    Source: Kingma & Ba, "Adam", 2015, algorithm 1.
    """
    remaining = decay**steps  # of the moment before
    added = np.asarray(now, np.float64) - remaining * np.asarray(before, np.float64)
    return np.maximum(added, 0.0) / (1.0 - remaining)


def exploding_gradients(norm: float, clip: float | None) -> str | None:
    """Checks whether the gradient norm has reached the clip, which hides its true size.

    Example:
        >>> exploding_gradients(4.98, 5.0)
        'nearly all gradients are cut to the clip (a norm of 4.98 of at most 5), and may explode: where the loss ...'

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
    """Checks whether weights get so little gradient that Adam no longer moves them.

    Example:
        >>> vanishing_gradients({"cell/kernel": 3e-9, "output/kernel": 1e-3}, 1e-7)
        'the gradients of cell/kernel vanish (3e-09): ...'

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
