"""The equations of the recurrent cells in NumPy, in float64: what the tests of cells, encoders and decoders expect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def weights_of(layer: Any) -> dict[str, np.ndarray]:
    return {weight.name: np.asarray(weight, "float64") for weight in layer.weights}


def advance(cell: Any, inputs: np.ndarray, state: Sequence[np.ndarray], below: Any = None) -> list[np.ndarray]:
    """One move of a cell whose inputs, `[…, gates * units]`, are projected."""
    w, units, hidden = weights_of(cell), cell.units, np.asarray(state[0], "float64")

    def gate(number: int) -> np.ndarray:
        """Input, recurrent product and bias of one gate."""
        part = slice(number * units, (number + 1) * units)
        recurrent = w["recurrent_kernel"][:, part]
        product = hidden @ recurrent if recurrent.shape[1] else 0.0
        return inputs[..., part] + product + w["bias"][part]

    kind = type(cell).__name__
    if kind == "VanillaCell":
        squash = {"tanh": np.tanh, "sigmoid": sigmoid, "relu": lambda x: np.maximum(x, 0.0)}[cell.activation]
        return [squash(gate(0))]
    if kind == "JordanCell":
        return [np.tanh(np.tanh(gate(0)) @ w["output_kernel"] + w["output_bias"])]
    if kind == "GRUCell":
        z, r = sigmoid(gate(0)), sigmoid(gate(1))
        product = hidden @ w["recurrent_kernel"][:, 2 * units :]
        candidate = np.tanh(inputs[..., 2 * units :] + w["bias"][2 * units :] + r * product)
        return [z * hidden + (1 - z) * candidate]
    if kind == "GRULectureCell":
        z, r = sigmoid(gate(0)), sigmoid(gate(1))
        product = (r * hidden) @ w["candidate_kernel"]
        candidate = np.tanh(inputs[..., 2 * units :] + w["bias"][2 * units :] + product)
        return [(1 - z) * hidden + z * candidate]
    carry = np.asarray(state[1], "float64")
    if kind == "CoupledLSTMCell":
        f = sigmoid(gate(0))
        carry = f * carry + (1 - f) * np.tanh(gate(1))
        return [sigmoid(gate(2)) * np.tanh(carry), carry]
    peephole = w.get("peephole_kernel", np.zeros(3 * units))
    see = [np.diag(part) if part.ndim == 1 else part for part in np.split(peephole, 3, axis=-1)]
    i, f = sigmoid(gate(0) + carry @ see[0]), sigmoid(gate(1) + carry @ see[1])
    old, carry = carry, f * carry + i * np.tanh(gate(2))
    if kind == "DepthGatedLSTMCell" and below:
        past, under = np.split(w["depth_kernel"], 2)
        carry = carry + sigmoid(gate(4) + past * old + under * below[1]) * below[1]
    return [sigmoid(gate(3) + carry @ see[2]) * np.tanh(carry), carry]
