"""Gradients through time, against products of Jacobians in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mmtoolkit.experiments.gradient_flow import (
    clipped_losses,
    gradient_norms,
    kernel_gradient,
    memory_of,
    random_encoder,
    random_inputs,
    truncations,
)

LENGTH, UNITS, ROWS = 12, 5, 3
SLOPES = {
    "rnn": lambda h: 1 - h**2,
    "rnn_sigmoid": lambda h: h * (1 - h),
    "rnn_relu": lambda h: (h > 0).astype(float),
}


@pytest.mark.parametrize("cell", SLOPES)
def test_norms_are_products_of_jacobians(cell: str) -> None:
    """`dL/dh_t = dL/dh_T times diag(slope) W` of each step between."""
    encoder, vectors = random_encoder(cell, units=UNITS, gain=1.5, seed=0), random_inputs(LENGTH, rows=ROWS, seed=0)
    outputs = np.asarray(encoder(vectors)[0], "float64")
    kernel = np.asarray(encoder.cells[0].recurrent_kernel, "float64")
    np.testing.assert_allclose(kernel @ kernel.T, 1.5**2 * np.eye(UNITS), atol=1e-5)  # orthogonal, times the gain
    gradient = np.asarray(tf.random.stateless_normal((ROWS, UNITS), (0, 0)), "float64")
    norms = [np.linalg.norm(gradient, axis=1).mean()]
    for time in reversed(range(1, LENGTH)):
        gradient = (gradient * SLOPES[cell](outputs[:, time])) @ kernel.T
        norms.append(np.linalg.norm(gradient, axis=1).mean())
    np.testing.assert_allclose(gradient_norms(encoder, vectors), np.array(norms[::-1]) / norms[0], rtol=1e-3)


def test_plain_networks_vanish_or_explode_and_open_gates_carry() -> None:
    vectors = random_inputs(60, rows=4, seed=0)

    def reach(cell: str, gain: float = 1.5, keep_bias: float | None = None) -> float:
        encoder = random_encoder(cell, units=32, gain=gain, seed=0, keep_bias=keep_bias)
        return float(gradient_norms(encoder, vectors)[0])

    assert reach("rnn_sigmoid") < 1e-20 and reach("rnn") < 0.1 and reach("rnn", gain=1.0) < 1e-6
    assert reach("rnn_relu") > 10
    assert reach("lstm") < 0.01 < 0.1 < reach("lstm", keep_bias=5.0)
    assert reach("gru") < 1e-6 < 0.1 < reach("gru", keep_bias=5.0)
    assert reach("gru_lecture", keep_bias=5.0) == pytest.approx(reach("gru", keep_bias=5.0), rel=0.5)


def test_a_window_of_all_steps_is_the_full_gradient() -> None:
    encoder, vectors = random_encoder("rnn", units=UNITS, gain=1.0, seed=0), random_inputs(LENGTH, rows=ROWS, seed=0)
    targets = np.asarray(tf.random.stateless_normal((ROWS, LENGTH, UNITS), (1, 0)), "float64")
    outputs = np.asarray(encoder(vectors)[0], "float64")
    kernel = np.asarray(encoder.cells[0].recurrent_kernel, "float64")
    for window in (1, 4, LENGTH):
        total, gradient = np.zeros((UNITS, UNITS)), np.zeros((ROWS, UNITS))
        for time in reversed(range(LENGTH)):
            to_output = (outputs[:, time] - targets[:, time]) / (ROWS * LENGTH)
            gradient = to_output + (gradient if (time + 1) % window and time + 1 < LENGTH else 0.0)
            to_sum = gradient * (1 - outputs[:, time] ** 2)
            before = outputs[:, time - 1] if time else np.zeros((ROWS, UNITS))
            total += before.T @ to_sum
            gradient = to_sum @ kernel.T
        np.testing.assert_allclose(kernel_gradient(encoder, vectors, window), total, atol=1e-6)


def test_truncations_come_nearer_with_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmtoolkit.experiments.gradient_flow.memory_of", lambda *given: 1.0)
    short, long, full = truncations("lstm", (2, 6, LENGTH), length=LENGTH, units=UNITS, gain=1.0)
    assert short.error > long.error > full.error == 0.0
    assert short.cosine < long.cosine < full.cosine == pytest.approx(1.0) and full.megabytes == 1.0


@pytest.mark.slow
def test_memory_grows_with_the_window() -> None:
    few, many = (memory_of("lstm", window, 100, 64) for window in (10, 100))
    assert many > 2 * few


def test_clipping_tames_what_explodes() -> None:
    same = {"length": 60, "units": 32, "gain": 1.5}
    wild, tame = clipped_losses("rnn_relu", None, **same), clipped_losses("rnn_relu", 1.0, **same)
    assert not np.isfinite(wild[-1]) and wild[0] == tame[0]
    assert len(tame) == 20 and tame[-1] < tame[0]
