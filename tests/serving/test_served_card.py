"""What the page tells of a model: from its card, which may be a stranger's, or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmtoolkit.serving.demo_html import capabilities, embedded, sample_pictures, served_page
from mmtoolkit.serving.served_card import LONGEST, read_card


def write_card(folder: Path, content: Any) -> Path:
    (folder / "assets.extra").mkdir(parents=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "assets.extra" / "card.json").write_text(text)
    return folder


def test_texts_and_scores_are_read(tmp_path: Path) -> None:
    preset = {"data": "1,200 scenes", "limits": "four shapes", "licence": "Apache-2.0", "test_scores": {"BLEU-4": 70.6}}
    folder = write_card(
        tmp_path, {"class": "x", "preset": preset | {"options": {"data": "/home"}, "valid_scores": {"a": 1}}}
    )
    expected = {"data": "1,200 scenes", "limits": "four shapes", "licence": "Apache-2.0", "scores": {"BLEU-4": 70.6}}
    assert read_card(folder) == expected


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"preset": 7}', {"preset": {"data": 7, "test_scores": [1]}}, "[" * 99_999]
)
def test_another_card_tells_nothing(tmp_path: Path, content: Any) -> None:
    assert read_card(write_card(tmp_path, content)) == {} == read_card(tmp_path / "none")


def test_a_strangers_card_is_cut_and_ends_no_script(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script>" * 100
    card = read_card(
        write_card(tmp_path, {"preset": {"limits": hostile, "test_scores": {str(n): n for n in range(99)}}})
    )
    assert card["limits"] == hostile[:LONGEST] and len(card["scores"]) == 12
    signature = SimpleNamespace(inputs={"image_bytes": None})
    model: Any = SimpleNamespace(signatures={"serving_default": signature}, card=card)
    assert "<" not in embedded(capabilities(model))
    page = served_page({"m": SimpleNamespace(newest=model)}).decode()  # type: ignore[dict-item]
    assert page.count("<script>") == 1 == page.count("</script>")
    assert sample_pictures()[0] in page
