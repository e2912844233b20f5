"""The captioner: searches over the decoder's step, attention over finished words, and what training teaches it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import mmtoolkit as mm
from mmtoolkit.data.datasets import token_batch
from mmtoolkit.text import END, PAD, START, UNK
from mmtoolkit.vision import ExtractorKey, read_image

CODEC = mm.TextCodec.fit(["a red circle", "a blue square above it", "빨간 원"])
REGIONS = np.random.default_rng(3).normal(size=(3, 5, 7)).astype(np.float16)

Make = Callable[..., mm.Captioner]


@pytest.fixture(scope="module")
def described(make_captioner: Make) -> mm.Captioner:
    """Reads five regions of seven numbers; its random weights are large, so that its captions differ."""
    captioner = mm.Captioner(CODEC, units=8, attention_units=6, embedding_dim=5, max_length=7)
    captioner.build({"regions": (None, 5, 7), "tokens": (None, None)})
    random = np.random.default_rng(0)
    captioner.set_weights([random.normal(0, 0.7, weight.shape) for weight in captioner.get_weights()])
    return captioner


# --- generating ---


def test_greedy_captions_by_hand(described: mm.Captioner) -> None:
    """One picture at a time, one token at a time, with NumPy's argmax."""
    expected = []
    for regions in REGIONS:
        memory = described.decoder.prepare(regions[None])
        state, token, ids, total = described.decoder.initial_state(memory), START, [], 0.0
        while len(ids) < 7 and token != END:
            logits, state = described.decoder.step(np.array([token]), state, memory)
            logs = np.asarray(ops.log_softmax(logits), np.float64)[0]
            logs[[PAD, START, UNK]] = -np.inf
            token = int(logs.argmax())
            total += logs[token]
            ids.append(token)
        expected.append((CODEC.decode(ids), total))
    written = [best for (best,) in described.decode({"regions": REGIONS}, mm.Greedy())]
    assert [caption.text for caption in written] == [text for text, _ in expected]
    assert len({text for text, _ in expected}) > 1
    np.testing.assert_allclose([caption.score for caption in written], [score for _, score in expected], rtol=1e-5)


@pytest.mark.parametrize("decoding", [None, mm.Greedy(), mm.BeamSearch(width=4, n_best=3, no_repeat_ngram=2)])
def test_the_compiled_search_is_the_search(described: mm.Captioner, decoding: Any) -> None:
    """What is written is the search's ids in words, whatever the batch."""
    for pictures in (REGIONS, REGIONS[:1], REGIONS[1:]):
        ids, scores = map(np.asarray, described.search({"regions": pictures}, decoding))
        written = described.decode({"regions": pictures}, decoding)
        assert [[caption.text for caption in row] for row in written] == [CODEC.decode_all(row) for row in ids]
        np.testing.assert_allclose([[caption.score for caption in row] for row in written], scores, rtol=1e-5)


def test_the_compiled_search_follows_the_weights_and_the_options(make_captioner: Make) -> None:
    """Nothing of the first search stays when weights, the default search or the longest caption change."""
    captioner = make_captioner(CODEC, decoding=mm.BeamSearch(width=2, min_length=2), max_length=5)
    images = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3)).astype(np.uint8)
    captioner.decode({"images": images})
    random = np.random.default_rng(1)
    captioner.set_weights([np.abs(random.normal(0, 0.5, weight.shape)) for weight in captioner.get_weights()])
    for attribute, value in (("max_length", 3), ("decoding", mm.Greedy()), ("decoding", mm.BeamSearch(n_best=2))):
        setattr(captioner, attribute, value)
        ids, _ = captioner.search({"images": images})
        written = captioner.decode({"images": images})
        assert [[caption.text for caption in row] for row in written] == [CODEC.decode_all(np.asarray(r)) for r in ids]


def test_a_search_leaves_no_trace_in_the_model(described: mm.Captioner) -> None:
    before = [weight.path for weight in described.weights]
    described.decode({"regions": REGIONS})
    assert [weight.path for weight in described.weights] == before
    assert not [layer for layer in described._flatten_layers() if "search" in layer.name]


def test_generate_reads_files_in_order_and_in_any_batches(learnt: Any) -> None:
    paths = [record.image for record in learnt.records]
    captions = learnt.captioner.generate(paths, batch_size=3)
    assert captions == learnt.captioner.generate([str(path) for path in paths])
    assert learnt.captioner.generate(paths[::-1], batch_size=5) == captions[::-1]
    assert len(set(captions)) == len(captions)


