"""Extends a trained model by new words, or by the last block of its encoder to be trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from keras import ops

from mmtoolkit.backbones import BLOCK, BLOCKS
from mmtoolkit.errors import InputError
from mmtoolkit.models.image_inputs import ImageInputs
from mmtoolkit.models.model import Model, ModelT
from mmtoolkit.text import SPECIAL, TextCodec, Vocabulary, centred, train_word2vec
from mmtoolkit.vision import ExtractorKey, block_weights

NEIGHBOURS, LEAST = 3, 0.2  # most known words that a new one is made of, and their least cosine similarity
DIM, WINDOW = 100, 2  # of word2vec; a narrow window finds words that can replace each other
VISITS, EPOCHS = 300_000, (10, 1000)  # words that word2vec shall read, within the least and most epochs
ImageInputsT = TypeVar("ImageInputsT", bound=ImageInputs)


class VocabularyExtension(NamedTuple):
    """Lists the tokens that were added to a model.

    Args:
        words: New tokens of each codec, by the codec's name.
        neighbours: Known tokens that each new one was made of; none where it is the mean of all.
    """

    words: dict[str, tuple[str, ...]]
    neighbours: dict[str, tuple[str, ...]]

    def as_json(self) -> dict[str, Any]:
        """Describes the extension for a report."""
        return {"new": {codec: list(tokens) for codec, tokens in self.words.items()}, "neighbours": self.neighbours}


def extend_vocabulary(
    model: ModelT,
    texts: Mapping[str, Sequence[str]],
    *,
    known: Mapping[str, Sequence[str]] | None = None,
    neighbours: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    min_count: int = 1,
    seed: int = 0,
) -> tuple[ModelT, VocabularyExtension]:
    """Copies a model and adds the words of more texts.

    Old tokens keep their ids and their weights. A new one starts as the mean of the trained weights of up to three
    known tokens: those given, or else those nearest to it by word2vec, trained on the texts, or else all tokens.

    Example:
        >>> larger, extension = extend_vocabulary(captioner, {"words": ["a red hexagon is above a blue star"]})
        >>> extension.words["words"], "hexagon" in larger.codec.vocabulary.id_of
        (('hexagon',), True)

    Args:
        model: A built model.
        texts: Texts with new words, by the codec's name (`"words"`, and `"answers"` of a question-answerer).
        known: Texts that the model was trained on, if available: word2vec reads them too, as only words in its texts
            can be neighbours.
        neighbours: Known tokens to make new ones of, by the codec's name, as `predicted_neighbours` returns them.
        min_count: Words that occur less often stay unknown.
        seed: Seed of word2vec.

    Source: neighbours in a space trained on all text, for words that a model was not trained on: Kiros et al.,
        "Skip-Thought Vectors", 2015, section 2.2, which maps the spaces; here the neighbours' weights are taken.
    """
    codecs = {name: getattr(model, model.codec_attribute(name)) for name in model.codec_names}
    new = {name: unknown(codec, texts.get(name, ()), min_count) for name, codec in codecs.items()}
    if not any(new.values()):
        return model, VocabularyExtension(new, {})
    larger = {name: extended(codec, new[name]) for name, codec in codecs.items()}
    changed = {model.codec_attribute(name): codec for name, codec in larger.items()}
    copy = type(model).from_config({**model.get_config(), **changed})
    copy.build(copy.input_shapes())
    read = [text for each in (texts, known or {}) for written in each.values() for text in written]
    made_of = parents(codecs, new, read, neighbours or {}, seed)
    for old, target in zip(model.weights, copy.weights, strict=True):
        name = model.codec_of(old)
        count = len(codecs[name].vocabulary)
        target.assign(with_rows(ops.convert_to_numpy(old), target.shape, count, made_of[name]))
    copy.card = dict(model.card)
    copy.take_facts(model)
    tokens = {
        token: tuple(codecs[name].vocabulary.tokens[index] for index in ids)
        for name in new
        for token, ids in zip(new[name], made_of[name], strict=True)
    }
    return copy, VocabularyExtension(new, tokens)


def parents(
    codecs: Mapping[str, TextCodec],
    new: Mapping[str, Sequence[str]],
    texts: Sequence[str],
    neighbours: Mapping[str, Mapping[str, Sequence[str]]],
    seed: int,
) -> dict[str, list[tuple[int, ...]]]:
    """Finds the known ids that the new tokens of each codec start from: those given, or else the nearest ones."""
    made_of: dict[str, list[tuple[int, ...]]] = {}
    for name, tokens in new.items():
        vocabulary = codecs[name].vocabulary
        named = [tuple(vocabulary.id_of[like] for like in neighbours.get(name, {}).get(token, ())) for token in tokens]
        if not all(named):
            near = nearest(tokens, vocabulary, codecs["words"], texts, seed=seed)
            named = [ids or others for ids, others in zip(named, near, strict=True)]
        made_of[name] = named
    return made_of


def predicted_neighbours(
    model: Model, extension: VocabularyExtension, batches: Iterable[Any]
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Predicts up to three known tokens for the places of each new one.

    Done before the extended model is trained, this finds better neighbours than texts alone: the model also reads the
    picture.

    Example:
        >>> larger, extension = extend_vocabulary(captioner, {"words": ["a purple hexagon"]})
        >>> hexagon = mm.CaptionRecord(Path("a.jpg"), "a.jpg", ("a purple hexagon",))      # it is a triangle
        >>> batches = mm.caption_dataset([hexagon], larger.codec, features=mm.Pictures(64))
        >>> predicted_neighbours(larger, extension, batches)["words"]["hexagon"][0]
        'triangle'

    Args:
        model: A captioner or question-answerer from `extend_vocabulary`.
        extension: Its new tokens.
        batches: `(inputs, targets, weights)` of its training set.

    Returns:
        The argument `neighbours` of `extend_vocabulary`, by the name of the codec of outputs; none for a token that is
        in no batch.
    """
    name = model.codec_names[-1]
    vocabulary, tokens = getattr(model, model.codec_attribute(name)).vocabulary, extension.words[name]
    first_new = len(vocabulary) - len(tokens)
    sums = np.zeros((len(tokens), first_new))
    for inputs, targets, _ in batches:
        logits = ops.convert_to_numpy(ops.cast(model(inputs), "float32"))
        first = len(vocabulary) - logits.shape[-1]  # the id of the first column; answers have none for special tokens
        odds = ops.convert_to_numpy(ops.softmax(logits[..., len(SPECIAL) - first : first_new - first]))
        wanted = ops.convert_to_numpy(targets)
        for row, token in zip(sums, range(first_new, len(vocabulary)), strict=True):
            here = wanted[..., token - first] > 0 if wanted.ndim == logits.ndim else wanted == token
            row[len(SPECIAL) :] += odds[here].sum(axis=0)
    best = np.argsort(-sums, axis=1, kind="stable")[:, :NEIGHBOURS]
    return {
        name: {
            token: tuple(vocabulary.tokens[index] for index in ids if row[index] > 0)
            for token, ids, row in zip(tokens, best, sums, strict=True)
        }
    }


