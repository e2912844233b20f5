"""HTML pages that open offline on any device: their frame, their style sheet, and their fixed words."""

from mmtoolkit.html.fixed_words import Words
from mmtoolkit.html.page import contents, escape, inlined, jpeg, page, sections, table, thumbnail

__all__ = [
    "Words",
    "contents",
    "escape",
    "inlined",
    "jpeg",
    "page",
    "sections",
    "table",
    "thumbnail",
]