def test_generate_names_a_picture_that_cannot_be_read(learnt: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(mm.InputError, match=r"bad\.png"):
        learnt.captioner.generate([learnt.records[0].image, tmp_path / "bad.png"])


def test_regions_come_from_a_store(described: mm.Captioner) -> None:
    class Store:
        input_name, shape, dtype = "regions", (5, 7), np.float16

        def read(self, images: list[Path]) -> np.ndarray:
            return REGIONS[[int(path.stem) for path in images]]

    expected = [best[0].text for best in described.decode({"regions": REGIONS})]
    assert described.generate(["2.jpg", "0.jpg"], source=Store()) == [expected[2], expected[0]]


def test_a_picture_s_vector_is_the_direction_of_its_mean_region(described: mm.Captioner, monkeypatch: Any) -> None:
    """In batches, from a source that is asked for each picture once; and it is what the pictures are remembered by."""

    class Store:
        input_name, shape, dtype = "regions", (5, 7), np.float16

        def read(self, images: list[Path]) -> np.ndarray:
            asked.append(len(images))
            return np.stack([np.random.default_rng(int(path.stem)).normal(size=(5, 7)) for path in images])

    asked: list[int] = []
    images = [f"{number}.jpg" for number in range(70)]
    expected = np.stack([np.random.default_rng(number).normal(size=(5, 7)).mean(axis=0) for number in range(70)])
    expected /= np.sqrt((expected**2).sum(axis=1, keepdims=True))
    vectors = described.vectors(images, source=Store())
    assert vectors.dtype == np.float32 and asked == [64, 6]
    np.testing.assert_allclose(vectors, expected, rtol=1e-3, atol=1e-3)
    monkeypatch.setattr(described, "image_distribution", None)
    seen = described.fit_distribution(images[:50], images[50:], source=Store())
    assert described.image_distribution is seen
    np.testing.assert_allclose(seen.mean, expected[:50].mean(axis=0), atol=1e-3)
    assert not described.vector({"regions": np.zeros((1, 5, 7))}).any()
    with pytest.raises(mm.InputError, match="Expected pictures. Received: none"):
        described.vectors([], source=Store())


def test_without_an_extractor_or_a_store_there_is_nothing_to_see_with(described: mm.Captioner) -> None:
    with pytest.raises(mm.InputError, match="FeatureStore"):
        described.generate(["0.jpg"])


def test_the_extractor_is_found_in_the_cache_or_missed_in_a_sentence(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MMTOOLKIT_CACHE", str(tmp_path))
    key = ExtractorKey("0123456789abcdef" * 4, "float32")
    captioner = mm.Captioner(CODEC, units=4, embedding_dim=3, extractor=key)
    with pytest.raises(mm.InputError, match="SHA-256 0123456789abcdef…") as caught:
        captioner.image_source()
    assert str(tmp_path) in str(caught.value) and "--encoder-weights" in str(caught.value)


# --- attention ---


def test_attention_has_a_row_for_each_word_and_each_row_sums_to_one(described: mm.Captioner) -> None:
    captions = ["a red circle", "", "A blue square above it ."]
    rows = described.attention_weights({"regions": REGIONS}, captions)
    assert [row.shape for row in rows] == [(3, 5), (0, 5), (5, 5)]
    for row in rows:
        np.testing.assert_allclose(row.sum(axis=1), np.ones(len(row)), atol=1e-6)
        assert (row >= 0).all()


def test_attention_of_a_word_is_what_the_step_before_it_looked_at(described: mm.Captioner) -> None:
    """By hand: START is read to write word 0, word 0 to write word 1."""
    ids = CODEC.encode("a red circle")
    memory = described.decoder.prepare(REGIONS[:1])
    state, expected = described.decoder.initial_state(memory), []
    for token in ids[:3]:
        projection = described.decoder.project(described.decoder.embedding(np.array([token])), memory)
        state, (_, alignment) = described.decoder.recurrence(projection, state, memory)
        expected.append(np.asarray(alignment)[0])
    (rows,) = described.attention_weights({"regions": REGIONS[:1]}, ["a red circle"])
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    assert np.ptp(expected, axis=0).max() > 0.01  # the words do not all look at the same place


# --- training ---


def loss_of(captioner: mm.Captioner, regions: np.ndarray, captions: list[str], *, padding: int = 0) -> float:
    """The loss that `fit` would minimise on one batch, penalty included, with columns of padding added."""
    tokens, targets, weights = token_batch(CODEC.encode_all(captions))
    wider = [np.pad(array, [(0, 0), (0, padding)], constant_values=PAD) for array in (tokens, targets, weights)]
    logits = captioner({"regions": regions, "tokens": wider[0]}, training=True)
    return float(mm.token_loss(0.1)(wider[1], logits, wider[2])) + float(sum(captioner.losses))


@pytest.fixture(scope="module")
def penalised() -> mm.Captioner:
    captioner = mm.Captioner(CODEC, units=8, attention_units=6, embedding_dim=5, dropout=0.0, attention_penalty=1.0)
    captioner.build({"regions": (None, 5, 7), "tokens": (None, None)})
    random = np.random.default_rng(4)
    captioner.set_weights([random.normal(0, 0.7, weight.shape) for weight in captioner.get_weights()])
    return captioner


def test_right_padding_changes_no_loss(penalised: mm.Captioner) -> None:
    captions = ["a red circle", "a blue square above it", "a"]
    plain = loss_of(penalised, REGIONS, captions)
    assert loss_of(penalised, REGIONS, captions, padding=1) == pytest.approx(plain, rel=1e-6)
    assert loss_of(penalised, REGIONS, captions, padding=4) == pytest.approx(plain, rel=1e-6)


def test_the_attention_penalty_is_equation_14(penalised: mm.Captioner) -> None:
    """The mean over regions of (1 - attention over all steps)²; a caption counts the same in any batch."""
    captions = ["a red circle", "a"]
    memory = penalised.decoder.prepare(REGIONS[:2])
    expected = []
    for number, caption in enumerate(captions):
        ids = CODEC.encode(caption)[:-1]
        _, attention_weights = penalised.decoder(np.array([ids] * 2), memory)
        expected.append(np.square(1 - np.asarray(attention_weights)[number].sum(axis=0)).mean())
    loss_of(penalised, REGIONS[:2], captions)
    (penalty,) = penalised.losses
    assert float(penalty) == pytest.approx(np.mean(expected), rel=1e-5)
    penalised({"regions": REGIONS[:2], "tokens": np.array([[START, 4]] * 2)}, training=False)
    assert penalised.losses == []


def test_one_batch_can_be_learnt_by_heart(learnt: Any) -> None:
    assert learnt.losses[0] > 2 and learnt.losses[-1] < 0.1
    greedy = [best[0].text for best in learnt.captioner.decode({"images": learnt.images}, mm.Greedy())]
    assert greedy == learnt.captions
    assert [best[0].text for best in learnt.captioner.decode({"images": learnt.images})] == learnt.captions


def test_shuffling_the_images_hurts_the_scores(learnt: Any) -> None:
    """The captions come from the pictures, not from the language alone."""
    references = {record.image_id: record.captions for record in learnt.records}

    def scores(images: np.ndarray) -> dict[str, float]:
        written = learnt.captioner.decode({"images": images})
        return mm.score_captions(
            {name: best[0].text for name, best in zip(references, written, strict=True)}, references
        )

    right, wrong = scores(learnt.images), scores(np.roll(learnt.images, 1, axis=0))
    assert right["BLEU-4"] == pytest.approx(100) and wrong["BLEU-4"] < 50
    assert wrong["CIDEr"] < right["CIDEr"] / 2


def test_the_training_tensor_is_the_serving_tensor(learnt: Any) -> None:
    """The pixels of the data set, of `generate` and of the graph form are the same bytes."""
    source = mm.Pictures(32)
    assert source.add([record.image for record in learnt.records]) == {}
    dataset = mm.caption_dataset(learnt.records, learnt.captioner.codec, features=source, batch_size=8)
    ((inputs, _, _),) = list(dataset)
    captions = learnt.captioner.codec.decode_all(np.asarray(inputs["tokens"]))
    by_caption = dict(zip(learnt.captions, learnt.records, strict=True))
    assert sorted(captions) == sorted(by_caption)
    for pixels, caption in zip(np.asarray(inputs["images"]), captions, strict=True):
        path = by_caption[caption].image
        np.testing.assert_array_equal(pixels, learnt.captioner.image_source().read([path])[0])
        np.testing.assert_array_equal(pixels, read_image(path, size=32))
        assert pixels.dtype == np.uint8 and np.ptp(pixels) > 50


def test_clipping_uses_the_norm_of_whole_embedding_rows(make_captioner: Make) -> None:
    """A frequent word's gradient is one row: the norm that clips is the norm of the gradients by hand."""
    captioner = make_captioner(CODEC)
    images = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3)).astype(np.uint8)
    tokens, targets, weights = token_batch(CODEC.encode_all(["a a a a a a", "a a a a red"]))
    before = [np.asarray(weight) for weight in captioner.trainable_weights]
    captioner.compile(keras.optimizers.SGD(1.0, global_clipnorm=0.05), loss=mm.token_loss(0.0))
    captioner.train_on_batch({"images": images, "tokens": tokens}, targets, weights)
    moved = [old - np.asarray(weight) for old, weight in zip(before, captioner.trainable_weights, strict=True)]
    assert np.sqrt(sum(np.square(move).sum() for move in moved)) == pytest.approx(0.05, rel=1e-4)


def test_captions_that_share_a_picture_are_taught_as_if_each_had_it(learnt: Any) -> None:
    tokens = learnt.captioner.codec.encode_batch(learnt.captions[:4])
    whose = np.array([1, 0, 1, 2], np.int32)
    found = learnt.captioner.teacher_forced({"images": learnt.images[:3], "tokens": tokens, "image_index": whose})
    expected = learnt.captioner.teacher_forced({"images": learnt.images[whose], "tokens": tokens})
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_an_unknown_encoder_is_refused() -> None:
    with pytest.raises(mm.InputError, match="the name of a network of keras.applications. Received: 'smal'"):
        mm.Captioner(mm.TextCodec.fit(["a dog"]), encoder="smal")
