"""The labelling page: one file with its style and script, which sends requests to this server only."""

from __future__ import annotations

from pathlib import Path

from mmtoolkit.html import page

FOLDER = Path(__file__).parent


def label_page(title: str) -> str:
    """Returns the labelling page with a title."""
    body, script = ((FOLDER / name).read_text(encoding="utf-8") for name in ("label.html", "label.js"))
    return page(title, body, script=script)
