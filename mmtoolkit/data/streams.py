"""Turns texts into batches for truncated backpropagation through time."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mmtoolkit.data.datasets import WEIGHTS, WORDS, Batch, in_batches
from mmtoolkit.errors import InputError
from mmtoolkit.records import TextRecord
from mmtoolkit.text import PAD, TextCodec

WIDE = 2**16  # tokens of a vocabulary from which ids take four bytes, not two


def text_dataset(
    records: Sequence[TextRecord],
    codec: TextCodec,
    *,
    batch_size: int = 64,
    time: int = 128,
    seed: int = 0,
    epoch: int = 0,
    step: int = 0,
) -> tf.data.Dataset:
    """Yields all texts once an epoch in windows, each of which goes on where that row of the batch before ended.

    Row i of all batches is one stretch of the text. `inputs["reset"]` tells where a row begins another document, or its
    first stretch: the state that is carried is zeros there. Every window is as long: where a document ends, the rest is
    padding without weight. The weights of a batch sum to 1 on average, so that every token counts alike. The texts lie
    in a temporary file, not in memory.

    Example:
        >>> from mmtoolkit.readers.text_files import load_texts
        >>> records, _ = load_texts("verses.txt")
        >>> codec = TextCodec.fit([record.text for record in records], level="raw", lower=False)
        >>> data = text_dataset(records, codec, batch_size=2, time=8)
        >>> inputs, targets, weights = next(iter(data))
        >>> codec.decode_all(inputs["tokens"])[0], codec.decode_all(targets)[0], inputs["reset"].numpy().tolist()
        ('roses a', 'roses ar', [True, True])

    Args:
        records: Passages, those of a document one after the other.
        codec: Turns text into ids.
        batch_size: Rows of a batch.
        time: Tokens of a window, over which gradients flow.
        seed: Changes nothing: texts have one order.
        epoch: The first epoch.
        step: Number of batches of the first epoch to skip, unread.

    Raises:
        InputError: There is no passage, no row or no token of a window.
    """
    if not records or batch_size < 1 or time < 1:
        raise InputError(
            "A data set of texts needs a passage, a row and a token of a window, or more. "
            f"Received: {len(records)} passages, batch_size={batch_size}, time={time}."
        )
    ids, ends = encoded(records, codec)
    windows = cut(ends, batch_size, time)
    usual = windows.lengths.sum() / windows.lengths.shape[1]  # tokens of a batch

    def read(number: np.ndarray) -> Batch:
        start, length = windows.starts[:, number], windows.lengths[:, number]  # [rows] each
        real = np.arange(time) < length[:, None]  # [rows, time]
        place = np.where(real, start[:, None] + np.arange(time), 0)
        tokens, targets = (np.where(real, ids[place + ahead], PAD).astype(np.int32) for ahead in (0, 1))
        return {"tokens": tokens, "reset": windows.resets[:, number]}, targets, (real / usual).astype(np.float32)

    fixed: list[Any] = [tf.TensorSpec((batch_size, time), spec.dtype) for spec in (WORDS, WORDS, WEIGHTS)]
    specs = {"tokens": fixed[0], "reset": tf.TensorSpec((batch_size,), tf.bool)}, *fixed[1:]
    steps = [np.array(number) for number in range(windows.starts.shape[1])]
    return in_batches(read, specs, lambda epoch: steps, epoch=epoch, step=step)


class Windows(NamedTuple):
    """The windows of each row of the batches.

    Args:
        starts: `<int64>[rows, steps]`, the first token that each window reads.
        lengths: `<int32>[rows, steps]`, how many it reads; 0 where the row has ended.
        resets: `<bool>[rows, steps]`, whether it begins another document or stretch.
    """

    starts: np.ndarray
    lengths: np.ndarray
    resets: np.ndarray


def cut(ends: Sequence[int], rows: int, time: int) -> Windows:
    """Cuts documents that lie one after the other into windows, and these into rows of as many.

    Example:
        Nine tokens and four, of which eight and three have a next one, in two rows and windows of four:
        >>> windows = cut([9, 13], rows=2, time=4)
        >>> windows.starts.tolist(), windows.lengths.tolist()
        ([[0, 4], [9, 0]], [[4, 4], [3, 0]])
        >>> windows.resets.tolist()
        [[True, False], [True, True]]

    Args:
        ends: Behind the last token of each document.
        rows: Number of rows.
        time: Most tokens of a window.
    """
    starts = [0, *ends[:-1]]
    total = sum(-(-(end - start - 1) // time) for start, end in zip(starts, ends, strict=True))
    share = max(1, -(-total // rows))  # windows of a row
    held: list[list[np.ndarray]] = [[]]  # of each row the windows of its documents, [start, length, reset]
    room = share
    for start, end in zip(starts, ends, strict=True):
        at, last = start, end - 1
        while at < last:
            if not room:
                held.append([])
                room = share
            stop = min(last, at + room * time)
            begins = np.arange(at, stop, time)
            held[-1].append(np.stack([begins, np.minimum(time, stop - begins), begins == at]))
            at, room = stop, room - len(begins)
    steps = max(sum(windows.shape[1] for windows in row) for row in held)
    table = np.zeros((rows, steps, 3), np.int64)
    table[..., 2] = 1
    for place, row in zip(table, held, strict=False):  # there may be fewer tokens than rows
        windows = np.concatenate(row, axis=1).T
        place[: len(windows)] = windows
    return Windows(table[..., 0], table[..., 1].astype(np.int32), table[..., 2].astype(bool))


def encoded(records: Sequence[TextRecord], codec: TextCodec) -> tuple[np.ndarray, list[int]]:
    """Encodes documents into a temporary file, with START before and END behind each.

    Returns:
        The ids, `<uint16>` or `<int32>[tokens]`, and behind the last token of each document.
    """
    kind = np.uint16 if len(codec.vocabulary) < WIDE else np.int32
    count, ends = 0, []
    with tempfile.TemporaryFile() as file:  # an array of its bytes outlives it
        for _, parts in groupby(records, key=lambda record: record.document):
            document = list(parts)
            for number, record in enumerate(document):
                (row,) = codec.encode_all([record.text])  # with START and END
                kept = row[0 if number == 0 else 1 : len(row) if number == len(document) - 1 else -1]
                file.write(kept.astype(kind).tobytes())
                count += len(kept)
            ends.append(count)
        file.flush()
        return np.memmap(file, kind, mode="r", shape=(count,)), ends
