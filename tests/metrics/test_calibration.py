"""Bins of probabilities, against a count over every answer."""

from __future__ import annotations

import random

import pytest

from mmtoolkit.metrics import calibration, calibration_error


def test_bins_hold_the_answers_of_their_probability() -> None:
    chance = random.Random(3)
    sure = [chance.random() for _ in range(200)] + [0.0, 1.0, 0.1]
    right = [float(chance.random() < probability) for probability in sure]
    bins = calibration(sure, right, bins=5)
    for number, found in enumerate(bins):
        inside = [n for n, p in enumerate(sure) if number / 5 <= p < (number + 1) / 5 or (number == 4 and p == 1)]
        assert found.answers == len(inside)
        assert found.confidence == pytest.approx(100 * sum(sure[n] for n in inside) / len(inside))
        assert found.accuracy == pytest.approx(100 * sum(right[n] for n in inside) / len(inside))
    assert sum(found.answers for found in bins) == 203


def test_a_model_that_is_as_often_right_as_it_is_sure_has_no_error() -> None:
    assert calibration_error(calibration([0.75] * 4, [1, 1, 1, 0])) == 0.0
    assert calibration_error(calibration([1.0] * 4, [1, 1, 1, 0])) == 25.0


def test_the_error_is_weighted_by_answers() -> None:
    bins = calibration([0.05] * 3 + [0.95], [0, 0, 0, 0])
    assert calibration_error(bins) == pytest.approx((3 * 5 + 95) / 4)
