"""Defines scenes of coloured shapes, samples them and draws them."""

from __future__ import annotations

import difflib
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from mmtoolkit.errors import InputError

PALETTE = {
    "red": (214, 40, 40),
    "blue": (37, 88, 207),
    "green": (38, 154, 76),
    "yellow": (246, 206, 36),
    "purple": (133, 60, 176),
    "orange": (243, 128, 30),
    "cyan": (40, 190, 200),
    "brown": (120, 72, 32),
    "black": (30, 30, 34),
}
COLOURS, NEW_COLOURS = tuple(PALETTE)[:6], tuple(PALETTE)[6:]  # new: for scenes of a kind that a model has not seen
BACKGROUND = (250, 250, 247)
KINDS, NEW_KINDS = ("circle", "square", "triangle", "star"), ("hexagon", "diamond")
RADII = {"small": 0.24, "large": 0.46}  # in cells
CELLS = tuple((column, row) for row in range(3) for column in range(3))  # in reading order
LAYOUTS = {"place": 25, "relation": 40, "count": 15, "mixture": 20}  # how often each is drawn, in percent
SMALLEST = 24  # pixels: below, a small star is a smudge


@dataclass(frozen=True, slots=True)
class Shape:
    """One coloured shape in one cell of the grid.

    Example:
        >>> Shape("star", "yellow", 0, 0, "large").colour
        'yellow'

    Args:
        kind: A name in `KINDS` or `NEW_KINDS`.
        colour: A name in `PALETTE`.
        column: 0 (left) to 2 (right).
        row: 0 (top) to 2 (bottom).
        size: `"small"` or `"large"`.

    Raises:
        InputError: One of them is something else.
    """

    kind: str
    colour: str
    column: int
    row: int
    size: str

    def __post_init__(self) -> None:
        one_of("kind", self.kind, KINDS + NEW_KINDS)
        one_of("colour", self.colour, PALETTE)
        one_of("size", self.size, RADII)
        if (self.column, self.row) not in CELLS:
            raise InputError(f"column and row must be 0, 1 or 2. Received: column {self.column}, row {self.row}.")


@dataclass(frozen=True, slots=True)
class Scene:
    """One to three shapes in different cells, kept in reading order, so that equal pictures are equal scenes.

    Example:
        >>> Scene((Shape("star", "red", 2, 1, "small"), Shape("circle", "blue", 0, 1, "large"))).shapes[0].kind
        'circle'

    Raises:
        InputError: There are no shapes or more than three, or two share a cell.
    """

    shapes: tuple[Shape, ...]

    def __post_init__(self) -> None:
        cells = {(shape.row, shape.column) for shape in self.shapes}
        if not 1 <= len(self.shapes) <= 3 or len(cells) < len(self.shapes):
            raise InputError(f"a scene is one to three shapes in different cells. Received: {self.shapes!r}.")
        object.__setattr__(self, "shapes", tuple(sorted(self.shapes, key=lambda shape: (shape.row, shape.column))))


def sample_scene(generator: random.Random, *, kinds: Sequence[str] = KINDS, colours: Sequence[str] = COLOURS) -> Scene:
    """Samples a scene: one shape in a place, two in a relation, several alike, or two alike and another one.

    Example:
        >>> sample_scene(random.Random(1)) == sample_scene(random.Random(1))
        True

    Args:
        generator: The source of random numbers.
        kinds: Names in `KINDS` or `NEW_KINDS`.
        colours: Names in `PALETTE`; kinds and colours must give two different shapes or more.
    """
    (layout,) = generator.choices(list(LAYOUTS), weights=list(LAYOUTS.values()))
    chosen = generator.sample([(kind, colour) for kind in kinds for colour in colours], 2)
    sizes = [generator.choice(list(RADII)) for _ in chosen]
    members = {"place": [0], "relation": [0, 1], "count": [0] * generator.choice((2, 3)), "mixture": [0, 0, 1]}[layout]
    cells = generator.sample(CELLS, len(members))
    if layout == "relation":  # in one line, so that one relation is plainly the right one
        (column, row), first, second = cells[0], *generator.sample(range(3), 2)
        cells = generator.choice(([(column, first), (column, second)], [(first, row), (second, row)]))
    return Scene(tuple(Shape(*chosen[of], *cell, sizes[of]) for of, cell in zip(members, cells, strict=True)))


def draw_scene(scene: Scene, *, size: int = 96) -> Image.Image:
    """Draws the scene as a square RGB picture with smooth edges.

    Example:
        >>> draw_scene(Scene((Shape("square", "red", 1, 1, "large"),)), size=96).getpixel((48, 48))
        (214, 40, 40)

    Raises:
        InputError: `size` is under 24 pixels.
    """
    if size < SMALLEST:
        raise InputError(f"a scene is drawn with a side of {SMALLEST} pixels or more. Received: {size}.")
    scale = 4  # drawn four times as large, then averaged: smooth edges
    cell = size * scale / 3
    canvas = Image.new("RGB", (size * scale, size * scale), BACKGROUND)
    pen = ImageDraw.Draw(canvas)
    for shape in scene.shapes:
        centre = ((shape.column + 0.5) * cell, (shape.row + 0.5) * cell)
        pen.polygon(_outline(shape.kind, centre, RADII[shape.size] * cell), fill=PALETTE[shape.colour])
    return canvas.reduce(scale)


def box_of(shape: Shape) -> tuple[float, float, float, float]:
    """Computes the box around a shape, left, top, right and bottom, as shares of the picture's side.

    Example:
        >>> [round(side, 3) for side in box_of(Shape("square", "red", 1, 1, "large"))]
        [0.392, 0.392, 0.608, 0.608]
    """
    points = _outline(shape.kind, ((shape.column + 0.5) / 3, (shape.row + 0.5) / 3), RADII[shape.size] / 3)
    columns, rows = zip(*points, strict=True)
    return min(columns), min(rows), max(columns), max(rows)


def _outline(kind: str, centre: tuple[float, float], radius: float) -> list[tuple[float, float]]:
    corners = {"circle": 64, "square": 4, "triangle": 3, "star": 10, "hexagon": 6, "diamond": 4}[kind]
    turn = math.pi / 4 if kind == "square" else 0.0
    if kind == "triangle":  # its bounding box, not its circumcentre, goes to the middle of the cell
        centre = (centre[0], centre[1] + radius / 4)
    points = []
    for corner in range(corners):
        angle = 2 * math.pi * corner / corners + turn
        reach = radius * 0.45 if kind == "star" and corner % 2 else radius
        points.append((centre[0] + reach * math.sin(angle), centre[1] - reach * math.cos(angle)))
    return points


def one_of(what: str, value: str, allowed: Iterable[str]) -> None:
    """Checks that a word is in a list; the error names the near ones."""
    if value not in (names := list(allowed)):
        near = difflib.get_close_matches(str(value), names, n=3) or names
        raise InputError(f"{what} must be one of the known ones ({', '.join(near)}). Received: {value!r}.")
