"""Builds HTML pages that open offline on any device: one file with its style and its pictures."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from mmtoolkit.image_files import open_picture, to_rgb

SIDE = 160  # pixels of a thumbnail
STYLE = """
:root{color-scheme:light dark;--ink:#1c1e22;--soft:#666c75;--paper:#fff;--card:#f4f5f7;--line:#dfe2e6;--bad:#b3261e;
--odd:#8a6100;--good:#1a6b3c}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#a2a8b0;--paper:#16181b;--card:#202327;--line:#353a40;
--bad:#ff8a80;--odd:#ffc94d;--good:#7fd6a2}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.2rem;max-width:72rem;font:1rem/1.5 system-ui,sans-serif;color:var(--ink);
overflow-wrap:anywhere;background:var(--paper)}
h1{font-size:1.6rem;margin:.2rem 0}h2{font-size:1.15rem;margin:1.6rem 0 .5rem}
.lead{font-size:1.1rem}.soft,small{color:var(--soft)}
.error h2{color:var(--bad)}.warning h2{color:var(--odd)}
.scroll{overflow-x:auto;background:linear-gradient(90deg,var(--paper) 30%,#0000),
linear-gradient(270deg,var(--paper) 30%,#0000) 100% 0,linear-gradient(90deg,#8886,#0000),
linear-gradient(270deg,#8886,#0000) 100% 0;background-repeat:no-repeat;
background-size:2rem 100%,2rem 100%,.7rem 100%,.7rem 100%;background-attachment:local,local,scroll,scroll}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.3rem .9rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
code{font-size:.9em}
th,td{overflow-wrap:normal}
ul.cards{list-style:none;margin:0;padding:0;display:grid;gap:.7rem;
grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr))}
ul.cards>li{display:flex;gap:.7rem;background:var(--card);border-radius:.5rem;padding:.7rem;min-width:0}
ul.cards p{margin:.2rem 0}ul.cards img{width:5.5rem;height:5.5rem;object-fit:contain;flex:none}
ul.cards>li>div{min-width:0}
ul.cards>li.pair{flex-wrap:wrap}li.pair>div{flex:1 0 100%}ul.cards>li.pair>img{width:calc(50% - .35rem);height:auto}
img{max-width:100%;border-radius:.3rem}
"""


def page(title: str, body: str, *, script: str = "") -> str:
    """Returns a whole page around its body.

    Args:
        title: Its heading.
        body: HTML.
        script: JavaScript.
    """
    code = f"<script>{script}</script>" if script else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1>{body}{code}</body></html>\n"
    )


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


def upright(path: Path, side: int) -> Image.Image:
    """Reads a picture file as `to_rgb` converts it, no side over `side`."""
    with open_picture(path) as picture:
        picture.draft("RGB", (2 * side, 2 * side))
        small = to_rgb(picture)
    small.thumbnail((side, side))
    return small


def inlined(picture: Image.Image, *, alt: str) -> str:
    """Returns a picture as an `img` with its bytes in the page."""
    data = base64.b64encode(jpeg(picture)).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{escape(alt)}">'


def jpeg(picture: Image.Image) -> bytes:
    """Returns a picture as the bytes of a JPEG file."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
