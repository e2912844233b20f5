"""Adapts the pages, which are written for GitHub too, to the site."""

import re
from typing import Any


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Removes the line that leads to a page's other language, for which the site has a menu."""
    return re.sub(r"^(한국어|English): \[\S+\]\(\S+\)\n", "", markdown, count=1, flags=re.M)
