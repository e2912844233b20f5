"""Bars of a page, as SVG without a script: one for each of some values, or one for the shares of a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmtoolkit.html.page import escape


def bars(rows: Sequence[tuple[str, float, str, str]], most: float, *, own: int | None = None) -> str:
    """Draws a bar for each value, with what it is for, the value in words, and a remark.

    Example:
        >>> bars([("how many", 40.0, "40 %", "n = 5")], 100).count('width="40.0"')
        1

    Args:
        rows: What each bar is for, its value, the value in words, and a remark.
        most: The value of a full bar.
        own: The number of the bar that is emphasised; all of them by default.
    """
    items = []
    for number, (name, value, text, note) in enumerate(rows):
        wide = 100 * min(1.0, max(0.0, value / most)) if most else 0.0
        kind = " class=own" if own in (None, number) else ""
        remark = f"<small>{escape(note)}</small>" if note else ""
        items.append(
            f'<li><span>{escape(name)}</span><svg class=bar viewBox="0 0 100 1" preserveAspectRatio=none '
            f'aria-hidden=true><rect{kind} width="{wide:.1f}" height="1"/></svg><b>{escape(text)}</b>{remark}</li>'
        )
    return f"<ul class=bars>{''.join(items)}</ul>"


def shares(parts: Mapping[str, float]) -> str:
    """Draws the shares of a whole, in percent, as one bar with its legend.

    Example:
        >>> shares({"right": 75.0, "wrong": 25.0}).count("<rect")
        2
    """
    drawn, start = [], 0.0
    for number, share in enumerate(parts.values()):
        drawn.append(f'<rect class="share{number % 4}" x="{start:.2f}" width="{share:.2f}" height="1"/>')
        start += share
    legend = (
        f'<li><i class="share{number % 4}"></i>{escape(name)} {share:.1f} %</li>'
        for number, (name, share) in enumerate(parts.items())
    )
    svg = f'<svg class=shares viewBox="0 0 100 1" preserveAspectRatio=none aria-hidden=true>{"".join(drawn)}</svg>'
    return f"{svg}<ul class=legend>{''.join(legend)}</ul>"
