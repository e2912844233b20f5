"""The chart of a calibration, as SVG: points beside the diagonal on which all is well."""

from __future__ import annotations

from mmtoolkit.html import Words, escape
from mmtoolkit.task import Diagonal

SIDE, LEFT, BOTTOM = 260, 40, 34  # of the square of a diagonal, and the margins for the numbers of its axes
LARGEST = 11.0  # radius of the point with the most cases


def diagonal(part: Diagonal, words: Words) -> str:
    """Draws points beside the diagonal on which both values agree; a point is as large as it has cases.

    Args:
        part: The points, and what their axes are.
        words: The language of the page.
    """
    wide, tall = LEFT + SIDE + 16, SIDE + BOTTOM + 12
    most = max((count for _, _, count in part.points), default=1)

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + SIDE * x / 100, 12 + SIDE * (100 - y) / 100

    ticks = []
    for value in (0, 25, 50, 75, 100):
        x, y = place(value, value)
        ticks.append(f'<path class=axis d="M{LEFT} {y:.1f}H{LEFT + SIDE}M{x:.1f} 12V{12 + SIDE}"/>')
        ticks.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor=end>{value}</text>')
        ticks.append(f'<text x="{x:.1f}" y="{SIDE + 26}" text-anchor=middle>{value}</text>')
    points = []
    for x_value, y_value, count in part.points:
        x, y = place(x_value, y_value)
        radius = max(3.0, LARGEST * (count / most) ** 0.5)
        text = f"{words(part.x)} {x_value:.0f} %, {words(part.y)} {y_value:.0f}, n = {count}"
        points.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{escape(text)}</title></circle>')
    (x0, y0), (x1, y1) = place(0, 0), place(100, 100)
    line = f'<path class=even d="M{x0} {y0}L{x1} {y1}"/>'
    name = f'<text x="{LEFT + SIDE / 2}" y="{tall - 2}" text-anchor=middle>{escape(words(part.x))} (%)</text>'
    svg = (
        f'<svg class=chart viewBox="0 0 {wide} {tall}" role=img aria-label="{escape(words(part.title))}">'
        f"{''.join(ticks)}{line}{''.join(points)}{name}</svg>"
    )
    key = '<svg class=key viewBox="0 0 18 6"><line class=even x2="18" y1="3" y2="3" stroke-dasharray="3 3"/></svg>'
    return f"<p><small>↑ {escape(words(part.y))}{key}{escape(words(part.diagonal))}</small></p>{svg}"
