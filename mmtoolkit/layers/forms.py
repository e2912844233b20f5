"""The forms of a decoder that there are."""

from __future__ import annotations

from mmtoolkit.errors import InputError

ATTENTIONS = ("bahdanau", "mean", "none")
GATES = ("features", "scalar", "none")


def check_form(layers: int, attention: str, gated_context: str, *, tie_output: bool, deep_output: bool) -> None:
    """Refuses forms that there are none of.

    Raises:
        InputError: An option is out of its range, or `tie_output` comes without `deep_output`.
    """
    if layers not in (1, 2):
        raise InputError(f"A decoder has 1 or 2 layers. Received: layers={layers!r}.")
    if attention not in ATTENTIONS:
        raise InputError(f"A decoder's attention is one of {', '.join(ATTENTIONS)}. Received: {attention!r}.")
    if gated_context not in GATES:
        raise InputError(f"A decoder's gated_context is one of {', '.join(GATES)}. Received: {gated_context!r}.")
    if tie_output and not deep_output:
        raise InputError(
            "tie_output needs deep_output, which brings the output to the width of the word vectors. "
            "Received: tie_output=True, deep_output=False; set both or neither."
        )
