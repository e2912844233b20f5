"""Draws views: attention over a picture for each word, weights of words, lines over time; in any script."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageOps

from mmtoolkit.errors import InputError
from mmtoolkit.fonts import Font, font, is_right_to_left, warn_of_boxes
from mmtoolkit.task import MatrixView, PictureView, SeriesView, View, WordsView

TILE = 224  # pixels: the longer side of every picture on the sheet
GAP = 16
COLUMNS, CELL = 5, 36
TITLE_SIZE, WORD_SIZE, SMALLEST_SIZE = 24, 19, 9
PAPER, INK = (255, 255, 255), (28, 30, 34)
# From no attention to the most, dark to bright, in steps that also read in grey
HEAT = np.array([(24, 16, 60), (110, 28, 110), (214, 56, 72), (250, 146, 48), (255, 232, 120)], dtype=np.float32)


def draw(view: View) -> Image.Image:
    """Draws a view; characters that no font has become boxes.

    Example:
        >>> draw(WordsView(["a", "dog"], np.array([0.1, 0.9]))).mode
        'RGB'
    """
    match view:
        case PictureView(pixels, words, maps, title) if maps is not None:
            return attention_picture(pixels, words, maps, title=title)
        case PictureView(pixels, words, _, title):
            return attention_picture(pixels, [], np.zeros((0, 1, 1)), title=title or " ".join(words))
        case WordsView(words, weights):
            return weights_picture([""], words, np.asarray(weights)[None])
        case MatrixView(rows, columns, weights):
            return weights_picture(rows, columns, weights)
        case SeriesView(lines):
            return lines_picture(lines)


def is_drawn(view: View) -> bool:
    """Checks whether there is more to draw than the picture."""
    return not isinstance(view, PictureView) or view.maps is not None


def weights_picture(rows: Sequence[str], columns: Sequence[str], weights: ArrayLike) -> Image.Image:
    """Draws a table of weights as shaded cells between the words of its rows and columns.

    Args:
        rows: The words on the left.
        columns: The words above, each over its column.
        weights: `<float>[rows, columns]`, 0 to 1.
    """
    warn_of_boxes(" ".join([*rows, *columns]))
    letters, table = font(WORD_SIZE, "".join([*rows, *columns])), np.clip(np.asarray(weights, np.float32), 0, 1)
    left = GAP + max((round(letters.getlength(word)) for word in rows), default=0) + GAP // 2
    widths = [max(CELL, round(letters.getlength(word)) + GAP) for word in columns]
    top = _line_height(WORD_SIZE) + GAP
    sheet = Image.new("RGB", (left + sum(widths) + GAP, top + len(rows) * CELL + GAP), PAPER)
    pen, x = ImageDraw.Draw(sheet), left
    for column, (word, width) in enumerate(zip(columns, widths, strict=True)):
        pen.text((x + width // 2, GAP // 2), word, fill=INK, font=letters, anchor="ma")
        for row in range(len(rows)):
            y = top + row * CELL
            pen.rectangle((x, y, x + width - 2, y + CELL - 2), fill=_heat(float(table[row, column])))
        x += width
    for row, word in enumerate(rows):
        pen.text((left - GAP // 2, top + row * CELL + CELL // 2), word, fill=INK, font=letters, anchor="rm")
    return sheet


def lines_picture(lines: Mapping[str, Sequence[float]]) -> Image.Image:
    """Draws lines over time that end together, each with its name."""
    warn_of_boxes(" ".join(lines))
    letters, size = font(WORD_SIZE, "".join(lines)), (3 * TILE, TILE + 2 * GAP)
    top = _line_height(WORD_SIZE) * len(lines) + GAP
    sheet = Image.new("RGB", (size[0], size[1] + top), PAPER)
    pen, values = ImageDraw.Draw(sheet), [value for line in lines.values() for value in line]
    low, span = min(values), (max(values) - min(values)) or 1.0
    longest = max(map(len, lines.values()))
    step, tall = (size[0] - 2 * GAP) / max(1, longest - 1), size[1] - 2 * GAP
    for number, (name, line) in enumerate(lines.items()):
        colour = _heat((number + 1) / (len(lines) + 1))
        at = [
            (GAP + step * (longest - len(line) + place), top + GAP + tall * (1 - (value - low) / span))
            for place, value in enumerate(line)
        ]
        pen.line(at, fill=colour, width=3, joint="curve")
        pen.text((GAP, GAP // 2 + number * _line_height(WORD_SIZE)), name, fill=colour, font=letters)
    return sheet


def _heat(share: float) -> tuple[int, int, int]:
    """Returns the colour of a weight from 0 to 1, bright to dark."""
    levels = (1 - share) * (len(HEAT) - 1)
    below = min(int(levels), len(HEAT) - 2)
    red, green, blue = np.rint(HEAT[below] + (HEAT[below + 1] - HEAT[below]) * (levels - below)).astype(int).tolist()
    return red, green, blue


def attention_picture(
    image: Image.Image | NDArray[np.uint8],
    words: Sequence[str],
    maps: ArrayLike,
    *,
    title: str | None = None,
) -> Image.Image:
    """Draws the picture alone under its caption, and once per word with the attention over it.

    Example:
        >>> maps = np.zeros((2, 2, 2)); maps[:, 1, 1] = 1.0  # both words attend to the bottom right of a 2 by 2 grid
        >>> attention_picture(Image.new("RGB", (96, 96)), ["a", "dog"], maps).width
        736

    Args:
        image: A Pillow picture (its EXIF orientation is applied) or `<uint8>[height, width, 3]`.
        words: The words of the caption, in order.
        maps: `<float>[words, rows, columns]`: the share of the attention that each region of the picture gets.
        title: The heading; by default the words, joined.

    Raises:
        InputError: The maps are not finite or do not match the words, or the picture is something else.
    """
    words = [unicodedata.normalize("NFC", word) for word in words]  # fonts have 한, seldom its separate letters
    title = unicodedata.normalize("NFC", " ".join(words) if title is None else title)
    warn_of_boxes(title)
    grids = _checked(words, maps)
    plain = _fitted(image)
    tiles = [plain, *(heat_overlay(plain, grid) for grid in grids)]
    columns = min(COLUMNS, len(tiles))
    width = columns * (TILE + GAP) + GAP
    lines = _lines(title, font(TITLE_SIZE, title), width - 2 * GAP)
    top = GAP + len(lines) * _line_height(TITLE_SIZE) + (GAP // 2 if lines else 0)
    row_height = plain.height + _line_height(WORD_SIZE) + GAP
    sheet = Image.new("RGB", (width, top + math.ceil(len(tiles) / columns) * row_height), PAPER)
    for number, line in enumerate(lines):
        anchor, x = ("ra", width - GAP) if is_right_to_left(title) else ("la", GAP)
        _write(sheet, line, (x, GAP + number * _line_height(TITLE_SIZE)), TITLE_SIZE, width - 2 * GAP, anchor=anchor)
    for number, (tile, word) in enumerate(zip(tiles, ["", *words], strict=True)):
        left, upper = GAP + number % columns * (TILE + GAP), top + number // columns * row_height
        sheet.paste(tile, (left + (TILE - tile.width) // 2, upper))
        _write(sheet, word, (left + TILE // 2, upper + tile.height + 3), WORD_SIZE, TILE, anchor="ma")
    return sheet


def heat_overlay(picture: Image.Image, grid: NDArray[np.float32]) -> Image.Image:
    """Overlays a picture with attention: the rest is dimmed and greyed.

    Uniform attention gives a uniform half tone: its small differences are not stretched to a pattern.

    Args:
        picture: An RGB picture.
        grid: `<float32>[rows, columns]` of attention, none of it negative.
    """
    strongest = max(float(grid.max()), 2 * float(grid.mean()), 1e-12)
    field = Image.fromarray(grid.astype(np.float32) / strongest).resize(picture.size, Image.Resampling.BICUBIC)
    heat = np.clip(np.asarray(field, np.float32), 0, 1)[..., None]
    pixels = np.asarray(picture, np.float32)
    grey = pixels.mean(axis=-1, keepdims=True)
    faded = grey + (0.35 + 0.65 * heat) * (pixels - grey)  # its own colours come back where the attention is
    levels = heat * (len(HEAT) - 1)
    below = np.minimum(levels.astype(int), len(HEAT) - 2)[..., 0]
    colour = HEAT[below] + (HEAT[below + 1] - HEAT[below]) * (levels - below[..., None])
    share = 0.3 + 0.15 * heat
    return Image.fromarray(np.rint((1 - share) * faded * (0.55 + 0.45 * heat) + share * colour).astype(np.uint8))


def _fitted(image: Image.Image | NDArray[np.uint8]) -> Image.Image:
    """Returns the picture as shown: upright, RGB, scaled so that its longer side is `TILE`, no side empty."""
    if not isinstance(image, Image.Image):
        pixels = np.asarray(image)
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] != 3 or 0 in pixels.shape:
            raise InputError(f"a picture is <uint8>[height, width, 3]. Received: <{pixels.dtype}>{list(pixels.shape)}.")
        image = Image.fromarray(pixels)
    upright = ImageOps.exif_transpose(image).convert("RGB")
    scale = TILE / max(upright.size)
    return upright.resize(
        (max(1, round(upright.width * scale)), max(1, round(upright.height * scale))), Image.Resampling.LANCZOS
    )


def _checked(words: Sequence[str], maps: ArrayLike) -> NDArray[np.float32]:
    """Checks that there is a map of weights for each word."""
    grids = np.asarray(maps, np.float32)
    if grids.ndim != 3 or len(grids) != len(words) or 0 in grids.shape[1:]:
        raise InputError(
            f"attention maps must be [words, rows, columns] with one map for each of the {len(words)} words. "
            f"Received: {list(grids.shape)}."
        )
    if not np.isfinite(grids).all() or (grids < 0).any():
        raise InputError("attention maps must be finite and not negative. Received: some that are not.")
    return grids


def _line_height(size: int) -> int:
    return round(size * 1.45)


def _lines(text: str, font: Font, width: float) -> list[str]:
    """Breaks a text between words into lines no wider than `width`."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _write(sheet: Image.Image, text: str, at: tuple[int, int], size: int, width: int, *, anchor: str) -> None:
    """Draws one line, in smaller letters where it would be wider than `width`."""
    while size > SMALLEST_SIZE and font(size, text).getlength(text) > width:
        size -= 1
    ImageDraw.Draw(sheet).text(at, text, fill=INK, font=font(size, text), anchor=anchor)
