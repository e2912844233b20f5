"""The sheet is measured by its pixels: how many tiles, where each is bright, what is written beneath."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFont

from mmtoolkit import fonts, pictures
from mmtoolkit.errors import InputError
from mmtoolkit.fonts import best_font, font, is_right_to_left, lacking
from mmtoolkit.pictures import (
    CELL,
    COLUMNS,
    GAP,
    TILE,
    attention_picture,
    draw,
    heat_overlay,
)
from mmtoolkit.task import MatrixView, PictureView, SeriesView, WordsView

GREY = Image.new("RGB", (96, 96), (128, 128, 128))


def spots(*cells: int, side: int = 14) -> np.ndarray:
    """One row of attention per given region: nearly all of it there."""
    rows = np.full((len(cells), side * side), 0.1 / (side * side - 1))
    rows[np.arange(len(cells)), cells] = 0.9
    return rows.reshape(-1, side, side)


def tiles(sheet: Image.Image) -> list[np.ndarray]:
    """The pictures on a sheet of square pictures, found as squares that are not white, in reading order."""
    pixels = np.asarray(sheet)
    found = []
    upper = 0
    while upper + TILE <= pixels.shape[0]:
        lefts = [GAP + number * (TILE + GAP) for number in range(COLUMNS)]
        squares = [pixels[upper : upper + TILE, left : left + TILE] for left in lefts]
        squares = [s for s in squares if s.shape == (TILE, TILE, 3) and (s[[0, -1]] < 250).any(axis=-1).all()]
        found += squares
        upper += TILE if squares else 1
    return found


def brightness(tile: np.ndarray) -> np.ndarray:
    return tile.astype(float) @ [0.299, 0.587, 0.114]


def test_each_overlay_is_brightest_where_its_word_looked():
    cells = [0, 13, 97, 182, 195]
    plain, *overlays = tiles(attention_picture(GREY, list("abcde"), spots(*cells)))
    assert (plain == 128).all()
    for cell, overlay in zip(cells, overlays, strict=True):
        row, column = np.unravel_index(brightness(overlay).argmax(), (TILE, TILE))
        assert (row * 14 // TILE, column * 14 // TILE) == divmod(cell, 14)
        elsewhere = brightness(overlay)[(cell // 14 * 16 + 112) % TILE, (cell % 14 * 16 + 112) % TILE]
        assert brightness(overlay).max() > 128 > 1.4 * elsewhere


def test_a_picture_keeps_its_own_light_under_the_heat():
    """Against the plain picture, the attended part loses less of its brightness than the rest, at both shades."""
    shaded = Image.fromarray(np.repeat(np.tile(np.array([[60], [200]], np.uint8), (32, 64))[..., None], 3, axis=2))
    plain, overlay = tiles(attention_picture(shaded, ["dog"], spots(14 * 4 + 4)))
    ratio = brightness(overlay) / brightness(plain)
    lit, dark = ratio[4 * 16 : 5 * 16, 4 * 16 : 5 * 16], ratio[10 * 16 :, 10 * 16 :]
    assert lit.min() > dark.max()


def test_even_attention_gives_an_even_half_tone():
    even, none, full = (
        np.asarray(heat_overlay(GREY, grid))
        for grid in (np.full((7, 7), 1 / 49), np.zeros((7, 7)), np.eye(1, 49).reshape(7, 7))
    )
    assert np.ptp(even.reshape(-1, 3), axis=0).max() == 0
    assert brightness(none)[0, 0] < brightness(even)[0, 0] < brightness(full).max()


@pytest.mark.parametrize(("words", "rows"), [(0, 1), (1, 1), (4, 1), (5, 2), (12, 3)])
def test_there_is_a_plain_tile_and_one_per_word_and_rows_wrap(words, rows):
    sheet = attention_picture(GREY, ["dog"] * words, spots(*range(words)), title="dogs")
    assert len(tiles(sheet)) == words + 1
    assert sheet.width == min(COLUMNS, words + 1) * (TILE + GAP) + GAP
    assert rows * TILE < sheet.height < rows * (TILE + 60) + 80


def test_words_and_title_are_written():
    """The ink of the sheet of a longer word is more than that of a shorter one; an empty title takes no room."""

    def ink(sheet: Image.Image) -> int:
        return int((np.asarray(sheet.convert("L")) < 60).sum())

    sheets = [attention_picture(GREY, [word], spots(3), title="") for word in ("i", "elephant")]
    titled = attention_picture(GREY, ["i"], spots(3), title="an elephant")
    assert sheets[0].size == sheets[1].size
    assert ink(sheets[1]) > ink(sheets[0]) + 100
    assert titled.height > sheets[0].height
    long = attention_picture(GREY, ["i"], spots(3), title="an elephant " * 20)
    assert long.height > titled.height + 100  # wrapped into more lines
    default = attention_picture(GREY, ["a", "dog"], spots(3, 4))
    assert np.array_equal(default, attention_picture(GREY, ["a", "dog"], spots(3, 4), title="a dog"))


def test_a_wide_word_is_written_smaller_instead_of_over_its_neighbours():
    word = "antidisestablishmentarianism"
    assert font(pictures.WORD_SIZE).getlength(word) > TILE
    sheet = np.asarray(attention_picture(GREY, [word, "a"], spots(3, 4), title="").convert("L"))
    gap = GAP + 2 * (TILE + GAP) - GAP  # the white strip between the second and the third tile
    assert (sheet[:, gap + 2 : gap + GAP - 2] == 255).all()


def test_a_photo_keeps_its_shape_and_its_orientation(tmp_path):
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[:, :100, 0] = 255  # the left half is red
    exif = Image.Exif()
    exif[274] = 6  # to be shown turned by 90 degrees clockwise: red comes to the top
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    sheet = attention_picture(Image.open(tmp_path / "turned.png"), ["red"], spots(0), title="")
    middle = GAP + TILE // 2
    assert sheet.getpixel((middle, GAP + TILE // 4)) == (255, 0, 0)
    assert sheet.getpixel((middle, GAP + 3 * TILE // 4)) == (0, 0, 0)
    assert sheet.getpixel((GAP + 10, GAP + TILE // 4)) == (255, 255, 255)  # half as wide as high
    wide = attention_picture(pixels, ["red"], spots(0), title="")
    assert wide.height < sheet.height


@pytest.mark.parametrize(
    ("shape", "received"), [((2, 14, 14), "2, 14, 14"), ((3, 196), "3, 196"), ((196,), "196"), ((3, 0, 4), "3, 0, 4")]
)
def test_alignments_that_do_not_fit_are_refused(shape, received):
    with pytest.raises(InputError, match=rf"one map for each of the 3 words.*Received: \[{received}\]"):
        attention_picture(GREY, ["a", "brown", "dog"], np.full(shape, 0.1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1])
def test_alignments_that_are_no_attention_are_refused(bad):
    with pytest.raises(InputError, match="finite and not negative"):
        attention_picture(GREY, ["dog"], np.full((1, 2, 2), bad))


@pytest.mark.parametrize("array", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 0, 3), np.uint8)])
def test_an_array_that_is_no_picture_is_refused(array):
    with pytest.raises(InputError, match=r"<uint8>\[height, width, 3\]. Received: <"):
        attention_picture(array, ["dog"], spots(0))


def test_hangul_has_glyphs_and_renders():
    """Fails, not skips, where the font is missing: it is a part of what the tests need."""
    letters = (
        "".join(chr(code) for code in range(ord("가"), ord("힣") + 1, 37)) + "빨간색 동그라미가 파란색 네모 위쪽에 있다"
    )
    assert "Nanum" in font(20, letters).getname()[0]
    first, second = (np.asarray(attention_picture(GREY, [word], spots(0), title="")) for word in ("별", "네"))
    assert (first != second).any()


def test_separate_letters_of_hangul_are_put_together():
    apart = "\u1107\u1167\u11af"  # 별, letter by letter
    composed = attention_picture(GREY, ["별"], spots(0))
    assert np.array_equal(attention_picture(GREY, [apart], spots(0)), composed)


@pytest.mark.parametrize("words", [["não", "chão"], ["žluťoučký", "kůň"], ["Łódź"], ["ışık"], ["σκύλος"], ["собака"]])
def test_the_letters_of_europe_are_drawn_by_a_font_that_has_them(words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attention_picture(GREY, words, np.full((len(words), 2, 2), 0.25))
    assert not lacking(best_font("".join(words)), "".join(words))


def test_arabic_is_joined_and_starts_at_the_right():
    """Shaped by HarfBuzz: letters that are joined take less room than each by itself; the title ends at the margin."""
    word = "كلب يجري"
    chosen = font(pictures.TITLE_SIZE, word)
    assert chosen.getlength(word) < sum(chosen.getlength(letter) for letter in word)
    sheet = np.asarray(attention_picture(GREY, word.split(), np.full((2, 2, 2), 0.25)))
    title = sheet[: pictures.GAP + 30]
    inked = np.flatnonzero((title != pictures.PAPER).any(axis=(0, 2)))
    assert sheet.shape[1] - pictures.GAP - 4 <= inked.max() <= sheet.shape[1] - pictures.GAP
    assert is_right_to_left(word) and not is_right_to_left("a كلب")


def test_a_missing_glyph_is_told_and_drawn_as_a_box():
    with pytest.warns(
        UserWarning, match="no font of this machine has all of '\U00012000': \U00012000 is drawn as boxes"
    ):
        sheet = attention_picture(GREY, ["\U00012000"], spots(0))  # cuneiform
    box, other = (np.asarray(sheet), np.asarray(attention_picture(GREY, ["|"], spots(0))))
    assert (box != other).any()
    assert lacking(None, "a 별이 b별") == "별이별" and lacking(None, "Plain text, with\tand\nbreaks; (1 + 2).") == ""


def test_without_packages_and_fonts_of_the_system_the_font_is_pillows(monkeypatch):
    monkeypatch.setattr(fonts.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(fonts, "system_fonts", tuple)
    fonts.best_font.cache_clear()
    try:
        assert font(20, "dog").getname() == ImageFont.load_default(20).getname()
        with pytest.warns(UserWarning, match=r"별 is drawn as boxes; pip install '\.\[plots\]' brings Hangul"):
            assert len(tiles(attention_picture(GREY, ["별"], spots(0)))) == 2
    finally:
        fonts.best_font.cache_clear()


def test_drawing_imports_neither_matplotlib_nor_tensorflow():
    code = (
        "import sys; from mmtoolkit.fonts import font; font(20, 'a dog')\n"
        "print([name for name in ('matplotlib', 'koreanize_matplotlib', 'tensorflow', 'keras') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


# --- the other views ---


def test_a_grid_that_is_not_square_is_laid_over_the_whole_picture():
    """One row of four columns: the last quarter is lit from top to bottom."""
    maps = np.array([[[0.0, 0.0, 0.0, 1.0]]])
    _, overlay = tiles(draw(PictureView(np.full((96, 96, 3), 128, np.uint8), ["dog"], maps)))
    lit = brightness(overlay)
    assert lit[:, -20:].min() > lit[:, :100].max() and np.ptp(lit[:, -10]) < 1


def test_a_view_without_attention_is_the_picture_alone():
    assert len(tiles(draw(PictureView(np.full((96, 96, 3), 128, np.uint8), ["a", "dog"], None)))) == 1


def darkness(sheet: Image.Image, row: int, column: int) -> float:
    """Of the cell of a matrix whose words are narrower than a cell, from the right and bottom edges of the sheet."""
    cells = np.asarray(sheet.convert("L"), float)[:-GAP, :-GAP]
    height, width = cells.shape
    return 255 - cells[height - row * CELL - CELL // 2, width - column * CELL - CELL // 2]


def test_a_matrix_is_darkest_where_the_weight_is_largest():
    weights = np.array([[0.0, 0.5, 1.0], [1.0, 0.25, 0.0]])
    sheet = draw(MatrixView(["가", "나"], ["a", "b", "c"], weights))
    found = np.array([[darkness(sheet, 1 - row, 2 - column) for column in range(3)] for row in range(2)])
    assert (found[0].argsort() == [0, 1, 2]).all() and (found[1].argsort() == [2, 1, 0]).all()


def test_words_have_a_cell_each():
    sheet = draw(WordsView(["a", "b"], np.array([0.1, 0.9])))
    assert darkness(sheet, 0, 0) > darkness(sheet, 0, 1) + 50


def test_lines_end_together_and_the_highest_value_is_on_top():
    """The shorter line begins at the last third; ink of both colours reaches the right edge."""
    long, short = [0.0, 0.0, 0.0, 0.0], [10.0, 10.0]
    pixels = np.asarray(draw(SeriesView({"past": long, "future": short}))).astype(int)
    coloured = np.ptp(pixels, axis=2) > 60
    height = pixels.shape[0]
    lower, upper = coloured[-2 * GAP :], coloured[height // 4 : height // 3]
    assert lower[:, 40].any() and lower[:, -30].any()
    assert upper[:, -30].any() and not upper[:, 200].any()
