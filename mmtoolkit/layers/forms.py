"""Checks the forms of recurrent stages."""

from __future__ import annotations

from typing import Any

from mmtoolkit.errors import InputError

ATTENTIONS = ("bahdanau", "mean", "none")
GATES = ("features", "scalar", "none")


def check_form(layers: int, attention: str, gated_context: str, *, tie_output: bool, deep_output: bool) -> None:
    """Refuses forms of a decoder that do not exist.

    Raises:
        InputError: An option is out of its range, or `tie_output` comes without `deep_output`.
    """
    check_depth("decoder", layers)
    if attention not in ATTENTIONS:
        raise InputError(f"A decoder's attention is one of {', '.join(ATTENTIONS)}. Received: {attention!r}.")
    if gated_context not in GATES:
        raise InputError(f"A decoder's gated_context is one of {', '.join(GATES)}. Received: {gated_context!r}.")
    if tie_output and not deep_output:
        raise InputError(
            "tie_output needs deep_output, which brings the output to the width of the word vectors. "
            "Received: tie_output=True, deep_output=False; set both or neither."
        )


def check_memory(memory: Any, attention: str) -> None:
    """Refuses to attend to nothing.

    Raises:
        InputError: There is an attention, and no memory.
    """
    if memory is None and attention != "none":
        raise InputError(
            "A decoder without a memory has attention='none'. "
            f"Received: memory=None with attention={attention!r}; pass a memory of its `prepare`."
        )


def check_depth(name: str, layers: int) -> None:
    """Refuses a number of recurrent layers that is none.

    Raises:
        InputError: It is no whole number from 1.
    """
    if not isinstance(layers, int) or layers < 1:
        raise InputError(f"The recurrent layers of a {name} are a whole number from 1. Received: layers={layers!r}.")
