"""`batch_plan`: which examples make up each batch."""

from __future__ import annotations

import numpy as np
import pytest

from mmtoolkit.data import batch_plan
from mmtoolkit.data.stages import POOL
from mmtoolkit.errors import InputError

LENGTHS = np.random.default_rng(3).integers(3, 30, size=1003)


def padding(plan: list[np.ndarray]) -> int:
    """Positions that hold no token when every batch is as wide as its longest example."""
    return sum(int((LENGTHS[batch].max() - LENGTHS[batch]).sum()) for batch in plan)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 8, 1003, 5000])
def test_every_example_comes_once(shuffle: bool, batch_size: int) -> None:
    plan = batch_plan(LENGTHS, batch_size=batch_size, seed=1, epoch=2, shuffle=shuffle)
    assert sorted(np.concatenate(plan)) == list(range(len(LENGTHS)))


def test_all_batches_are_full_but_one() -> None:
    sizes = [len(batch) for batch in batch_plan(LENGTHS, batch_size=8)]
    assert sorted(sizes) == [1003 % 8] + [8] * (1003 // 8)


def test_the_plan_is_a_function_of_its_arguments() -> None:
    first, second = (batch_plan(LENGTHS, batch_size=8, seed=4, epoch=1) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("other", [{"seed": 4, "epoch": 2}, {"seed": 5, "epoch": 1}, {"seed": 1, "epoch": 4}])
def test_seed_and_epoch_change_the_order(other: dict[str, int]) -> None:
    plan = np.concatenate(batch_plan(LENGTHS, batch_size=8, seed=4, epoch=1))
    assert (np.concatenate(batch_plan(LENGTHS, batch_size=8, **other)) != plan).mean() > 0.9


def test_examples_meet_others_in_every_epoch() -> None:
    """Not only the batches are shuffled: which examples share a batch changes too."""
    mates = [{tuple(sorted(b)) for b in batch_plan(LENGTHS, batch_size=8, epoch=epoch)} for epoch in range(2)]
    assert len(mates[0] & mates[1]) <= 2


def test_buckets_pad_far_less_than_a_random_order() -> None:
    order = np.random.default_rng(0).permutation(len(LENGTHS))
    at_random = [order[start : start + 8] for start in range(0, len(order), 8)]
    assert padding(batch_plan(LENGTHS, batch_size=8)) < 0.1 * padding(at_random)


def test_lengths_do_not_rise_through_an_epoch() -> None:
    """Batches come in random order: the length of a batch says nothing about its place."""
    plan = batch_plan(LENGTHS, batch_size=8)
    widths = [LENGTHS[batch].max() for batch in plan]
    assert abs(np.corrcoef(widths, np.arange(len(widths)))[0, 1]) < 0.3


def test_a_pool_is_as_large_as_it_says() -> None:
    """Batches are sorted within pools, so a batch spans more lengths than in one sort of everything."""
    many = np.random.default_rng(5).integers(1, 1000, size=2 * 2 * POOL)
    spans = [np.ptp(many[batch]) for batch in batch_plan(many, batch_size=2)]
    everything = np.sort(many).reshape(-1, 2)
    assert np.mean(spans) > 1.5 * np.mean(everything[:, 1] - everything[:, 0])


def test_without_shuffling_the_order_is_the_given_one() -> None:
    plan = batch_plan([5, 1, 9, 2, 7], batch_size=2, shuffle=False, seed=9, epoch=9)
    assert [batch.tolist() for batch in plan] == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("shuffle", [True, False])
def test_no_examples_make_no_batches(shuffle: bool) -> None:
    assert batch_plan([], batch_size=4, shuffle=shuffle) == []


def test_the_docstring_tells_the_truth() -> None:
    assert [batch.tolist() for batch in batch_plan([3, 9, 3, 9], batch_size=2, seed=0)] == [[1, 3], [2, 0]]


@pytest.mark.parametrize("batch_size", [0, -3])
def test_a_batch_holds_something(batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"batch_size.*Received: {batch_size}"):
        batch_plan([1, 2], batch_size=batch_size)


OWNERS = np.random.default_rng(5).integers(0, 40, 333)
SAME = np.zeros(333, int)


def shared(lengths: np.ndarray = SAME, **options: int) -> list[np.ndarray]:
    return batch_plan(lengths, batch_size=16, owners=OWNERS.tolist(), **options)


def heaps(order: np.ndarray) -> int:
    """How many times the owner changes in an order, and one."""
    return 1 + int((OWNERS[order][1:] != OWNERS[order][:-1]).sum())


@pytest.mark.parametrize("per_group", [1, 3, 8])
def test_a_shared_plan_has_every_example_once_in_full_batches(per_group: int) -> None:
    plan = shared(per_group=per_group, seed=1, epoch=2)
    assert sorted(np.concatenate(plan)) == list(range(333))
    assert sorted(len(batch) for batch in plan) == [13] + [16] * 20


def test_examples_of_one_owner_stand_together_and_no_more_than_asked() -> None:
    chunks = sum(-(-count // 4) for count in np.bincount(OWNERS))
    batches = len(shared())  # whose order is random: a heap may be cut at each edge
    assert 0.9 * chunks < heaps(np.concatenate(shared(per_group=4, seed=1))) <= chunks + batches
    assert heaps(np.concatenate(shared(per_group=1, seed=1))) > 0.9 * 333


def test_heaps_of_one_length_share_a_batch() -> None:
    """A heap is as long as its longest example, and stays whole within a batch."""
    lengths = np.random.default_rng(6).integers(3, 30, 333)
    plan = shared(lengths, per_group=4, seed=1)
    assert sum(heaps(batch) for batch in plan) <= sum(-(-count // 4) for count in np.bincount(OWNERS)) + len(plan)
    longest = [lengths[batch].max() for batch in plan]
    at_random = [lengths[batch].max() for batch in shared(per_group=4, seed=1)]
    assert np.mean(longest) < np.mean(at_random) - 2


def test_a_shared_plan_is_a_function_of_seed_and_epoch() -> None:
    def order(**other: int) -> np.ndarray:
        return np.concatenate(shared(per_group=4, **other))

    np.testing.assert_array_equal(order(seed=1, epoch=2), order(seed=1, epoch=2))
    for other in ({"seed": 2, "epoch": 2}, {"seed": 1, "epoch": 3}):
        assert (order(**other) != order(seed=1, epoch=2)).mean() > 0.9


def test_owners_who_share_nothing_change_nothing() -> None:
    plain = batch_plan(LENGTHS[:333], batch_size=16, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(plain, shared(LENGTHS[:333], seed=3), strict=True))


def test_the_example_of_a_shared_plan_and_what_it_refuses() -> None:
    pictures = ["a.jpg", "a.jpg", "b.jpg", "b.jpg"]
    plan = batch_plan([3, 9, 3, 9], batch_size=2, owners=pictures, per_group=2)
    assert [batch.tolist() for batch in plan] == [[2, 3], [0, 1]]
    assert batch_plan([], batch_size=2, owners=[], per_group=2) == []
    with pytest.raises(InputError, match="per_group must be at least 1. Received: 0"):
        batch_plan([3], batch_size=2, owners=["a"], per_group=0)
    with pytest.raises(InputError, match="need an owner each. Received: 1 owners of 2 examples"):
        batch_plan([3, 4], batch_size=1, owners=["a"], per_group=2)
    with pytest.raises(InputError, match="need an owner each. Received: no owners"):
        batch_plan([3, 4], batch_size=1, per_group=2)
