"""Views on a page: a picture with attention under each word, a matrix, words with weights, lines over time."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmtoolkit.html import escape, inlined
from mmtoolkit.pictures import HEAT, draw
from mmtoolkit.task import MatrixView, PictureView, SeriesView, View, WordsView

SIDE = 224  # pixels of a picture on the page
STYLE = """
ul.looks{list-style:none;margin:0;padding:0;display:grid;gap:.8rem;
grid-template-columns:repeat(auto-fill,minmax(min(47%,15rem),1fr))}
ul.looks>li{background:var(--card);border-radius:.5rem;padding:.7rem;min-width:0}
.look{position:relative}.look img,.look canvas{display:block;width:100%;border-radius:.3rem}
.look canvas{position:absolute;inset:0;height:100%;pointer-events:none}
.words{margin:.5rem 0}.words button{font:inherit;color:inherit;background:none;border:0;padding:.1rem .2rem;
border-radius:.25rem;border-bottom:2px solid var(--line);cursor:pointer}
.words button:hover,.words button:focus-visible,.words button[aria-pressed=true]{
background:var(--good);color:var(--paper)}
.weighed span,.matrix td{background:color-mix(in srgb,var(--good) calc(100%*var(--w)),transparent)}
.matrix{overflow-x:auto}.matrix td{width:2rem;height:2rem}
ul.looks p{margin:.3rem 0;overflow-wrap:anywhere}
"""
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


def examples(report: Mapping[str, Any], views: Mapping[str, View], *, rule: str, score: str, percent: bool) -> str:
    """Renders the examples of each grade with their views.

    Args:
        report: The report; its `groups` hold the examples.
        views: By id, the view of an example.
        rule: How grades are cut, in a sentence.
        score: The name of the score by which they are cut.
        percent: Whether an output's score is a probability, to be shown beside it.
    """
    parts = []
    for name, group in report.get("groups", {}).items():
        mark = report.get("group_marks", {}).get(name)
        cut = f", {score} from {mark:.2f}" if mark is not None else ""
        items = "".join(item(row, views.get(row["id"]), percent=percent) for row in group["examples"])
        parts.append(f"<h3>{escape(name)}: {group['share']:.1f} %{escape(cut)}</h3><ul class=looks>{items}</ul>")
    attended = any(isinstance(view, PictureView) and view.maps is not None for view in views.values())
    lead = f"<p class=soft>{escape(rule)}</p>" if rule and "group_marks" in report else ""
    return lead + (f"<p class=soft>{HINT}</p>" if attended else "") + "".join(parts)


def item(row: Mapping[str, Any], view: View | None, *, percent: bool) -> str:
    """Renders one example: its view, the input, the output, and what people gave."""
    asked = f"<p><b>{escape(row['input'])}</b></p>" if row.get("input") else ""
    odds = f" <small>{100 * row['score']:.0f} %</small>" if percent else ""
    given = " · ".join(dict.fromkeys(row["references"]))
    return (
        f"<li>{figure(view, row['group'])}{asked}<p class=words>{output(view, row['output'])}{odds}</p>"
        f"<p><small>people: {escape(given)}</small></p>"
        f"<p><small><code>{escape(row['group'])}</code></small></p></li>"
    )


def figure(view: View | None, name: str) -> str:
    """Renders the view above the output of an example."""
    match view:
        case PictureView(pixels):
            picture = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            return f'<div class=look>{inlined(picture, alt=name)}<canvas width="{SIDE}" height="{SIDE}"></canvas></div>'
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
