"""Tasks of memory, and cells compared on them."""

from __future__ import annotations

import numpy as np
import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.experiments.cell_comparison import CRITERIA, Result, compare_cells, recommendation
from mmtoolkit.experiments.toy_sequences import adding, copying


def test_the_adding_problem_is_the_sum_of_two_marked_values() -> None:
    inputs, targets = adding(4000, 10, seed=0)
    assert (inputs[:, :5, 1].sum(axis=1) == 1).all() and (inputs[:, 5:, 1].sum(axis=1) == 1).all()
    for row, target in zip(inputs[:50], targets[:50], strict=True):
        assert target == pytest.approx(sum(value for value, mark in row if mark))
    assert np.mean((targets - 1.0) ** 2) == pytest.approx(CRITERIA["adding"].chance, rel=0.05)


def test_the_copy_task_is_recalled_after_the_blanks() -> None:
    inputs, targets = copying(20, 7, seed=0)
    ids = inputs.argmax(axis=-1)
    assert (inputs.sum(axis=-1) == 1).all() and ids.shape == (20, 27)
    np.testing.assert_array_equal(ids[:, :10], targets)
    assert (ids[:, 16] == 9).all() and (np.delete(ids[:, 10:], 6, axis=1) == 8).all()
    assert len(np.unique(targets)) == 8


def test_cells_learn_short_tasks() -> None:
    """A plain network and a GRU on ten steps; the seed makes it the same again."""
    same = {"length": 6, "sizes": [512], "seconds": None, "units": 16}
    found = list(compare_cells("adding", ["rnn", "gru"], **same, steps=400))  # type: ignore[arg-type]
    assert [each.cell for each in found] == ["rnn", "gru"] and all(each.epochs == 400 * 32 / 512 for each in found)
    assert all(each.score < 0.06 and each.interval[0] < each.score < each.interval[1] for each in found)
    assert found[0].parameters == 2 * 16 + 16 * 16 + 16 + 17
    (again,) = compare_cells("adding", ["gru"], **same, steps=400)  # type: ignore[arg-type]
    assert again.score == pytest.approx(found[1].score, rel=1e-3)
    (copied,) = compare_cells("copy", ["gru"], length=1, sizes=[256], seconds=None, steps=150, units=32)
    assert copied.score > 1.5 * (CRITERIA["copy"].chance or 0)


def test_the_recommendation_follows_from_the_intervals() -> None:
    def result(cell: str, score: float, spread: float, parameters: int) -> Result:
        return Result(cell, "100 sequences", score, (score - spread, score + spread), 1.0, 1, parameters)

    rnn, gru, lstm = result("rnn", 0.15, 0.01, 10), result("gru", 0.012, 0.003, 30), result("lstm", 0.01, 0.002, 40)
    assert recommendation(CRITERIA["adding"], [rnn, gru, lstm]).startswith(
        "with 100 sequences take gru: mean squared error 0.012"
    )
    assert recommendation(CRITERIA["adding"], [rnn, gru, lstm]).endswith("intervals apart: rnn")
    assert "take rnn" in recommendation(CRITERIA["adding"], [result("rnn", 0.01, 0.01, 10), gru, lstm])
    assert "none has learnt the task" in recommendation(CRITERIA["adding"], [result("rnn", 0.17, 0.01, 10)])
    high = [result("rnn", 30.0, 2, 10), result("lstm", 90.0, 2, 40)]
    assert recommendation(CRITERIA["copy"], high).startswith("with 100 sequences take lstm: accuracy 90")
    assert "none has learnt" in recommendation(CRITERIA["copy"], [result("rnn", 12.5, 1, 10)])


def test_a_cell_that_diverged_is_never_recommended() -> None:
    lost = Result("rnn_relu", "9 sequences", float("nan"), (float("nan"), float("nan")), 1.0, 1, 5)
    gru = Result("gru", "9 sequences", 0.01, (0.009, 0.011), 1.0, 1, 30)
    for some in ([lost, gru], [gru, lost]):
        advice = recommendation(CRITERIA["adding"], some)
        assert advice.startswith("with 9 sequences take gru") and advice.endswith("; diverged: rnn_relu")
    assert recommendation(CRITERIA["adding"], [lost]) == "with 9 sequences every training diverged"


def test_seeds_widen_the_interval() -> None:
    same = {"length": 6, "sizes": [64], "seconds": None, "units": 4, "steps": 3}
    (both,) = compare_cells("adding", ["rnn"], **same, seeds=[0, 1])  # type: ignore[arg-type]
    apart = [next(compare_cells("adding", ["rnn"], **same, seeds=[seed])) for seed in (0, 1)]  # type: ignore[arg-type]
    assert both.score == pytest.approx(np.mean([each.score for each in apart]), rel=1e-4)
    lows, highs = zip(*(each.interval for each in apart), strict=True)
    assert both.interval == pytest.approx((min(lows), max(highs)), rel=1e-4)
    with pytest.raises(InputError, match="Did you mean 'adding'"):
        next(compare_cells("ading", ["rnn"], **same))  # type: ignore[arg-type]
