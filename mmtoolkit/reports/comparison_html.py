"""The comparison of two runs as one HTML page: the verdict, the scores, and the outputs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmtoolkit.html import Words, escape, sections, table, thumbnail
from mmtoolkit.html import page as whole_page
from mmtoolkit.reports.comparison import Comparison, Row, change_rows

GROUPS = ("B better", "A better", "equal")
SCRIPT = """
for(const button of document.querySelectorAll('[data-show]'))button.addEventListener('click',()=>{
for(const each of document.querySelectorAll('[data-show]'))each.setAttribute('aria-pressed',each===button);
for(const item of document.querySelectorAll('[data-group]'))
item.hidden=button.dataset.show!=='all'&&button.dataset.show!==item.dataset.group})
"""


def comparison_page(
    comparison: Comparison,
    names: tuple[str, str],
    *,
    records: Mapping[str, Any] | None = None,
    date: str = "",
    language: str = "",
) -> str:
    """Renders a comparison of two runs of some names as a self-contained page.

    Args:
        comparison: The comparison.
        names: What A and B are.
        records: By id, the records of the data that both are about, for their pictures and references.
        date: The day of the comparison.
        language: Of the fixed words, `"en"` or `"ko"`; that of the outputs by default.
    """
    groups = (comparison.better, comparison.worse, comparison.equal)
    pairs = [(kind, *pair) for kind, held in zip(GROUPS, groups, strict=True) for pair in held]
    words = Words.of((row["output"] for _, *both in pairs for row in both), language)
    items = "".join(item(kind, a, b, (records or {}).get(a["id"]), words) for kind, a, b in pairs)
    hint = "For pictures and references add --data, the data set of both."
    lead = "" if records else f"<p class=soft>{escape(words(hint))}</p>"
    if len(pairs) < comparison.records:
        count = words("{shown} of {count} are shown.", shown=len(pairs), count=f"{comparison.records:,}")
        lead += f"<p class=soft>{escape(count)}</p>"
    head, *lines = change_rows(comparison)
    changed = [
        [words(cell) for cell in head],
        *([score_name(line[0], words), *line[1:-1], words(line[-1])] for line in lines),
    ]
    parts = [
        (words("What changed"), table(changed)),
        (words("Captions side by side"), f"{lead}<ul class=pairs>{items}</ul>" if items else ""),
        (words("Different settings"), table([["", "A", "B"], *comparison.settings]) if comparison.settings else ""),
    ]
    body = f"{about(comparison, names, words)}{verdict(comparison, words)}{sections(parts)}"
    title = " · ".join(filter(None, (words("Two runs compared"), date)))
    return whole_page(title, body, script=SCRIPT, language=words.language)


def score_name(name: str, words: Words) -> str:
    """Returns the name of a score, or of the share of a grade, in the language of the page."""
    grade = name.removesuffix(" (share)")
    return name if grade == name else words("{grade} (share)", grade=words(grade))


def about(comparison: Comparison, names: tuple[str, str], words: Words) -> str:
    """Renders what A and B are, on how many records, and what is left out."""
    weighted = comparison.metric.corpus_weighted
    why = "".join(f", and {name} with them: it weighs words by all records of a report" for name in sorted(weighted))
    left = f", {comparison.left_out} that only one has are left out{why}" if comparison.left_out else ""
    counted = words("{count} records", count=f"{comparison.records:,}")
    return f"<p class=lead>A: {escape(names[0])}<br>B: {escape(names[1])}<br>{escape(counted)}{escape(left)}</p>"


def verdict(comparison: Comparison, words: Words) -> str:
    """Renders, in a bar that stays in sight, which run is better, and the buttons that choose what is shown."""
    change, better = comparison.decisive, comparison.verdict
    headline = words(f"{better} is better") if better else words("no difference beyond noise")
    numbers = ""
    if change is not None:
        printed, name = comparison.metric.printed, change.name
        a, b, by, low, high = (
            printed(name, value) for value in (change.first, change.second, change.difference, *change.interval)
        )
        numbers = f"{name}: A {a}, B {b}; B - A {by}, {words('95 % interval')} {low} – {high}"
    counts = dict(zip(GROUPS, comparison.counts, strict=True))
    buttons = [f"<button type=button data-show=all aria-pressed=true>{words('all')} {sum(counts.values()):,}</button>"]
    buttons += [
        f'<button type=button data-show="{kind}" aria-pressed=false>{words(kind)} {count:,}</button>'
        for kind, count in counts.items()
    ]
    return (
        f"<div class=verdict><p><strong>{escape(headline)}</strong> <small>{escape(numbers)}</small></p>"
        f"<div class=buttons>{''.join(buttons)}</div></div>"
    )


def item(kind: str, a: Row, b: Row, record: Any, words: Words) -> str:
    """Renders one record: its picture, what people gave, and both outputs."""
    asked = f"<p><strong>{escape(a['input'])}</strong></p>" if a["input"] else ""
    picture = thumbnail(record.image) if record is not None and record.image else ""
    people = ""
    if record is not None:
        given = words("people: {texts}", texts=" · ".join(dict.fromkeys(record.references)))
        people = f"<p><small>{escape(given)}</small></p>"
    outputs = "".join(
        f"<div><small>{name}{' ✓' if kind == f'{name} better' else ''}</small><p>{escape(row['output'])}</p></div>"
        for name, row in (("A", a), ("B", b))
    )
    return (
        f'<li data-group="{kind}"><div class=shown>{picture}</div><div>{asked}<div class=both>{outputs}</div>{people}'
        f"<p><small><code>{escape(a['group'])}</code> · {escape(words(kind))}</small></p></div></li>"
    )
