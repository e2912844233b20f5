"""Each sign on cases made for it, and on healthy ones; its numbers against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mmtoolkit.monitoring.diagnostics import (
    exploding_gradients,
    flat_attention,
    same_captions,
    squared_gradients,
    still_attention,
    total_variation,
    vanishing_gradients,
)


def numbered(count: int) -> list[str]:
    return [f"sentence {number}" for number in range(count)]


def different(count: int, pictures: int = 100) -> list[str]:
    """So many different captions over the pictures."""
    return [f"caption {number % count}" for number in range(pictures)]


# --- captions ---


def test_a_model_that_always_says_the_same_is_named_with_its_caption() -> None:
    message = same_captions(["a dog"] * 100, numbered(100))
    assert message and message.startswith("1 caption for 100 pictures, most often 'a dog': ") and "try" in message
    message = same_captions(["a dog"] * 97 + ["a cat"] * 3, numbered(100))
    assert message and message.startswith("2 captions for 100 pictures, most often 'a dog': ")


@pytest.mark.parametrize(("count", "warned"), [(1, True), (5, True), (6, False), (40, False), (100, False)])
def test_captions_count_as_the_same_up_to_five_in_a_hundred(count: int, warned: bool) -> None:
    assert (same_captions(different(count), numbered(100)) is not None) == warned


@pytest.mark.parametrize(
    ("captions", "references"),
    [
        (["a dog"] * 100, ["the dog"] * 100),  # people said the same of all pictures too
        (different(2), [f"shape {number % 4}" for number in range(100)]),  # half as many as people had
        (["a dog"] * 9, numbered(9)),  # too few to tell
        ([], []),
    ],
)
def test_captions_no_more_alike_than_peoples_pass(captions: list[str], references: list[str]) -> None:
    assert same_captions(captions, references) is None


# --- attention ---


def eyes(*places: int, regions: int = 16) -> np.ndarray:
    """All of the attention at one region a word."""
    return np.eye(regions, dtype=np.float32)[list(places)]


EVEN = np.full((6, 16), 1 / 16, np.float32)


def test_total_variation_is_the_largest_difference_over_all_sets_of_regions() -> None:
    """Its definition, by enumeration."""
    some, others = np.random.default_rng(0).dirichlet(np.ones(5), size=(2, 7))
    subsets = [list(chosen) for size in range(6) for chosen in itertools.combinations(range(5), size)]
    by_hand = [
        max(abs(p[chosen].sum() - q[chosen].sum()) for chosen in subsets) for p, q in zip(some, others, strict=True)
    ]
    np.testing.assert_allclose(total_variation(some, others), by_hand, atol=1e-12)


def test_attention_that_stays_is_named() -> None:
    message = still_attention([eyes(3, 3, 3, 3), eyes(5, 5)])
    assert message and "does not move between words (0.0 %" in message and "try" in message
    assert still_attention([EVEN])  # where it is flat it does not move either


def test_attention_that_moves_is_not() -> None:
    assert still_attention([eyes(3, 4, 9, 9), eyes(1, 2)]) is None


@pytest.mark.parametrize(("share", "warned"), [(0.019, True), (0.021, False)])
def test_the_attention_must_move_by_two_in_a_hundred(share: float, warned: bool) -> None:
    """So much of it goes from one region to the next with each word."""
    row = np.array([[1.0, 0.0], [1 - share, share], [1 - 2 * share, 2 * share]])
    assert (still_attention([row]) is not None) == warned


def test_even_attention_is_named_and_attention_to_something_is_not() -> None:
    message = flat_attention([EVEN, EVEN[:2]])
    assert message and "evenly over all regions (0.0 % away" in message and "try" in message
    assert flat_attention([eyes(3, 3, 3)]) is None  # it stays, but it has chosen


@pytest.mark.parametrize(("share", "warned"), [(0.04, True), (0.06, False)])
def test_the_attention_must_choose_by_five_in_a_hundred(share: float, warned: bool) -> None:
    """So much of it has gone from one region of four to another."""
    row = np.array([[0.25 + share, 0.25 - share, 0.25, 0.25]])
    assert (flat_attention([row]) is not None) == warned


@pytest.mark.parametrize("attention_weights", [[], [EVEN[:0]], [EVEN[:0], EVEN[:0]], [np.ones((4, 1))[:1]]])
def test_captions_without_words_to_compare_say_nothing(attention_weights: list[np.ndarray]) -> None:
    assert still_attention(attention_weights) is None
    assert flat_attention(attention_weights) is None


# --- gradients ---


@pytest.mark.parametrize(("start", "steps"), [(0.0, 1), (0.0, 7), (0.3, 1), (0.3, 50)])
def test_squared_gradients_come_back_from_the_second_moments(start: float, steps: int) -> None:
    """Run Adam's recurrence on random gradients; the answer is their weighted mean, the start forgotten."""
    gradients = np.random.default_rng(1).normal(size=(steps, 3))
    moments = before = np.full(3, start)
    for gradient in gradients:
        moments = 0.99 * moments + 0.01 * gradient**2
    weights = 0.99 ** np.arange(steps)[::-1]
    expected = (weights[:, None] * gradients**2).sum(axis=0) / weights.sum()
    np.testing.assert_allclose(squared_gradients(moments, before, steps=steps, decay=0.99), expected, rtol=1e-9)


def test_rounding_makes_no_gradient_negative() -> None:
    assert squared_gradients([0.999 - 1e-9], [1.0], steps=1, decay=0.999) == [0.0]


@pytest.mark.parametrize(
    ("norm", "clip", "warned"), [(4.98, 5.0, True), (4.4, 5.0, False), (1.2, 5.0, False), (99, None, False)]
)
def test_gradients_at_the_clip_explode(norm: float, clip: float | None, warned: bool) -> None:
    message = exploding_gradients(norm, clip)
    assert (message is not None) == warned
    assert not warned or (message and f"{norm:.3g}" in message and "--learning-rate" in message)


def test_gradients_below_epsilon_vanish_and_the_smallest_is_named() -> None:
    message = vanishing_gradients({"cell/kernel": 3e-9, "output/kernel": 1e-3, "words/table": 0.0}, 1e-7)
    assert message and message.startswith("the gradients of words/table and 1 more vanish (0): ") and "try" in message
    message = vanishing_gradients({"cell/kernel": 3e-9, "output/kernel": 1e-3}, 1e-7)
    assert message and message.startswith("the gradients of cell/kernel vanish (3e-09): ")
    assert vanishing_gradients({"cell/kernel": 2e-7}, 1e-7) is None
