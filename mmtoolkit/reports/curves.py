"""Learning curves as SVG."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from mmtoolkit.html import escape

WIDTH, HEIGHT, EDGE = 260, 120, 6
STYLE = """
ul.curves{list-style:none;margin:0;padding:0;display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr))}
ul.curves svg{display:block;width:100%;background:var(--card);border-radius:.4rem}
polyline{fill:none;stroke:var(--good);stroke-width:2}circle{fill:var(--bad)}
"""
HIDDEN = ("val_seconds", "learning_rate")


def curves(history: Mapping[str, Sequence[float]], *, lower: Collection[str] = ("loss",)) -> str:
    """Draws a small chart for each quantity of a training, by epoch, with its first, best and last value in words.

    Example:
        >>> curves({"loss": [2.0, 1.0]}).count("<svg")
        1

    Args:
        history: Values after each epoch, as Keras' `History` has them.
        lower: The quantities of which a lower value is better.
    """
    shown = [(name, values) for name, values in history.items() if values and name not in HIDDEN]
    drawn = [curve(name, values, lower=name in lower) for name, values in shown]
    return f"<ul class=curves>{''.join(drawn)}</ul>"


def curve(name: str, values: Sequence[float], *, lower: bool = False) -> str:
    """Renders the chart of one quantity."""
    best = min(values) if lower else max(values)
    text = f"{name}: {values[0]:.4g} after epoch 1, best {best:.4g} after epoch {list(values).index(best) + 1}"
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places(values))
    x, y = places(values)[list(values).index(best)]
    return (
        f"<li><b>{escape(name)}</b>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role=img aria-label="{escape(text)}"><title>{escape(text)}</title>'
        f'<polyline points="{points}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="4"/></svg>'
        f"<small>{values[0]:.4g} → {values[-1]:.4g}, best {best:.4g} after epoch {list(values).index(best) + 1} of "
        f"{len(values)}</small></li>"
    )


def places(values: Sequence[float]) -> list[tuple[float, float]]:
    """Places the values in the chart, the largest on top.

    Example:
        >>> places([1.0, 3.0])
        [(6.0, 114.0), (254.0, 6.0)]
    """
    low, high = min(values), max(values)
    wide, tall = WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE
    steps, span = max(1, len(values) - 1), (high - low) or 1.0
    return [(EDGE + wide * n / steps, EDGE + tall * (high - value) / span) for n, value in enumerate(values)]
