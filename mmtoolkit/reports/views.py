"""Views on a page: a picture with attention under each word, a matrix, words with weights, lines over time."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmtoolkit.html import Words, escape, inlined, shares
from mmtoolkit.html.fixed_words import ENGLISH
from mmtoolkit.pictures import HEAT, draw
from mmtoolkit.task import MatrixView, PictureView, SeriesView, View, WordsView

SIDE = 224  # pixels of the longer side of a picture on the page
HINT = "Point at a word, tap it or choose it with Tab to see what the model attended to."
# Lays the attention of the word that is pointed at, or chosen by keyboard or finger, over the picture.
SCRIPT = """
const heat=HEAT,colour=v=>{const p=v*(heat.length-1),i=Math.min(heat.length-2,p|0);
return heat[i].map((c,k)=>c+(heat[i+1][k]-c)*(p-i))};
function draw(canvas,word){const bytes=Uint8Array.from(atob(word.dataset.map),c=>c.charCodeAt(0)),
columns=+word.dataset.columns,rows=bytes.length/columns,small=document.createElement('canvas');
small.width=columns;small.height=rows;const paint=small.getContext('2d'),field=paint.createImageData(columns,rows);
bytes.forEach((b,n)=>field.data.set([...colour(b/255),Math.round(255*(.62-.2*b/255))],4*n));paint.putImageData(field,0,0);
const sheet=canvas.getContext('2d');sheet.imageSmoothingQuality='high';sheet.clearRect(0,0,canvas.width,canvas.height);
sheet.drawImage(small,0,0,canvas.width,canvas.height)}
for(const item of document.querySelectorAll('.looks>li')){const canvas=item.querySelector('canvas'),
words=[...item.querySelectorAll('button')];if(!canvas)continue;
const show=word=>{words.forEach(w=>w.setAttribute('aria-pressed',w===word));
word?draw(canvas,word):canvas.getContext('2d').clearRect(0,0,canvas.width,canvas.height)};
words.forEach(w=>['pointerenter','focus','click'].forEach(kind=>w.addEventListener(kind,()=>show(w))));
item.addEventListener('pointerleave',()=>show());item.addEventListener('keydown',e=>e.key==='Escape'&&show())}
""".replace("HEAT", json.dumps(HEAT.tolist()))


def examples(
    report: Mapping[str, Any],
    views: Mapping[str, View],
    *,
    rule: str,
    score: str,
    percent: bool,
    words: Words = ENGLISH,
) -> str:
    """Renders the examples of each grade with their views.

    Args:
        report: The report; its `groups` hold the examples.
        views: By id, the view of an example.
        rule: How grades are cut, in a sentence.
        score: The name of the score by which they are cut.
        percent: Whether an output's score is a probability, to be shown beside it.
        words: The language of the page.
    """
    groups = report.get("groups", {})
    if not groups:
        return ""
    parts = []
    for name, group in groups.items():
        mark = report.get("group_marks", {}).get(name)
        cut = ", " + words("{score} from {mark}", score=score, mark=f"{mark:.2f}") if mark is not None else ""
        items = "".join(item(row, views.get(row["id"]), percent=percent, words=words) for row in group["examples"])
        title = f"{words(name)}: {group['share']:.1f} %{cut}"
        parts.append(f"<h3>{escape(title)}</h3><ul class=looks>{items}</ul>")
    drawn = shares({words(name): group["share"] for name, group in groups.items()})
    attended = any(isinstance(view, PictureView) and view.maps is not None for view in views.values())
    lead = f"<p class=soft>{escape(words(rule))}</p>" if rule and "group_marks" in report else ""
    return drawn + lead + (f"<p class=soft>{escape(words(HINT))}</p>" if attended else "") + "".join(parts)


def item(row: Mapping[str, Any], view: View | None, *, percent: bool, words: Words = ENGLISH) -> str:
    """Renders one example: its view, the input, the output, and what people gave."""
    asked = f"<p><strong>{escape(row['input'])}</strong></p>" if row.get("input") else ""
    odds = f" <small>{100 * row['score']:.0f} %</small>" if percent else ""
    given = words("people: {texts}", texts=" · ".join(dict.fromkeys(row["references"])))
    return (
        f"<li>{figure(view, row['group'])}{asked}<p class=words>{output(view, row['output'])}{odds}</p>"
        f"<p><small>{escape(given)}</small></p>"
        f"<p><small><code>{escape(row['group'])}</code></small></p></li>"
    )


def figure(view: View | None, name: str) -> str:
    """Renders the view above the output of an example."""
    match view:
        case PictureView(pixels):
            picture = Image.fromarray(pixels)
            wide, high = (max(1, round(SIDE * side / max(picture.size))) for side in picture.size)
            picture = picture.resize((wide, high), Image.Resampling.LANCZOS)
            canvas = f'<canvas width="{wide}" height="{high}"></canvas>'
            return f"<div class=look style=--sides:{wide / high:.4f}>{inlined(picture, alt=name)}{canvas}</div>"
        case MatrixView(rows, columns, weights):
            head = "".join(f"<th>{escape(word)}</th>" for word in columns)
            lines = "".join(
                f"<tr><th>{escape(word)}</th>{''.join(f'<td style=--w:{weight:.3f}></td>' for weight in line)}</tr>"
                for word, line in zip(rows, np.asarray(weights).tolist(), strict=True)
            )
            return f"<div class=matrix><table><tr><th></th>{head}</tr>{lines}</table></div>"
        case WordsView(words, weights):
            shaded = " ".join(
                f"<span style=--w:{weight:.3f}>{escape(word)}</span>"
                for word, weight in zip(words, np.asarray(weights).tolist(), strict=True)
            )
            return f"<p class=weighed>{shaded}</p>"
        case SeriesView(lines):
            return inlined(draw(view), alt=", ".join(lines))
    return ""


def output(view: View | None, text: str) -> str:
    """Renders an output; each of its words is a button with its map where there is one."""
    if not isinstance(view, PictureView) or view.maps is None:
        return escape(text)
    pairs = zip(view.words, view.maps, strict=True)
    return " ".join(
        f'<button type=button data-map="{packed(grid)}" data-columns={grid.shape[1]}>{escape(word)}</button>'
        for word, grid in pairs
    )


def packed(grid: NDArray[np.float32]) -> str:
    """Encodes a map as base64, one byte per region; uniform attention is half of the scale, as in drawings."""
    strongest = max(float(grid.max()), 2 * float(grid.mean()), 1e-12)
    return base64.b64encode(np.rint(255 * grid / strongest).astype(np.uint8).tobytes()).decode()
