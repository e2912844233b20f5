"""Renders the findings as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from mmtoolkit.doctor.findings import Finding, Health
from mmtoolkit.html import Words, bars, contents, escape, page, sections, table, thumbnail
from mmtoolkit.records import leads_out

SHOWN = 60  # of each kind
MARKS = {"error": "bad", "warning": "odd"}


def health_page(health: Health, title: str, *, language: str = "en") -> str:
    """Returns a self-contained page: counts by kind, the findings with their pictures, and the tables.

    Args:
        health: The result of the examination.
        title: The name of the data set.
        language: Of the fixed words, `"en"` or `"ko"`; findings are in English.
    """
    words = Words(language)
    kinds = [(kind, list(held)) for kind, held in groupby(health.findings, key=lambda finding: finding.kind)]
    most = max(health.kinds.values(), default=1)
    counted = bars([(words(kind), count, f"{count:,}", "") for kind, count in health.kinds.items()], most)
    parts = [(words("Findings"), counted if health.findings else "")]
    parts += [(words(kind), findings_html(held, words)) for kind, held in kinds]
    parts += [(words(name), table(rows)) for name, rows in health.figures.items()]
    lead = f"<p class=lead>{escape(summary(health, words))}</p>"
    return page(title, lead + contents(parts, words("Contents")) + sections(parts), language=language)


def summary(health: Health, words: Words) -> str:
    """Formats the numbers of pictures, of texts, of errors and of warnings."""
    if words.language == "en":
        return f"{health.summary}."
    return ", ".join(f"{words(name)} {number:,}" for name, number in {**health.counts, **health.scores}.items())


def findings_html(findings: Sequence[Finding], words: Words) -> str:
    """Returns the findings of one kind, those after `SHOWN` as a number."""
    items = "".join(item(finding) for finding in findings[:SHOWN])
    mark = f'<p><span class="marked {MARKS[findings[0].level]}">{escape(words(findings[0].level))}</span></p>'
    more = words("and {count} more", count=len(findings) - SHOWN)
    return f"{mark}<ul class=cards>{items}</ul>" + (f"<p>{escape(more)}</p>" if len(findings) > SHOWN else "")


def item(finding: Finding) -> str:
    """Returns the list item of one finding, with its picture and the one that it duplicates."""
    outside = finding.path is not None and leads_out(finding.image, finding.path)
    picture = "" if outside else "".join(thumbnail(path) for path in (finding.path, finding.other) if path)
    place = f"<code>{escape(finding.image)}</code> <small>{escape(finding.source)}</small>"
    kind = " class=pair" if finding.other else ""
    return f"<li{kind}>{picture}<div>{place}<p>{escape(finding.message)}</p></div></li>"
