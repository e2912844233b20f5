"""Renders the findings as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from mmtoolkit.doctor.findings import Finding, Health
from mmtoolkit.html import escape, page, table, thumbnail
from mmtoolkit.records import is_inside

SHOWN = 60  # of each kind


def health_page(health: Health, data: Path) -> str:
    """Returns a self-contained page: counts by kind, the findings with their pictures, and the tables.

    Args:
        health: The result of the examination.
        data: The data set; pictures outside of its folder are named and not embedded.
    """
    parts = [f"<p class=lead>{escape(health.summary)}.</p>"]
    if health.findings:
        parts.append(table([["what", "how many"], *([kind, str(count)] for kind, count in health.kinds.items())]))
    for kind, findings in groupby(health.findings, key=lambda finding: finding.kind):
        parts.append(section(kind, list(findings), data))
    parts += [f"<section><h2>{escape(name)}</h2>{table(rows)}</section>" for name, rows in health.figures.items()]
    return page(f"{data}", "".join(parts))


def section(kind: str, findings: Sequence[Finding], data: Path) -> str:
    """Returns the section of the findings of one kind."""
    items = "".join(item(finding, data) for finding in findings[:SHOWN])
    more = f"<p>and {len(findings) - SHOWN} more</p>" if len(findings) > SHOWN else ""
    return f"<section class={findings[0].level}><h2>{escape(kind)}</h2><ul class=cards>{items}</ul>{more}</section>"


def item(finding: Finding, data: Path) -> str:
    """Returns the list item of one finding, with its picture and the one that it duplicates."""
    paths = (path for path in (finding.path, finding.other) if path)
    picture = "".join(thumbnail(path) for path in paths if is_inside(path, data))
    place = f"<code>{escape(finding.image)}</code> <small>{escape(finding.source)}</small>"
    kind = " class=pair" if finding.other else ""
    return f"<li{kind}>{picture}<div>{place}<p>{escape(finding.message)}</p></div></li>"
