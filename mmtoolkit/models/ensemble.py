"""Captions with several captioners together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras import ops

from mmtoolkit.decoding import Search
from mmtoolkit.errors import InputError
from mmtoolkit.models.captioner import Captioner
from mmtoolkit.text import END, START


class CaptionerEnsemble(Captioner):
    """Captions a picture with several captioners, whose probabilities of each next word are averaged.

    It is searched and evaluated as one of them is; it is not trained or exported, and has no preset. A student can
    learn from it (`distilled`).

    Example:
        >>> both = CaptionerEnsemble([mm.load("shapes_demo"), mm.load("shapes_demo")])
        >>> both.generate("a.jpg")
        'a purple triangle is to the left of a red square'

    Args:
        members: Captioners of one vocabulary that read the same images or regions.

    Raises:
        InputError: There are none, or they differ in vocabulary or input.

    Source: Hansen & Salamon, "Neural Network Ensembles", 1990; for captions: Vinyals et al., "Show and Tell: Lessons
        Learned from the 2015 MSCOCO Image Captioning Challenge", 2016, section 5.1.4.
    """

    def __init__(self, members: Sequence[Captioner]) -> None:
        if not members:
            raise InputError("An ensemble has captioners. Received: none.")
        first, *others = members
        for number, other in enumerate(others, start=2):
            if other.codec.vocabulary.tokens != first.codec.vocabulary.tokens:
                raise InputError(
                    f"The captioners of an ensemble have one vocabulary. Received: {len(first.codec.vocabulary):,} "
                    f"words, and other {len(other.codec.vocabulary):,} in captioner {number}; train it on the same "
                    "captions."
                )
            if (other.extractor, other.image_shapes()) != (first.extractor, first.image_shapes()):
                raise InputError(
                    f"The captioners of an ensemble read the same input. Received: {first.image_shapes()} of "
                    f"{first.extractor}, and in captioner {number} {other.image_shapes()} of {other.extractor}."
                )
            if (other.has_attention, other.grid) != (first.has_attention, first.grid):
                raise InputError(
                    f"The captioners of an ensemble attend to the same regions. Received: attention="
                    f"{first.decoder.attention_name!r} over {first.grid}, and in captioner {number} "
                    f"{other.decoder.attention_name!r} over {other.grid}."
                )
        super().__init__(**first.get_config())
        self.members, self.built = list(members), True
        self.take_facts(first)

    def search(
        self, inputs: Mapping[str, Any], decoding: Search | None = None, *, fused: bool = False
    ) -> tuple[Any, Any]:
        """Searches for sentences as `Captioner.search`; the state is those of all members."""
        memories = [member.decoder.prepare(member.regions(inputs)) for member in self.members]
        if fused:
            memories = [member.decoder.fused(each) for member, each in zip(self.members, memories, strict=True)]
        pairs = list(zip(self.members, memories, strict=True))

        def step(tokens: Any, states: Any) -> tuple[Any, Any]:
            found = [
                member.decoder.step(tokens, state, memory)
                for (member, memory), state in zip(pairs, states, strict=True)
            ]
            logs = ops.stack([ops.log_softmax(logits) for logits, _ in found])  # [members, rows, vocabulary]
            return ops.logsumexp(logs, axis=0), tuple(state for _, state in found)

        drawn = {"uniforms": inputs["uniforms"]} if "uniforms" in inputs else {}
        states = tuple(member.decoder.initial_state(memory) for member, memory in pairs)
        search = decoding or self.decoding
        return search(step, states, start=START, end=END, max_length=self.max_length, **drawn)

    def encoded(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return dict(inputs)  # each member has an encoder of its own

    def vector(self, inputs: Mapping[str, Any]) -> Any:
        return self.members[0].vector(inputs)

    def attention_weights(self, inputs: Mapping[str, Any], captions: Sequence[str]) -> Any:
        """Computes the attention weights of each word of given captions, averaged over the members."""
        found = [member.attention_weights(inputs, captions) for member in self.members]
        return [sum(rows) / len(rows) for rows in zip(*found, strict=True)]

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Computes the logarithms of the averaged probabilities: `<float32>[batch, time, vocabulary]`."""
        logs = ops.stack([ops.log_softmax(member(inputs, training=False)) for member in self.members])
        return ops.logsumexp(logs, axis=0) - ops.log(float(len(self.members)))

    def save_preset(self, *arguments: Any, **options: Any) -> None:
        """Refuses, as a preset holds one model."""
        raise self.refusal("saved")

    def bare(self, **arguments: Any) -> Any:
        """Refuses, as exports and trainings copy one model."""
        raise self.refusal("exported, copied or trained")

    def compile(self, *arguments: Any, **options: Any) -> None:
        """Refuses, as its members are trained."""
        raise self.refusal("trained")

    @staticmethod
    def refusal(what: str) -> InputError:
        """Makes the error of what is done with one captioner only."""
        return InputError(f"One captioner can be {what}. Received: an ensemble; take its members, or distil it.")
