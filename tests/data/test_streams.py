"""Windows of texts for truncated backpropagation, against brute force."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmtoolkit as mm
from mmtoolkit.data.streams import cut, encoded, text_dataset
from mmtoolkit.readers.text_files import load_texts


@pytest.mark.parametrize("lengths", [[50], [2, 3, 40, 2, 9], [7] * 9, [1, 1, 5]], ids=str)
@pytest.mark.parametrize(("rows", "time"), [(1, 8), (4, 5), (64, 3)])
def test_every_token_with_a_next_one_is_predicted_once(lengths: list[int], rows: int, time: int) -> None:
    ends = np.cumsum(lengths).tolist()
    windows = cut(ends, rows, time)
    assert windows.starts.shape == windows.lengths.shape == windows.resets.shape and len(windows.starts) == rows
    covered, inner = [], {end - 1 for end in ends}
    for starts, counts, resets in zip(windows.starts, windows.lengths, windows.resets, strict=True):
        following = None
        for start, count, reset in zip(starts.tolist(), counts.tolist(), resets.tolist(), strict=True):
            assert count <= time
            if count:
                assert reset == (start != following or following in {0, *ends})  # it goes on, or begins anew
                covered += range(start, start + count)
                following = start + count
    assert sorted(covered) == sorted(set(range(ends[-1])) - inner)  # the last token of a document has no next one
    held = (windows.lengths > 0).sum(axis=1)
    assert held.max() == -(-held.sum() // rows)  # the windows are dealt out evenly


def test_nothing_to_predict_is_said(text: Path) -> None:
    records, _ = load_texts(text)
    codec = mm.TextCodec.fit([record.text for record in records], level="raw", lower=False)
    for given, options in (([], {}), (records, {"time": 0}), (records, {"batch_size": 0})):
        with pytest.raises(mm.InputError, match=f"Received: {len(given)} passages"):
            text_dataset(given, codec, **options)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A folder of two documents with accents and Hangul."""
    (tmp_path / "a.txt").write_text("파란 원이 있다.\nééà\n" * 30, encoding="utf-8")
    (tmp_path / "b.txt").write_text("the second text\n" * 40, encoding="utf-8")
    return tmp_path


def batches(dataset: Any) -> list[Any]:
    return [(inputs["tokens"].numpy(), inputs["reset"].numpy(), y.numpy(), w.numpy()) for inputs, y, w in dataset]


def test_rows_are_the_text(text: Path) -> None:
    train = load_texts(text, splits=["train"])[0]
    codec = mm.TextCodec.fit([record.text for record in train], level="raw", lower=False)
    found = batches(text_dataset(train, codec, batch_size=3, time=7))
    rows = [[(tokens[row], y[row], w[row] > 0) for tokens, _, y, w in found] for row in range(3)]
    read = "".join(codec.decode(tokens[real]) for row in rows for tokens, _, real in row)
    documents = ["".join(r.text for r in train if r.document == name) for name in ("a.txt", "b.txt")]
    assert read == "".join(documents)  # START and END are not shown
    for row in rows:
        for tokens, targets, real in row:
            np.testing.assert_array_equal(targets[real][:-1], tokens[real][1:])
    weights = np.concatenate([w.ravel() for *_, w in found])
    assert weights.sum() == pytest.approx(len(found)) and len(np.unique(weights[weights > 0])) == 1  # all count alike
    assert found[0][1].all() and sum(reset[w.any(axis=1)].sum() for _, reset, _, w in found) == 4  # 3 rows, 2 documents


def test_it_is_resumed_at_any_step(text: Path) -> None:
    train = load_texts(text, splits=["train"])[0]
    codec = mm.TextCodec.fit([record.text for record in train], level="raw", lower=False)
    whole = batches(text_dataset(train, codec, batch_size=2, time=9))
    rest = batches(text_dataset(train, codec, batch_size=2, time=9, epoch=3, step=5))
    assert len(rest) == len(whole) - 5
    for one, other in zip(whole[5:], rest, strict=True):
        for ours, expected in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, expected)


def test_a_large_text_is_never_in_memory(tmp_path: Path) -> None:
    """Reading, counting and encoding 12 MB take less than half of that of Python's memory."""
    path = tmp_path / "large.txt"
    path.write_text("a line of a long text, and another\n" * 350_000, encoding="utf-8")
    codec = mm.TextCodec.fit(["a line of a long text, and another\n"], level="raw", lower=False)
    tracemalloc.start()
    try:
        records, _ = load_texts(path)
        texts = mm.language_modelling.texts(records)["words"]
        assert sum(len(text) for text in texts) == path.stat().st_size
        ids, ends = encoded(records[:40], codec)
        assert ends == [len(ids)] and ids.dtype == np.uint16
        assert tracemalloc.get_traced_memory()[1] < 6 * 2**20
    finally:
        tracemalloc.stop()
