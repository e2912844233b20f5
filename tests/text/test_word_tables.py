"""The table that word vectors start from, of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmtoolkit.text import TextCodec
from mmtoolkit.text.word_tables import word_table


def test_a_file_gives_the_table_and_what_of_it_is_left_out_is_told(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("3 2\ndog 1 2\ncat nan 3\ndog 4 5\n")
    codec, told = TextCodec.fit(["a dog"]), list[str]()
    table = word_table(str(tmp_path / "v.txt"), codec, [], dim=300, seed=0, tell=told.append)
    assert table is not None and table.shape == (6, 2)
    np.testing.assert_array_equal(table[codec.vocabulary.id_of["dog"]], [1, 2])
    left_out = f"with a number that is not finite ({tmp_path / 'v.txt'}:3), 1 whose word was there before"
    assert told == [
        f"warning: {tmp_path / 'v.txt'}: 2 vectors are left out: 1 {left_out} ({tmp_path / 'v.txt'}:4)",
        "word2vec: 1 of 2 words have a vector",
    ]
