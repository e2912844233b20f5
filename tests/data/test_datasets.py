"""`caption_dataset`: records to batches, in an order that is data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance.cases import forced_auto_jit

from mmtoolkit.data import batch_plan, caption_dataset
from mmtoolkit.data.datasets import token_batch
from mmtoolkit.errors import InputError
from mmtoolkit.records import CaptionRecord, texts
from mmtoolkit.text import END, PAD, START, TextCodec


class NumberedPictures:
    """Every picture is its own number, so a batch shows which pictures it holds."""

    input_name = "regions"
    shape = (1, 1)
    dtype = np.dtype("float16")

    def __init__(self) -> None:
        self.reads = 0

    def read(self, images: Sequence[Path]) -> np.ndarray:
        self.reads += 1
        return np.array([[[int(image.stem)]] for image in images], "float16")


def records_of(pictures: int, captions: int = 2) -> list[CaptionRecord]:
    """Picture 3's caption 1 is `p3 c1 x x x`: its own words, and a length that varies."""
    return [
        CaptionRecord(Path(f"{p}.jpg"), str(p), tuple(f"p{p} c{c}" + " x" * ((p + 3 * c) % 5) for c in range(captions)))
        for p in range(pictures)
    ]


RECORDS = records_of(9)
CODEC = TextCodec.fit(texts(RECORDS))
LENGTHS = [len(ids) for ids in CODEC.encode_all(texts(RECORDS))]
EPOCHS = [batch_plan(LENGTHS, batch_size=4, seed=7, epoch=epoch) for epoch in range(6)]


def make(**options: Any) -> tf.data.Dataset:
    given = {"features": NumberedPictures(), "batch_size": 4, "seed": 7, **options}
    return caption_dataset(RECORDS, CODEC, **given)


def examples(batch: Any) -> list[int]:
    """Which caption each row of a batch is, from the words in it."""
    words = [CODEC.decode(row).split() for row in batch[1].numpy()]
    return [2 * int(word[0][1:]) + int(word[1][1:]) for word in words]


def order(dataset: Any) -> list[list[int]]:
    return [examples(batch) for batch in dataset]


def expected(epoch: int, start: int = 0) -> list[list[int]]:
    return [batch.tolist() for batch in EPOCHS[epoch][start:]]


def test_targets_are_the_inputs_one_token_on() -> None:
    for inputs, targets, weights in make():
        tokens, targets, weights = inputs["tokens"].numpy(), targets.numpy(), weights.numpy()
        np.testing.assert_array_equal(tokens[:, 0], START)
        for row, target, weight in zip(tokens, targets, weights, strict=True):
            real = int((target != PAD).sum())
            np.testing.assert_array_equal(row[1:real], target[: real - 1])
            assert target[real - 1] == END
            np.testing.assert_array_equal(weight > 0, target != PAD)
            assert not target[real:].any()


def test_weights_of_a_batch_sum_to_one_and_are_equal() -> None:
    for _, targets, weights in make():
        real = weights.numpy()[targets.numpy() != PAD]
        np.testing.assert_allclose(real, 1 / real.size, rtol=1e-6)
        assert weights.numpy().sum() == pytest.approx(1.0, abs=1e-6)


