"""Nats, bits and perplexity, against their definitions."""

from __future__ import annotations

import math

import pytest

import mmtoolkit as mm
from mmtoolkit.metrics.likelihood import LikelihoodMetric


def test_scores_are_their_definitions() -> None:
    """Ten words of 40 characters, whose probabilities are 1/2 for four of them and 1/8 for six."""
    nats = -(4 * math.log(1 / 2) + 6 * math.log(1 / 8))
    scores = LikelihoodMetric().scores([nats, 10, 40])
    assert scores["nats"] == pytest.approx(nats / 10)
    assert scores["bits"] == pytest.approx((4 * 1 + 6 * 3) / 40)
    assert scores["perplexity"] == pytest.approx(2 ** ((4 * 1 + 6 * 3) / 10))


def test_less_is_better_and_a_thousandth_counts() -> None:
    metric = LikelihoodMetric()
    assert metric.is_better("nats", 1.4, 1.5) and not metric.is_better("bits", 2.0, 1.0)
    assert metric.rank({"nats": 1.499}, "nats") > metric.rank({"nats": 1.5}, "nats")
    assert metric.rank({"nats": 1.5001}, "nats") == metric.rank({"nats": 1.5}, "nats")
    assert metric.scores([0.0, 0.0, 0.0])["perplexity"] == 1.0 and metric.scores([1e9, 1, 1])["perplexity"] < math.inf


def test_texts_have_no_likelihood() -> None:
    with pytest.raises(mm.InputError, match="evaluate the model that wrote them"):
        LikelihoodMetric().score({"a": "b"}, {"a": ["c"]})
