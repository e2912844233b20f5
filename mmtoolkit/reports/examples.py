"""Examples on a page: the pictures, what a model says of them, and on demand where it looked for each word."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmtoolkit.html import escape, inlined
from mmtoolkit.pictures import HEAT

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
ul.has_attention p{margin:.3rem 0;overflow-wrap:anywhere}
"""
RULE = (
    "Groups are cut by CIDEr: what is right scores like the median of people's captions or is one of them; what is "
    "unrelated scores no more than three in four captions of other pictures do."
)
HINT = "Point at a word, tap it or choose it with Tab to see where the model looked."
# Lays the attention of the word that is pointed at, or chosen by keyboard or finger, over the picture.
SCRIPT = """
const heat=HEAT,colour=v=>{const p=v*(heat.length-1),i=Math.min(heat.length-2,p|0);
return heat[i].map((c,k)=>c+(heat[i+1][k]-c)*(p-i))};
function draw(canvas,map){const bytes=Uint8Array.from(atob(map),c=>c.charCodeAt(0)),side=Math.sqrt(bytes.length),
small=document.createElement('canvas');small.width=small.height=side;
const paint=small.getContext('2d'),field=paint.createImageData(side,side);
bytes.forEach((b,n)=>field.data.set([...colour(b/255),Math.round(255*(.62-.2*b/255))],4*n));paint.putImageData(field,0,0);
const sheet=canvas.getContext('2d');sheet.imageSmoothingQuality='high';sheet.clearRect(0,0,canvas.width,canvas.height);
sheet.drawImage(small,0,0,canvas.width,canvas.height)}
for(const item of document.querySelectorAll('.looks>li')){const canvas=item.querySelector('canvas'),
words=[...item.querySelectorAll('button')],
show=word=>{words.forEach(w=>w.setAttribute('aria-pressed',w===word));
word?draw(canvas,word.dataset.map):canvas.getContext('2d').clearRect(0,0,canvas.width,canvas.height)};
words.forEach(w=>['pointerenter','focus','click'].forEach(kind=>w.addEventListener(kind,()=>show(w))));
item.addEventListener('pointerleave',()=>show());item.addEventListener('keydown',e=>e.key==='Escape'&&show())}
""".replace("HEAT", json.dumps(HEAT.tolist()))


class Look(NamedTuple):
    """What a model saw of one example, and where it looked.

    Args:
        picture: As the model saw it.
        words: What each map stands under: a caption's words, or the looks at a picture before an answer.
        maps: `<float32>[words, rows, columns]` of attention, none of it negative; none of a model without attention.
    """

    picture: Image.Image
    words: Sequence[str]
    maps: Sequence[NDArray[np.float32]]


def examples(report: Mapping[str, Any], looks: Mapping[str, Look]) -> str:
    """The groups of examples, each with its share of all."""
    parts = []
    for name, group in report.get("groups", {}).items():
        items = "".join(example(each, looks) for each in group["examples"])
        mark = report.get("group_marks", {}).get(name)
        rule = f", CIDEr from {mark:.2f}" if mark is not None else ""
        parts.append(f"<h3>{escape(name)}: {group['share']:.1f} %{rule}</h3><ul class=looks>{items}</ul>")
    drawn_maps = any(len(look.maps) for look in looks.values())
    rule = f"<p class=soft>{RULE}</p>" if "group_marks" in report else ""
    return rule + (f"<p class=soft>{HINT}</p>" if drawn_maps else "") + "".join(parts)


def example(found: Mapping[str, Any], looks: Mapping[str, Look]) -> str:
    """One example: the picture, what the model says with a map under each word, and what people say."""
    said = found.get("caption", found.get("answer", ""))
    look = looks.get(found.get("question_id", found["image_id"]))
    asked = f"<p><b>{escape(found['question'])}</b></p>" if "question" in found else ""
    odds = f" <small>{100 * found['probability']:.0f} %</small>" if "probability" in found else ""
    given = " · ".join(dict.fromkeys(found["references"]))
    return (
        f"<li>{drawn(look, found['image_id'])}{asked}<p class=words>{words(look, said)}{odds}</p>"
        f"<p><small>people: {escape(given)}</small></p>"
        f"<p><small><code>{escape(found['image_id'])}</code></small></p></li>"
    )


def drawn(look: Look | None, name: str) -> str:
    """The picture, with a sheet over it for the attention."""
    if look is None:
        return ""
    wide, tall = look.picture.size
    return f'<div class=look>{inlined(look.picture, alt=name)}<canvas width="{wide}" height="{tall}"></canvas></div>'


def words(look: Look | None, said: str) -> str:
    """What is said, each word or look with its map where there is one."""
    if look is None or not len(look.maps):
        return escape(said)
    pairs = zip(look.words, look.maps, strict=True)
    return " ".join(f'<button type=button data-map="{packed(grid)}">{escape(word)}</button>' for word, grid in pairs)


def packed(grid: NDArray[np.float32]) -> str:
    """A map as text, a byte a region; even attention is half of the scale, as in the drawn pictures."""
    strongest = max(float(grid.max()), 2 * float(grid.mean()), 1e-12)
    return base64.b64encode(np.rint(255 * grid / strongest).astype(np.uint8).tobytes()).decode()
