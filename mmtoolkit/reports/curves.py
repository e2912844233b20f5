"""Learning curves as SVG: each quantity with its axes, training and validation in one chart."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from mmtoolkit.html import Words, escape
from mmtoolkit.html.fixed_words import ENGLISH

WIDTH, HEIGHT = 320, 190
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 34  # margins for the numbers of the axes
HIDDEN = ("val_seconds", "learning_rate")
VALIDATION = "val_"  # how Keras names what is measured on the validation split


def curves(
    history: Mapping[str, Sequence[float]], *, lower: Collection[str] = ("loss",), words: Words = ENGLISH
) -> str:
    """Draws a chart for each quantity of a training, by epoch, with its first, best and last value in words.

    Example:
        >>> curves({"loss": [2.0, 1.0], "val_loss": [2.5, 2.0]}).count("<polyline")
        2

    Args:
        history: Values after each epoch, as Keras' `History` has them.
        lower: The quantities of which a lower value is better.
        words: The language of the page.
    """
    shown = {name: values for name, values in history.items() if values and name not in HIDDEN}
    quantities = dict.fromkeys(name.removeprefix(VALIDATION) for name in shown)
    drawn = []
    for name in quantities:
        lines = {each: shown[each] for each in (name, VALIDATION + name) if each in shown}
        drawn.append(chart(name, lines, lower=not lines.keys().isdisjoint(lower), words=words))
    return f"<ul class=charts>{''.join(drawn)}</ul>"


def chart(name: str, lines: Mapping[str, Sequence[float]], *, lower: bool, words: Words) -> str:
    """Renders the chart of one quantity: its line of training, that of validation, or both."""
    low, high, ticks = scale([value for values in lines.values() for value in values])
    count = max(map(len, lines.values()))
    parts, captions = [axes(ticks, count, words)], []
    for each, values in lines.items():
        validated = each.startswith(VALIDATION)
        kind = "" if validated else " class=train"
        best = min(values) if lower else max(values)
        where = list(values).index(best)
        at = places(values, low, high, count)
        text = words(
            "best {value} after epoch {epoch} of {count}", value=f"{best:.4g}", epoch=where + 1, count=len(values)
        )
        parts.append(f'<polyline{kind} points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in at)}"/>')
        x, y = at[where]
        parts.append(f'<circle{kind} cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{escape(text)}</title></circle>')
        key = f'<svg class=key viewBox="0 0 18 6" aria-hidden=true><line{kind} x2="18" y1="3" y2="3"/></svg>'
        part = words("validation" if validated else "training")
        captions.append(f"<br>{key}<small>{escape(part)}: {values[0]:.4g} → {values[-1]:.4g}, {escape(text)}</small>")
    return (
        f'<li><strong>{escape(name)}</strong><svg class=chart viewBox="0 0 {WIDTH} {HEIGHT}" role=img '
        f'aria-label="{escape(name)}">{"".join(parts)}</svg><span>{"".join(captions)[4:]}</span></li>'
    )


def axes(ticks: Sequence[float], count: int, words: Words) -> str:
    """Renders the lines and numbers of the axes: some values upwards, the epochs to the right."""
    low, high = ticks[0], ticks[-1]
    step = max(1, math.ceil((count - 1) / 6))
    drawn = []
    for value in ticks:
        ((_, y),) = places([value], low, high, 1)
        drawn.append(f'<path class=axis d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor=end>{value:.6g}</text>')
    for number in range(0, count, step):
        x = places([low] * count, low, high, count)[number][0]
        drawn.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor=middle>{number + 1}</text>')
    middle = f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 4}" text-anchor=middle>'
    return f"{''.join(drawn)}{middle}{escape(words('epoch'))}</text>"


def scale(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """Returns the ends of an axis that holds the values, and three to six round numbers on it.

    Example:
        >>> scale([0.4, 2.7])
        (0.0, 3.0, [0.0, 1.0, 2.0, 3.0])
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    span = (high - low) or abs(high) or 1.0
    size = 10 ** math.floor(math.log10(span / 2))
    step = next(size * part for part in (1, 2, 5, 10) if span / (size * part) <= 4)
    first, last = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)
    ticks = [float(f"{number * step:.12g}") for number in range(first, last + 1)]
    return ticks[0], ticks[-1], ticks


def places(values: Sequence[float], low: float, high: float, count: int) -> list[tuple[float, float]]:
    """Places the values of the first epochs of `count` in the chart, `high` on top.

    Example:
        >>> places([1.0, 3.0], 1.0, 3.0, 2)
        [(44.0, 156.0), (312.0, 8.0)]
    """
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    kept = [value if math.isfinite(value) else high for value in values]  # a loss that is lost is on top
    return [
        (LEFT + wide * number / max(1, count - 1), TOP + tall * (high - value) / (high - low))
        for number, value in enumerate(kept)
    ]
