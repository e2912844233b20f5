"""Checks the options of recurrent layers."""

from __future__ import annotations

from typing import Any

from mmtoolkit.errors import InputError

ATTENTIONS = ("bahdanau", "hard", "mean", "none")
GATES = ("features", "scalar", "none")


def check_form(layers: int, attention: str, gated_context: str, *, tie_output: bool, deep_output: bool) -> None:
    """Checks that the options of a decoder are in their ranges and fit each other."""
    check_depth("decoder", layers)
    if attention not in (*ATTENTIONS, "own"):
        raise InputError(f"A decoder's attention is one of {', '.join(ATTENTIONS)}. Received: {attention!r}.")
    if gated_context not in GATES:
        raise InputError(f"A decoder's gated_context is one of {', '.join(GATES)}. Received: {gated_context!r}.")
    if tie_output and not deep_output:
        raise InputError(
            "tie_output needs deep_output, which brings the output to the width of the word vectors. "
            "Received: tie_output=True, deep_output=False; set both or neither."
        )


def check_memory(memory: Any, attention: str) -> None:
    """Checks that a decoder with attention has a memory."""
    if memory is None and attention != "none":
        raise InputError(
            "A decoder without a memory has attention='none'. "
            f"Received: memory=None with attention={attention!r}; pass a memory of its `prepare`."
        )


def check_depth(name: str, layers: int) -> None:
    """Checks that a number of recurrent layers is a whole number from 1."""
    if not isinstance(layers, int) or layers < 1:
        raise InputError(f"The recurrent layers of a {name} are a whole number from 1. Received: layers={layers!r}.")
