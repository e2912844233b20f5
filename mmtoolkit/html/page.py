"""Builds HTML pages that open offline on any device: one file with its style and its pictures."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from mmtoolkit.image_files import upright

SIDE = 160  # pixels of a thumbnail
STYLE = Path(__file__).with_name("style.css")


def page(title: str, body: str, *, script: str = "", language: str = "en") -> str:
    """Returns a whole page around its body.

    Args:
        title: Its heading.
        body: HTML.
        script: JavaScript.
        language: Of its texts, `"en"` or `"ko"`.
    """
    code = f"<script>{script}</script>" if script else ""
    style = STYLE.read_text(encoding="utf-8")
    return (
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{style}</style></head>'
        f"<body><h1>{escape(title)}</h1>{body}{code}</body></html>\n"
    )


def sections(parts: Sequence[tuple[str, str]]) -> str:
    """Returns the parts that have content as sections, each with its title, to which `contents` links."""
    kept = (
        f"<section id=part{n}><h2>{escape(name)}</h2>{html}</section>" for n, (name, html) in enumerate(parts) if html
    )
    return "".join(kept)


def contents(parts: Sequence[tuple[str, str]], name: str) -> str:
    """Returns the table of contents of the same parts.

    Args:
        parts: Titles and contents.
        name: What it is called, for those who hear the page.
    """
    links = (f"<a href=#part{n}>{escape(title)}</a>" for n, (title, html) in enumerate(parts) if html)
    return f'<nav class=contents aria-label="{escape(name)}">{"".join(links)}</nav>'


def escape(text: str) -> str:
    """Escapes a text for HTML; lone surrogates, which no file can hold, become question marks."""
    return html.escape(text.encode("utf-8", "replace").decode())


def table(rows: Sequence[Sequence[str]]) -> str:
    """Returns a table whose first row is its head; a wide one scrolls by itself."""
    head, *others = rows
    lines = ["".join(f"<th>{escape(cell)}</th>" for cell in head)]
    lines += ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in others]
    return f'<div class="scroll"><table>{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'


def thumbnail(path: Path) -> str:
    """Returns a small version of a picture file as an `img`; empty if it cannot be read."""
    try:
        return inlined(upright(path, SIDE), alt=path.name)
    except Exception:  # Pillow's plug-ins raise many kinds
        return ""


def inlined(picture: Image.Image, *, alt: str) -> str:
    """Returns a picture as an `img` with its bytes in the page."""
    data = base64.b64encode(jpeg(picture)).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{escape(alt)}">'


def jpeg(picture: Image.Image) -> bytes:
    """Returns a picture as the bytes of a JPEG file."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
