"""Chooses fonts that have the characters of a text, among those of the packages and of the system."""

from __future__ import annotations

import functools
import importlib.util
import sys
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import ImageFont

from mmtoolkit.installation import install_command

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

PACKAGED = (("koreanize_matplotlib", "fonts/NanumGothic.ttf"), ("matplotlib", "mpl-data/fonts/ttf/DejaVuSans.ttf"))
FOLDERS = {
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
    "win32": ("C:/Windows/Fonts", "~/AppData/Local/Microsoft/Windows/Fonts"),
}
LINUX_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
SUFFIXES = (".ttf", ".otf", ".ttc")
TRIED_SIZE = 20
NO_CHARACTER = "\U0010ffff"  # what a font draws for it is its sign for a missing one


def font(size: int, text: str = "") -> Font:
    """Returns the first font that has all characters of a text, or else the one that lacks the fewest.

    Fonts of the extra `plots` come first: NanumGothic, which has Hangul, then DejaVu Sans; then those of the system,
    and Pillow's own.

    Example:
        >>> font(20, "a dog").getlength("a dog") > 0
        True

    Args:
        size: In pixels.
        text: What is to be drawn.
    """
    return loaded(best_font("".join(sorted(set(text)))), size)


def warn_of_boxes(text: str) -> None:
    """Warns of the characters of a text that no font has, and that are drawn as boxes."""
    letters = "".join(sorted(set(text)))
    if missing := lacking(best_font(letters), letters):
        warnings.warn(
            f"no font of this machine has all of {text!r}: {' '.join(missing)} is drawn as boxes; "
            f"{install_command('plots')} brings Hangul and the letters of Europe, other scripts need a font of the "
            "system, e.g. Noto Sans",
            stacklevel=3,
        )


@functools.lru_cache(maxsize=4096)
def best_font(letters: str) -> str | None:
    """Returns the path of the best font for some characters, `None` for Pillow's own."""
    best, fewest = None, None
    for path in font_files():
        count = len(lacking(path, letters))
        if fewest is None or count < fewest:
            best, fewest = path, count
        if count == 0:
            break
    return best


def font_files() -> Iterator[str | None]:
    """Yields the paths of all fonts, in the order in which they are tried."""
    for package, name in PACKAGED:
        found = importlib.util.find_spec(package)  # found, not imported: importing changes matplotlib
        for folder in (found.submodule_search_locations or []) if found else []:
            if (path := Path(folder) / name).is_file():
                yield str(path)
    yield None
    yield from system_fonts()


@functools.cache
def system_fonts() -> tuple[str, ...]:
    """Lists the font files in the folders where systems have them."""
    folders = (Path(folder).expanduser() for folder in FOLDERS.get(sys.platform, LINUX_FOLDERS))
    files = (path for folder in folders for path in sorted(folder.rglob("*")))
    return tuple(str(path) for path in files if path.suffix.lower() in SUFFIXES)


def lacking(path: str | None, letters: str) -> str:
    """Returns the characters that a font lacks; all if it cannot be opened."""
    try:
        tried = loaded(path, TRIED_SIZE)
    except OSError:
        return letters
    empty = drawn(NO_CHARACTER, tried)
    unseen = ("Cf", "Zs", "Cc")  # joiners, spaces and line ends have no glyph
    return "".join(
        letter for letter in letters if unicodedata.category(letter) not in unseen and drawn(letter, tried) == empty
    )


@functools.lru_cache(maxsize=64)
def loaded(path: str | None, size: int) -> Font:
    """Loads a font at a size."""
    return ImageFont.load_default(size) if path is None else ImageFont.truetype(path, size)


def drawn(letter: str, font: Font) -> tuple[tuple[int, int], bytes]:
    """Returns the size and the pixels of a character."""
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


def is_right_to_left(text: str) -> bool:
    """Checks whether the first letter of a text is of a script that is written from right to left."""
    strong = (kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", "R", "AL"))
    return next(strong, "L") != "L"
