"""Question and picture made one vector, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.layers import Fusion

BATCH, REGIONS, FEATURES, ASKED, UNITS = 2, 5, 3, 4, 6
RANDOM = np.random.default_rng(0)
QUESTION = RANDOM.normal(size=(BATCH, ASKED)).astype("float32")
IMAGE = RANDOM.normal(size=(BATCH, REGIONS, FEATURES)).astype("float32") + 1.0


def ready(kind: str, **options: object) -> Fusion:
    """A fusion with no weight at a special value."""
    fusion = Fusion(kind, units=UNITS, **options)
    fusion(QUESTION, IMAGE)
    for number, weight in enumerate(fusion.weights):
        weight.assign(0.7 * np.random.default_rng(number).normal(size=weight.shape))
    return fusion


def linear(layer: object, values: np.ndarray) -> np.ndarray:
    kernel, bias = (np.asarray(weight) for weight in layer.weights)
    return values @ kernel + bias


def dense(layer: object, values: np.ndarray) -> np.ndarray:
    return np.tanh(linear(layer, values))


def mean_of_one_length() -> np.ndarray:
    mean = IMAGE.mean(axis=1)
    return np.sqrt(FEATURES) * mean / np.linalg.norm(mean, axis=-1, keepdims=True)


def test_product() -> None:
    fusion = ready("product")
    joint, attention_weights = fusion(QUESTION, IMAGE)
    expected = dense(fusion.question_layer, QUESTION) * dense(fusion.image_layer, mean_of_one_length())
    np.testing.assert_allclose(joint, expected, atol=1e-6)
    assert attention_weights is None


def test_concat() -> None:
    fusion = ready("concat")
    expected = dense(fusion.both_layer, np.concatenate([QUESTION, mean_of_one_length()], axis=-1))
    np.testing.assert_allclose(fusion(QUESTION, IMAGE)[0], expected, atol=1e-6)


@pytest.mark.parametrize("hops", [1, 2])
def test_attention_in_hops(hops: int) -> None:
    """Stacked attention, equations 15 to 19, with Bahdanau's score and linear layers: what is seen is added to what
    asks next.

    Beside the sum stands the product of the question with all that was seen.
    """
    fusion = ready("attention", hops=hops, attention_units=7)
    joint, attention_weights = fusion(QUESTION, IMAGE)
    regions = (IMAGE - IMAGE.mean(-1, keepdims=True)) / np.sqrt(IMAGE.var(-1, keepdims=True) + 1e-5)
    first = query = linear(fusion.question_layer, QUESTION)
    seen = []
    for attention, layer in zip(fusion.attentions, fusion.seen_layers, strict=True):
        key_kernel, key_bias = (np.asarray(weight) for weight in attention.key_projection.weights)
        asked = query @ np.asarray(attention.query_projection.kernel)
        scores = np.tanh(asked[:, None] + regions @ key_kernel + key_bias) @ np.asarray(attention.v)
        weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
        seen.append(weights)
        query = query + linear(layer, (weights[..., None] * regions).sum(axis=1))
    np.testing.assert_allclose(joint, np.concatenate([query, first * (query - first)], axis=-1), atol=1e-5)
    assert joint.shape[-1] == fusion.width
    np.testing.assert_allclose(attention_weights, np.stack(seen, axis=1), atol=1e-6)
    assert len(seen) == hops


@pytest.mark.parametrize("options", [{"kind": "product"}, {"kind": "concat"}, {"kind": "attention", "hops": 2}])
def test_questions_that_share_a_picture_are_joined_as_if_each_had_its_own(options: dict[str, Any]) -> None:
    fusion = ready(**options)
    questions, picture = np.concatenate([QUESTION, QUESTION + 1.0]), np.array([1, 0, 1, 1], "int32")
    for shared, own in zip(fusion(questions, IMAGE, picture), fusion(questions, IMAGE[picture]), strict=True):
        if own is not None:
            np.testing.assert_allclose(shared, own, atol=1e-6)
    assert not np.allclose(fusion(questions, IMAGE, picture[::-1])[0], fusion(questions, IMAGE, picture)[0])


@pytest.mark.parametrize("kind", ["product", "concat", "attention"])
def test_a_blind_one_has_no_weights_for_a_picture(kind: str) -> None:
    fusion = Fusion(kind, units=UNITS, hops=2, question_only=True)
    joint, attention_weights = fusion(QUESTION)
    layer, form = fusion.both_layer or fusion.question_layer, linear if kind == "attention" else dense
    np.testing.assert_allclose(joint, form(layer, QUESTION), atol=1e-6)
    assert attention_weights is None and len(fusion.weights) == 2


@pytest.mark.parametrize("kind", ["product", "concat"])
def test_a_picture_of_nothing_stays_finite(kind: str) -> None:
    assert np.isfinite(np.asarray(ready(kind)(QUESTION, np.zeros_like(IMAGE))[0])).all()


def test_unknown_options_are_refused() -> None:
    with pytest.raises(InputError, match="product, concat, attention. Received: 'sum'"):
        Fusion("sum")
    with pytest.raises(InputError, match="once or twice. Received: hops=3"):
        Fusion("attention", hops=3)