def unknown(codec: TextCodec, texts: Sequence[str], min_count: int) -> tuple[str, ...]:
    """Lists the tokens of texts that a codec lacks, most frequent first."""
    counts = Counter(token for tokens in codec.split(texts) for token in tokens)
    new = {token: count for token, count in counts.items() if token not in codec.vocabulary.id_of}
    return Vocabulary.from_counts(new, min_count=min_count).tokens[len(SPECIAL) :]


def extended(codec: TextCodec, tokens: Sequence[str]) -> TextCodec:
    """Adds tokens to a codec; the ids of the old ones stay."""
    return TextCodec(Vocabulary((*codec.vocabulary.tokens, *tokens)), level=codec.level, lower=codec.lower)


def with_rows(old: np.ndarray, shape: Sequence[int], known: int, made_of: Sequence[Sequence[int]]) -> np.ndarray:
    """Adds a row (or column) to a weight for each new token, the mean of those of the tokens that it is made of.

    Args:
        old: `<float>[...]`.
        shape: Shape of the result; at most one axis is longer.
        known: Number of old tokens. A weight with fewer rows has none for the special ones, which come first.
        made_of: Ids of known tokens for each new one; none for the mean of all.
    """
    longer = [axis for axis, (before, after) in enumerate(zip(old.shape, shape, strict=True)) if before != after]
    if not longer:
        return old
    rows = np.moveaxis(old, longer[0], 0)
    first = known - len(rows)  # the id of the first row
    every = np.arange(len(SPECIAL), known)
    more = [rows[np.asarray(ids if len(ids) else every) - first].mean(axis=0) for ids in made_of]
    return np.moveaxis(np.concatenate([rows, np.stack(more)]), 0, longer[0])