def test_pictures_belong_to_their_captions() -> None:
    for batch in make():
        np.testing.assert_array_equal(batch[0]["regions"].numpy()[:, 0, 0], [i // 2 for i in examples(batch)])


def test_captions_of_one_picture_may_share_it() -> None:
    lengths, owners = LENGTHS, np.repeat(range(9), 2).tolist()
    plan = batch_plan(lengths, batch_size=4, owners=owners, per_group=2, seed=7)
    found = list(make(per_group=2))
    assert [examples(batch) for batch in found] == [chosen.tolist() for chosen in plan]
    for batch in found:
        pictures, whose = batch[0]["regions"].numpy().ravel(), batch[0]["image_index"].numpy()
        assert len(set(pictures)) == len(pictures)  # each is read once
        assert [int(pictures[picture]) for picture in whose] == [example // 2 for example in examples(batch)]


def test_few_shapes_hold_the_same_captions_with_padding_and_pictures_once_more() -> None:
    given: dict[str, Any] = {"per_group": 2, "batch_size": 8}
    plain, few = list(make(**given)), list(make(**given, few_shapes=True))
    assert {batch[1].shape[1] for batch in few} == {8} and len({batch[1].shape[1] for batch in plain}) > 1
    for (inputs, targets, weights), (filled, *others) in zip(plain, few, strict=True):
        time, count = inputs["tokens"].shape[1], len(inputs["regions"])
        assert len(filled["regions"]) == count + count % 2  # of a batch of eight, one of four numbers
        np.testing.assert_array_equal(filled["regions"][:count], inputs["regions"])
        assert set(filled["regions"].numpy().ravel()) == set(inputs["regions"].numpy().ravel())
        np.testing.assert_array_equal(filled["image_index"], inputs["image_index"])
        for one, other in zip((filled["tokens"], *others), (inputs["tokens"], targets, weights), strict=True):
            np.testing.assert_array_equal(one[:, :time], other)
            assert one.shape[0] == other.shape[0] and not one[:, time:].numpy().any()


def test_shapes_are_few_where_keras_compiles_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert any(batch[1].shape[1] % 8 for batch in make())
    forced_auto_jit(monkeypatch)
    assert not any(batch[1].shape[1] % 8 for batch in make())


def test_the_types_are_those_of_the_features() -> None:
    inputs, targets, weights = next(iter(make()))
    assert [inputs["regions"].dtype, inputs["tokens"].dtype] == [tf.float16, tf.int32]
    assert [targets.dtype, weights.dtype] == [tf.int32, tf.float32]


def test_each_pass_is_the_next_epoch() -> None:
    dataset = make()
    assert [order(dataset) for _ in range(3)] == [expected(0), expected(1), expected(2)]


@pytest.mark.parametrize(("epoch", "step"), [(0, 1), (2, 3), (1, 0)])
def test_starting_in_the_middle_equals_skipping(epoch: int, step: int) -> None:
    dataset = make(epoch=epoch, step=step)
    assert order(dataset) == expected(epoch, step)
    assert order(dataset) == expected(epoch + 1)


def test_skipped_batches_are_not_read() -> None:
    pictures = NumberedPictures()
    assert len(order(make(features=pictures, step=3))) == pictures.reads == len(EPOCHS[0]) - 3


def test_a_step_past_the_epoch_is_in_the_next() -> None:
    """A run that was saved at the end of an epoch goes on with the next."""
    assert order(make(epoch=0, step=len(EPOCHS[0]))) == expected(1)
    assert order(make(epoch=0, step=len(EPOCHS[0]) + 2)) == expected(1, 2)


@pytest.mark.parametrize("batch_size", [4, 9, 6])  # 5, 2 and 3 batches: reading ahead must not reach the last
def test_a_look_at_the_first_batch_is_not_a_pass(batch_size: int) -> None:
    dataset = make(batch_size=batch_size)
    plan = batch_plan(LENGTHS, batch_size=batch_size, seed=7, epoch=0)
    for _ in range(3):
        next(iter(dataset))
    assert order(dataset) == [batch.tolist() for batch in plan]


def test_a_dropped_iterator_waits_for_no_autotuning() -> None:
    """Its thread sleeps up to a minute, and whoever drops the iterator is kept until it wakes."""
    for dataset in (make(), make(step=2), make().repeat(2).cache()):
        assert dataset.options().autotune.enabled is False


def test_the_number_of_batches_is_known() -> None:
    assert int(make().cardinality()) == len(EPOCHS[0]) == 5


class Recorder(keras.Model):
    """Notes every batch that it is trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = keras.layers.Embedding(len(CODEC.vocabulary), len(CODEC.vocabulary))

    def call(self, inputs: Any) -> Any:
        return self.scale(inputs["tokens"])

    def train_step(self, data: Any) -> Any:
        seen.append(examples(data))
        return super().train_step(data)


seen: list[list[int]] = []


def fitted(dataset: Any, **options: Any) -> list[list[int]]:
    """The batches that stock `fit` trains on, in order."""
    seen.clear()
    model = Recorder()
    model.compile("sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    model.fit(dataset, verbose=0, **options)
    return list(seen)


@pytest.mark.filterwarnings("error:Your input ran out of data", "ignore:`shuffle=True` was passed")
def test_fit_trains_each_epoch_on_its_own_plan() -> None:
    validation = make(seed=8)
    done = fitted(make(), epochs=4, validation_data=validation)
    assert done == [batch for epoch in range(4) for batch in expected(epoch)]


def test_fit_goes_on_from_the_middle_of_an_epoch() -> None:
    """The rest of the begun epoch by itself, then the following ones."""
    done = fitted(make(epoch=1, step=2), initial_epoch=1, epochs=2)
    done += fitted(make(epoch=2), initial_epoch=2, epochs=4)
    assert done == expected(1, 2) + expected(2) + expected(3)


def test_fit_under_a_strategy_does_not_shift_the_epochs() -> None:
    """Keras then looks at one batch to build the model before it trains (and the strategy reads some more ahead)."""
    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        done = fitted(make(batch_size=2), epochs=2)
    plans = [batch_plan(LENGTHS, batch_size=2, seed=7, epoch=epoch) for epoch in range(2)]
    assert done == [batch.tolist() for plan in plans for batch in plan]


def test_long_captions_are_cut_before_end() -> None:
    record = CaptionRecord(Path("0.jpg"), "0", ("p0 c0 x x p1",))
    dataset = caption_dataset([record], CODEC, features=NumberedPictures(), max_length=3)
    ((inputs, targets, _),) = list(dataset)
    words = [CODEC.vocabulary.tokens[token] for token in targets.numpy()[0]]
    assert words == ["p0", "c0", "x", "[END]"]
    assert [CODEC.vocabulary.tokens[token] for token in inputs["tokens"].numpy()[0]] == ["[START]", "p0", "c0", "x"]
    ((_, whole, _),) = list(caption_dataset([record], CODEC, features=NumberedPictures(), max_length=5))
    assert CODEC.decode(whole.numpy()[0]) == "p0 c0 x x p1"


def test_an_empty_caption_still_has_a_token() -> None:
    record = CaptionRecord(Path("0.jpg"), "0", ("...",))
    ((inputs, targets, weights),) = list(caption_dataset([record], CODEC, features=NumberedPictures()))
    assert (inputs["tokens"].numpy().tolist(), targets.numpy().tolist()) == ([[START]], [[END]])
    assert weights.numpy().tolist() == [[1.0]]


def test_pictures_without_captions_are_passed_over() -> None:
    bare = CaptionRecord(Path("8.jpg"), "8", ())
    dataset = caption_dataset([bare, RECORDS[1], bare, RECORDS[2]], CODEC, features=NumberedPictures())
    (batch,) = list(dataset)
    np.testing.assert_array_equal(batch[0]["regions"].numpy()[:, 0, 0], [i // 2 for i in examples(batch)])
    assert sorted(examples(batch)) == [2, 3, 4, 5]


@pytest.mark.parametrize("records", [[], [CaptionRecord(Path("1.jpg"), "1", ())]])
def test_no_captions_is_an_error(records: list[CaptionRecord]) -> None:
    with pytest.raises(InputError, match=re.escape(f"Received: {len(records)} records")):
        caption_dataset(records, CODEC, features=NumberedPictures())


def test_token_batch_weighs_by_the_tokens_of_the_whole_batch() -> None:
    inputs, targets, weights = token_batch([np.array([1, 5, 6, 2]), np.array([1, 7, 2])])
    assert inputs.tolist() == [[1, 5, 6], [1, 7, 2]]
    assert targets.tolist() == [[5, 6, 2], [7, 2, 0]]
    np.testing.assert_allclose(weights, [[0.2, 0.2, 0.2], [0.2, 0.2, 0.0]])
