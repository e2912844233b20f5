"""Renders the findings as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from mmtoolkit.doctor.findings import Finding, Health
from mmtoolkit.html import Words, bars, contents, escape, page, sections, table, thumbnail
from mmtoolkit.records import is_inside

SHOWN = 60  # of each kind
MARKS = {"error": "bad", "warning": "odd"}


def health_page(health: Health, data: Path, *, language: str = "en", date: str = "") -> str:
    """Returns a self-contained page: counts by kind, the findings with their pictures, and the tables.

    Args:
        health: The result of the examination.
        data: The data set; pictures outside of its folder are named and not embedded.
        language: Of the fixed words, `"en"` or `"ko"`; findings are in English.
        date: The day of the examination.
    """
    words = Words(language)
    kinds = [(kind, list(held)) for kind, held in groupby(health.findings, key=lambda finding: finding.kind)]
    most = max(health.kinds.values(), default=1)
    counted = bars([(words(kind), count, f"{count:,}", "") for kind, count in health.kinds.items()], most)
    parts = [(words("Findings"), counted if health.findings else "")]
    parts += [(words(kind), findings_html(held, data, words)) for kind, held in kinds]
    parts += [(words(name), table(rows)) for name, rows in health.figures.items()]
    lead = f"<p class=lead>{escape(summary(health, words))}</p>"
    title = " · ".join(filter(None, (str(data), date)))
    return page(title, lead + contents(parts, words("Contents")) + sections(parts), language=language)


def summary(health: Health, words: Words) -> str:
    """Formats the numbers of pictures, of texts, of errors and of warnings."""
    if words.language == "en":
        return f"{health.summary}."
    return ", ".join(f"{words(name)} {number:,}" for name, number in {**health.counts, **health.scores}.items())


def findings_html(findings: Sequence[Finding], data: Path, words: Words) -> str:
    """Returns the findings of one kind, those after `SHOWN` as a number."""
    items = "".join(item(finding, data) for finding in findings[:SHOWN])
    mark = f'<p><span class="marked {MARKS[findings[0].level]}">{escape(words(findings[0].level))}</span></p>'
    more = words("and {count} more", count=len(findings) - SHOWN)
    return f"{mark}<ul class=cards>{items}</ul>" + (f"<p>{escape(more)}</p>" if len(findings) > SHOWN else "")


def item(finding: Finding, data: Path) -> str:
    """Returns the list item of one finding, with its picture and the one that it duplicates."""
    paths = (path for path in (finding.path, finding.other) if path)
    picture = "".join(thumbnail(path) for path in paths if is_inside(path, data))
    place = f"<code>{escape(finding.image)}</code> <small>{escape(finding.source)}</small>"
    kind = " class=pair" if finding.other else ""
    return f"<li{kind}>{picture}<div>{place}<p>{escape(finding.message)}</p></div></li>"