def with_trainable_block(model: ImageInputsT) -> ImageInputsT:
    """Copies a model of stored regions, adding the last block of their network as an encoder that can be trained.

    Example:
        With the weights of VGG19 in the cache:
        >>> with_trainable_block(mm.load("flickr8k_lstm")).encoder_name  # doctest: +SKIP
        'vgg19-block5'

    Args:
        model: A built model. The copy's regions differ only in that the block's input is rounded, not its output.

    Raises:
        InputError: The regions are not those of that block, or the weights that made them are not in the cache.
    """
    key = check_trainable_block(model)
    name = next((kind for kind, network in BLOCKS.items() if network == key.backbone.name), key.backbone.name + BLOCK)
    config = {**model.get_config(), "encoder": name, "extractor": key}
    deeper = type(model).from_config(config)
    deeper.build(deeper.input_shapes())
    deeper.encoder.start(block_weights(key))
    block = {id(weight) for weight in deeper.encoder.weights}
    others = [weight for weight in deeper.weights if id(weight) not in block]
    for weight, known in zip(others, model.weights, strict=True):
        weight.assign(known)
    deeper.card = dict(model.card)
    deeper.take_facts(model)
    return deeper


def check_trainable_block(model: ImageInputs) -> ExtractorKey:
    """Checks that a model's regions are those of a network's last block; returns the key of what is before it."""
    key: ExtractorKey | None = model.extractor
    if key is None:
        raise InputError(
            "The stage encoder trains a small CNN or the last block of a network. Received: a preset on regions of an "
            "unknown extractor; leave the stage out."
        )
    try:
        return replace(key, network=key.backbone.before_last_block().network)
    except InputError as error:
        raise InputError(f"{error} (--stages decoder)") from error


def nearest(
    new: Sequence[str], known: Vocabulary, codec: TextCodec, texts: Sequence[str], *, seed: int
) -> list[tuple[int, ...]]:
    """Finds the ids of up to three known tokens nearest to each new one, by word2vec trained on texts."""
    sentences = codec.split(texts)
    words = Vocabulary.count(sentences)
    epochs = int(np.clip(VISITS // max(1, sum(map(len, sentences))), *EPOCHS))
    table = centred(train_word2vec(sentences, words, dim=DIM, window=WINDOW, epochs=epochs, seed=seed).table)

    def vectors(tokens: Sequence[str]) -> np.ndarray:
        """Computes `<float32>[tokens, DIM]` of length 1: the mean of several words, zeros for unknown ones."""
        rows = np.zeros((len(tokens), DIM), np.float32)
        for row, parts in zip(rows, codec.split(tokens), strict=True):
            ids = [words.id_of[word] for word in parts if word in words.id_of]
            if ids:
                row[:] = table[ids].mean(axis=0)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)

    similarities = vectors(new) @ vectors(known.tokens[len(SPECIAL) :]).T
    best = np.argsort(-similarities, axis=1, kind="stable")[:, :NEIGHBOURS]
    return [
        tuple(int(index) + len(SPECIAL) for index in ids if row[index] >= LEAST)
        for ids, row in zip(best, similarities, strict=True)
    ]
