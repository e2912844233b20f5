"""Pictures of attention: where the captioner looked for each word, in any script that the font at hand can draw."""

from __future__ import annotations

import functools
import importlib.util
import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from mmtoolkit.errors import InputError

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

TILE = 224  # pixels: the longer side of every picture on the sheet
GAP = 16
COLUMNS = 5
TITLE_SIZE, WORD_SIZE, SMALLEST_SIZE = 24, 19, 9
PAPER, INK = (255, 255, 255), (28, 30, 34)
# From no attention to the most, dark to bright, in steps that also read in grey
HEAT = np.array([(24, 16, 60), (110, 28, 110), (214, 56, 72), (250, 146, 48), (255, 232, 120)], dtype=np.float32)


def attention_picture(
    image: Image.Image | NDArray[np.uint8],
    words: Sequence[str],
    attention_weights: ArrayLike,
    *,
    title: str | None = None,
) -> Image.Image:
    """Draws the picture once plain under its caption, and once per word with the attention laid over it.

    Example:
        >>> grid = np.zeros((2, 4)); grid[:, 3] = 1.0  # both words look at the bottom right of a 2 by 2 grid
        >>> attention_picture(Image.new("RGB", (96, 96)), ["a", "dog"], grid).width
        736

    Args:
        image: A Pillow picture (its EXIF orientation is applied) or `<uint8>[height, width, 3]`.
        words: The words of the caption, in order.
        attention_weights: `<float>[words, regions]`: the share of the attention that each region gets; the regions are
            a square grid (196 = 14 × 14) in reading order over the whole picture.
        title: What is written above; the words, joined, by default.

    Raises:
        InputError: The alignments are not finite, do not match the words or are not a square grid, the picture is
            something else, or the font lacks a character.
    """
    words = [unicodedata.normalize("NFC", word) for word in words]  # fonts have 한, seldom its separate letters
    title = unicodedata.normalize("NFC", " ".join(words) if title is None else title)
    check_glyphs(title + "".join(words), font(WORD_SIZE))
    grids = _grids(words, attention_weights)
    plain = _fitted(image)
    tiles = [plain, *(heat_overlay(plain, grid) for grid in grids)]
    columns = min(COLUMNS, len(tiles))
    width = columns * (TILE + GAP) + GAP
    lines = _lines(title, font(TITLE_SIZE), width - 2 * GAP)
    top = GAP + len(lines) * _line_height(TITLE_SIZE) + (GAP // 2 if lines else 0)
    row_height = plain.height + _line_height(WORD_SIZE) + GAP
    sheet = Image.new("RGB", (width, top + math.ceil(len(tiles) / columns) * row_height), PAPER)
    for number, line in enumerate(lines):
        _write(sheet, line, (GAP, GAP + number * _line_height(TITLE_SIZE)), TITLE_SIZE, width - 2 * GAP, centred=False)
    for number, (tile, word) in enumerate(zip(tiles, ["", *words], strict=True)):
        left, upper = GAP + number % columns * (TILE + GAP), top + number // columns * row_height
        sheet.paste(tile, (left + (TILE - tile.width) // 2, upper))
        _write(sheet, word, (left + TILE // 2, upper + tile.height + 3), WORD_SIZE, TILE, centred=True)
    return sheet


def heat_overlay(picture: Image.Image, grid: NDArray[np.float32]) -> Image.Image:
    """Dims the picture and lights up where the attention is.

    Even attention gives an even half tone: it is not stretched into a pattern.

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


@functools.lru_cache(maxsize=64)
def font(size: int) -> Font:
    """The font of every picture: NanumGothic where `mmtoolkit[plots]` is installed, else Pillow's own.

    Example:
        >>> font(20).getlength("a dog") > 0
        True
    """
    package = importlib.util.find_spec("koreanize_matplotlib")  # found, not imported: importing changes matplotlib
    for folder in (package.submodule_search_locations or []) if package else []:
        path = Path(folder) / "fonts" / "NanumGothic.ttf"
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)


def check_glyphs(text: str, font: Font) -> None:
    """Refuses a text that the font cannot draw, since a box in the place of a letter says nothing.

    Example:
        >>> check_glyphs("a dog", ImageFont.load_default(20))

    Raises:
        InputError: The font lacks a character of the text.
    """
    unknown = _drawn("\U0010ffff", font)  # never a character: what the font draws is its sign for a missing one
    missing = [letter for letter in dict.fromkeys(text) if not letter.isspace() and _drawn(letter, font) == unknown]
    if missing:
        raise InputError(
            f"the font for pictures cannot draw {' '.join(missing)}. Received: {text!r}; "
            f'pip install "mmtoolkit[plots]" brings a font with Hangul and more.'
        )


def _drawn(letter: str, font: Font) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


def _fitted(image: Image.Image | NDArray[np.uint8]) -> Image.Image:
    """The picture as it is shown: upright, RGB, no side over `TILE`, none vanishing."""
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


def _grids(words: Sequence[str], attention_weights: ArrayLike) -> NDArray[np.float32]:
    """Checks the alignments and folds each row into its square grid."""
    rows = np.asarray(attention_weights, np.float32)
    side = math.isqrt(rows.shape[1]) if rows.ndim == 2 else 0
    if rows.ndim != 2 or len(rows) != len(words) or side == 0 or side * side != rows.shape[1]:
        raise InputError(
            f"alignments must be [words, regions] with one row for each of the {len(words)} words and a square number "
            f"of regions (14 × 14 = 196). Received: {list(rows.shape)}."
        )
    if not np.isfinite(rows).all() or (rows < 0).any():
        raise InputError("alignments must be finite and not negative. Received: some that are not.")
    return rows.reshape(-1, side, side)


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


def _write(sheet: Image.Image, text: str, at: tuple[int, int], size: int, width: int, *, centred: bool) -> None:
    """Writes one line, in smaller letters where it would be wider than `width`."""
    while size > SMALLEST_SIZE and font(size).getlength(text) > width:
        size -= 1
    ImageDraw.Draw(sheet).text(at, text, fill=INK, font=font(size), anchor="ma" if centred else "la")
