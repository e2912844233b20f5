"""Shows what stands under `Example:` in docstrings as code, as griffe does with `Examples:` only."""

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Renames the heading before the docstrings are parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.M)
