"""The doctor finds what was planted, and nothing in clean data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mmtoolkit as mm
from mmtoolkit.doctor import examine
from mmtoolkit.doctor.duplicates import pairs
from mmtoolkit.doctor.texts import Text, answer_table, foreign, vocabulary_table
from mmtoolkit.readers import usable_captions, usable_questions
from tests.doctor.conftest import PLANTED


def test_every_planted_fault_is_found_and_nothing_else(planted: Path) -> None:
    records, faults = usable_captions(planted, on_error="skip")
    health = examine(records, faults)
    assert {finding.kind: finding.image for finding in health.findings} == PLANTED
    assert len(health.findings) == len(PLANTED)
    assert health.exit_code == 2 and health.scores == {"errors": 3, "warnings": len(PLANTED) - 3}


def test_clean_data_has_nothing(clean: Path) -> None:
    for usable in (usable_captions, usable_questions):
        health = examine(*usable(clean))
        assert health.findings == [] and health.exit_code == 0


def test_what_is_listed_is_left_out(planted: Path, tmp_path: Path) -> None:
    from mmtoolkit.pipelines import doctor

    listed = tmp_path / "out.jsonl"
    assert doctor.main(data=planted, quarantine=listed, json=True) == 2
    assert doctor.main(data=planted, exclude=listed, json=True) == 0
    with pytest.warns(UserWarning, match="15 rows or pictures are left out"):
        records = mm.read_captions(planted, exclude=listed)
    assert len(records) == 60


def test_near_duplicates_are_found_by_hash_and_told_apart_by_sight() -> None:
    """Against all pairs by hand: a hash within 6 bits, and squashed pictures within 24 grey values in each part."""
    random = np.random.default_rng(1)
    bits = random.integers(0, 2**63, 40, dtype=np.uint64)
    small = random.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    bits[30], small[30] = bits[3] ^ np.uint64(0b111111), small[3]
    bits[31], small[31] = bits[4] ^ np.uint64(0b1111111), small[4]  # seven bits: too many
    bits[32] = bits[5]  # another picture with the same hash
    bits[33], small[33] = bits[6], np.clip(small[6].astype(int) + 24, 0, 255)
    bits[34], small[34] = bits[7], small[7]
    small[34, 8:12, 4:8] = 255 - small[34, 8:12, 4:8]  # one part of 64
    assert list(pairs(bits, small)) == [(30, 3), (33, 6)]


def test_a_language_is_foreign_where_no_other_text_has_its_words() -> None:
    others = [Text(f"the dog number {n} runs over the red field", "a.jpg", f"c:{n}") for n in range(9)]
    strange = Text("ein Hund läuft schnell davon", "b.jpg", "c:10")
    mixed = Text("개가 the red field", "c.jpg", "c:11")
    found = foreign([*others, strange, mixed, Text("개가 달린다", "d.jpg", "c:12")])
    assert [(finding.kind, finding.source) for finding in found] == [
        ("unexpected language", "c:10"),
        ("unexpected script", "c:12"),
    ]
    assert "Hangul letters, the others are in Latin" in found[1].message


def test_the_tables_by_hand() -> None:
    words = vocabulary_table(["a dog", "a cat", "a dog runs"], ["a dog flies"])
    assert words[1] == ["1 x", "4", "0.0 %", "33.3 %"]
    assert words[2] == ["2 x", "2", "28.6 %", "33.3 %"]
    assert answer_table(["2", "2", "red"], ["2", "red", "blue", "2"])[1:] == [
        ["1, always given", "50.0 %"],
        ["10", "75.0 %"],
    ]
