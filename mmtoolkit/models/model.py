"""Base class of all models: searching, and presets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import keras
import numpy as np
from keras import ops

from mmtoolkit.decoding import IMPOSSIBLE, Search, best_of, search_of
from mmtoolkit.errors import InputError, first_line, shortened
from mmtoolkit.layers.registered import is_kept_apart, preset_form
from mmtoolkit.models.companions import Companions
from mmtoolkit.models.preset_config import check_arguments, check_widths
from mmtoolkit.models.preset_weights import load_weights, not_finite, numbers_in, pack
from mmtoolkit.models.search_graph import SearchGraph
from mmtoolkit.presets import CARD, CONFIG, Preset, read_preset, write_preset
from mmtoolkit.text import TextCodec
from mmtoolkit.vision import choose_precision
from mmtoolkit.vision.image_distribution import ImageDistribution

if TYPE_CHECKING:  # Keras has no types: a checker would accept any attribute of what derives from it
    from mmtoolkit.models.keras_model import KerasModel
else:
    from keras import Model as KerasModel

ModelT = TypeVar("ModelT", bound="Model")
MANY = 16  # pictures; compiling takes longer than it gains for fewer


class Model(KerasModel):
    """Extends Keras models by codecs, a default decoding, and presets.

    Args:
        decoding: The search that `generate`, evaluation and export use by default.
        max_length: Longest sentence, END included.
        card: Provenance of a loaded preset; empty for a new model.
        baselines: Data of its task's baselines as JSON, e.g. the most frequent answers of the training data.
        companions: Further models of the preset by name, e.g. a question-only baseline.
        image_distribution: The distribution of its training images, where that is known.
    """

    codec_names: ClassVar[tuple[str, ...]] = ("words",)
    passes_on: ClassVar[tuple[type, ...]] = ()  # classes whose arguments its constructor takes as well
    decoding: Search
    max_length: int
    card: Mapping[str, Any]
    image_distribution: ImageDistribution | None = None
    encoder: Any = None  # of images, where it is trained along
    extractor: Any = None  # of the stored features that it reads
    image_size = 0  # side of the square images that it reads

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.baselines: Mapping[str, Any] = {}
        self.companions = Companions()
        # Keras neither tracks nor saves what a cache holds, and a model may be saved after it has searched. The key has
        # `max_length`, as the graph does.
        self.search_graph = lru_cache(maxsize=4)(
            lambda decoding, max_length, fused: SearchGraph(self, decoding, fused=fused).predict_on_batch
        )

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, *arguments: Any, **options: Any) -> None:
        """Configures training as Keras does, but refuses a loss that expects probabilities: models give logits.

        Raises:
            InputError: The loss has `from_logits=False`.
        """
        known = keras.losses.get(loss) if isinstance(loss, str) else loss
        function = getattr(known, "fn", known)
        takes = "from_logits" in getattr(getattr(function, "__code__", None), "co_varnames", ())
        if takes and not getattr(known, "_fn_kwargs", {}).get("from_logits", False):
            raise InputError(
                f"Expected a loss of logits, such as mmtoolkit.token_loss(). Received: {shortened(loss)}, which "
                "expects probabilities; give it from_logits=True."
            )
        super().compile(optimizer, loss, *arguments, **options)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model as it was when it was saved; Keras asks for this where `compile` is a class's own."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer and self.built:
            self.optimizer.build(self.trainable_variables)

    def export(self, *arguments: Any, **options: Any) -> None:
        """Refuses Keras' own export, which has neither the decoder of pictures nor the search."""
        raise InputError(
            f"A {type(self).__name__} is exported with its pictures' decoder and its search. Received: Keras' own "
            "export; write mmtoolkit.export(mmtoolkit.task_of(model), model, folder)."
        )

    @property
    def uses_images(self) -> bool:
        """Returns whether images are among its inputs."""
        return False

    @property
    def provenance(self) -> dict[str, Any]:
        """Returns what its outputs depend on besides its weights, for cards and reports."""
        return {"precision": self.compute_dtype}

    def decode(self, inputs: Mapping[str, Any], decoding: Any = None) -> list[list[Any]]:
        """Decodes the outputs of each row, best first; every model defines it."""
        raise NotImplementedError(f"{type(self).__name__} needs a method `decode`.")

    def image_source(self) -> Any:
        """Makes the source that reads image files as this model takes them; a model with images defines it."""
        raise NotImplementedError(f"{type(self).__name__} needs a method `image_source`.")

    def encoded(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the encoder of images once, for several uses of the same inputs."""
        return dict(inputs)

    def distances(self, inputs: Mapping[str, Any]) -> np.ndarray | None:
        """Computes how far each row's image is from the training images: `<float64>[batch]`, or `None` if unknown."""
        return None

    def fit_distribution(self, train: Sequence[Any], valid: Sequence[Any], *, source: Any = None) -> Any:
        """Fits the distribution of its training images; a model without vectors of images has none."""
        return None

    def search(
        self, inputs: Mapping[str, Any], decoding: Search | None = None, *, fused: bool = False
    ) -> tuple[Any, Any]:
        """Searches for sentences: ids `<int32>[batch, n_best, max_length]` and scores `<float32>[batch, n_best]`.

        With `fused`, parts of it are compiled: faster in this process, but an export must not contain them.
        """
        raise NotImplementedError

    def searched(self, inputs: Mapping[str, Any], decoding: Search | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Runs `search` in a graph that is made once for each search; the results are NumPy arrays."""
        fused = max(map(len, inputs.values())) >= MANY
        return self.search_graph(decoding or self.decoding, self.max_length, fused)(dict(inputs))

    def searching(self, decoding: Search | str | None, n_best: int | None = None) -> Search | None:
        """Returns the search of `generate`: the default one where none is given, for `n_best` sentences.

        Raises:
            InputError: It is no search, or `n_best` is below 1.
        """
        if n_best is not None and n_best < 1:
            raise InputError(f"n_best is the number of sentences, 1 or more. Received: {n_best}.")
        search = None if decoding is None else search_of(decoding)
        return search if n_best is None else best_of(search or self.decoding, n_best)

    def sentences(
        self, inputs: Mapping[str, Any], decoding: Search | None, codec: TextCodec
    ) -> list[list[tuple[str, float]]]:
        """Decodes what `searched` returns: each row's sentences with their scores, best first.

        Raises:
            InputError: A row has none, for the numbers of the model have overflowed.
        """
        ids, scores = self.searched(inputs, decoding)
        if not np.all(np.any(scores > IMPOSSIBLE, axis=1)):
            raise InputError(
                f"Expected a {type(self).__name__} whose numbers stay finite. Received: one that computes NaN or "
                "infinity, from weights or inputs that are far too large; use another preset, or train it again."
            )
        texts = np.reshape(codec.decode_all(ids.reshape(-1, ids.shape[-1])), scores.shape)
        return [
            [(str(text), float(score)) for text, score in zip(*row, strict=True) if score > IMPOSSIBLE]
            for row in zip(texts, scores, strict=True)
        ]

    def bare(self, **arguments: Any) -> Self:
        """Copies the model without its optimizer, whose state would make a file four times as large.

        Args:
            arguments: Constructor arguments in place of the model's own, e.g. another `dtype`.
        """
        copy = self.from_config({**self.get_config(), **arguments})
        copy.build(copy.input_shapes())
        copy.set_weights(self.get_weights())
        copy.take_facts(self)
        return copy

    def own_layers(self) -> dict[str, Any]:
        """Returns the constructor's arguments that a preset does not hold: layers whose classes it cannot name."""
        return {name: each for name, each in self.get_config().items() if is_kept_apart(each)}

    def take_facts(self, other: Model) -> None:
        """Copies from another model what a preset holds besides config, weights, codecs and card."""
        self.image_distribution, self.baselines = other.image_distribution, other.baselines
        self.companions = Companions(other.companions.entries)

    def save_preset(self, folder: str | Path, *, card: Mapping[str, Any] | None = None, float16: bool = False) -> None:
        """Writes the preset directory; an existing one is replaced in one move.

        Args:
            folder: Where.
            card: Where the model comes from, in place of the card it was loaded with.
            float16: Whether the weights are rounded to float16 and compressed, in a file less than half as large. Those
                of a model that computes in bfloat16 are rounded to that first, so that a decoder's outputs stay the
                same (batch norms, which compute in float32, are rounded too). The model loaded from it has the rounded
                weights in its own precision.

        Raises:
            InputError: A weight is too large for float16.
        """
        model = self.bare(dtype="float16") if float16 else self.bare()
        if float16:
            fine = "bfloat16" if self.compute_dtype == "bfloat16" else "float32"
            model.set_weights([ops.convert_to_numpy(ops.cast(weight, fine)) for weight in self.get_weights()])
            if large := not_finite(model):
                raise InputError(
                    f"float16=True holds weights up to 65,504. Received: a larger one in {large}; leave it out."
                )
        arguments = self.get_config()
        codecs: dict[str, TextCodec] = {name: arguments.pop(self.codec_attribute(name)) for name in self.codec_names}
        write_preset(
            Path(folder),
            config={"class": type(self).__name__, "model": {key: preset_form(each) for key, each in arguments.items()}},
            codecs=codecs,
            card=self.card if card is None else card,
            save_weights=lambda path: pack(path, model.save_weights) if float16 else model.save_weights(path),
            image_distribution=self.image_distribution,
            baselines=self.baselines,
            companions=self.companions.entries,
        )

    @staticmethod
    def codec_attribute(name: str) -> str:
        """Returns the name of the attribute and constructor argument that holds a codec."""
        return "codec" if name == "words" else f"{name}_codec"

    def codec_of(self, weight: keras.Variable) -> str:
        """Returns the name of the codec to whose tokens the rows of a weight belong, if they belong to any."""
        return self.codec_names[-1]

    @classmethod
    def from_preset(cls, name: str | Path | Preset, **arguments: Any) -> Self:
        """Loads a preset by path or by the name of a shipped one; `Model` finds the class in the preset.

        A model that was trained in bfloat16 computes in float32 where the processor does not multiply bfloat16.

        Example:
            >>> mm.Captioner.from_preset("shapes_demo").image_size
            64

        Args:
            name: The path of a preset directory, the name of a shipped preset, or a preset that was read.
            arguments: Constructor arguments in place of those in the preset, e.g. another `extractor`.

        Raises:
            InputError: The preset is unknown, lacks a file or has a damaged one, or is one of another class.
        """
        preset = name if isinstance(name, Preset) else read_preset(name)
        kind = cls.class_of(preset)
        stored, numbers = preset.config["model"], numbers_in(preset.weights)
        check_widths(
            preset.folder / CONFIG, stored, max(len(each.vocabulary) for each in preset.codecs.values()), numbers
        )
        codecs = {kind.codec_attribute(key): codec for key, codec in preset.codecs.items()}
        try:
            model = kind.from_config({**on_this_machine(stored), **codecs, **arguments})
            model.build(model.input_shapes())
        except InputError as error:
            raise InputError(f"{preset.folder / CONFIG}: {error}") from error
        except (TypeError, ValueError, KeyError) as error:
            raise InputError(
                f"{preset.folder / CONFIG} does not describe a {kind.__name__} ({first_line(error)}); "
                "copy the whole directory again."
            ) from error
        try:
            load_weights(model, preset.weights, numbers)
        except (ValueError, OSError, KeyError, RuntimeError, TypeError) as error:
            if missing := set(model.get_config()) - set(stored) - set(codecs):
                raise InputError(
                    f"{preset.folder / CONFIG} lacks {', '.join(sorted(missing))}: another version of mmtoolkit saved "
                    f"it (the versions in {CARD} say which); load it with that one, or train again."
                ) from error
            raise InputError(
                f"{preset.weights} does not hold the weights that {CONFIG} describes ({first_line(error)}); "
                "copy the whole directory again."
            ) from error
        if lost := not_finite(model):
            raise InputError(
                f"{preset.weights} has a weight that is not a finite number, in {lost}: the training was lost, or the "
                "file is damaged; fetch it anew, or train again."
            )
        model.card, model.image_distribution = preset.card, preset.image_distribution
        model.baselines = preset.baselines
        model.companions = Companions(preset.companions)
        return model

    @classmethod
    def class_of(cls, preset: Preset) -> type[Self]:
        """Returns the class of a preset's model, this one or one that inherits from it, once its config fits the class.

        Raises:
            InputError: It is another class, or `config.json` has other codecs or arguments than the class.
        """
        named = {kind.__name__: kind for kind in concrete(cls)}
        wanted = preset.config.get("class")
        if wanted not in named:
            raise InputError(
                f"Expected a preset of the class {' or '.join(named)}. Received: {preset.folder}, "
                f"of the class {wanted}; name another preset or load it with that class."
            )
        kind, path = named[wanted], preset.folder / CONFIG
        if sorted(preset.codecs) != sorted(kind.codec_names):
            raise InputError(
                f"{path} does not describe a {wanted}: expected the codecs {', '.join(kind.codec_names)}. Received: "
                f"{', '.join(preset.codecs) or 'no codec'}; copy the whole directory again."
            )
        check_arguments(path, kind, preset.config["model"])
        return kind

    def input_shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Returns the shapes of the inputs, for building without data."""
        raise NotImplementedError


def concrete(kind: type[ModelT]) -> list[type[ModelT]]:
    """Lists the registered classes among a class and its subclasses: those that presets can name."""
    own = [kind] if ">" in keras.saving.get_registered_name(kind) else []
    return own + [each for sub in kind.__subclasses__() for each in concrete(sub)]


def on_this_machine(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Replaces bfloat16 by float32 in a preset's arguments where the processor does not multiply it."""
    fitting = dict(arguments)
    if choose_precision("auto") == "float32":
        if fitting.get("dtype") == "mixed_bfloat16":
            fitting["dtype"] = "float32"
        if fitting.get("extractor"):
            fitting["extractor"] = {**fitting["extractor"], "precision": "float32"}
    return fitting


def revived(codec: TextCodec | Mapping[str, Any]) -> TextCodec:
    """Restores a codec that Keras may have serialized."""
    return keras.saving.deserialize_keras_object(codec) if isinstance(codec, Mapping) else codec
