"""HTML pages that open offline on any device: their frame, their style sheet, and their fixed words."""

from mmtoolkit.html.bars import bars, shares
from mmtoolkit.html.fixed_words import Words
from mmtoolkit.html.page import contents, escape, inlined, jpeg, page, sections, table, thumbnail

__all__ = [
    "Words",
    "bars",
    "contents",
    "escape",
    "inlined",
    "jpeg",
    "page",
    "sections",
    "shares",
    "table",
    "thumbnail",
]
