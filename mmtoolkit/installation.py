"""Tells how the package was installed, for messages that ask for more of it."""

from __future__ import annotations

import functools
import json
from importlib.metadata import distributions

DISTRIBUTION = "mmtoolkit-keras"  # on the package index; `mmtoolkit` there is another project


def install_command(extra: str) -> str:
    """Returns the command that installs an extra, for the way in which this package was installed.

    Example:
        >>> install_command("plots")  # in a checkout
        "pip install '.[plots]'"

    Args:
        extra: One of the extras of `setup.py`.
    """
    return f"pip install '{'.' if is_checkout() else DISTRIBUTION}[{extra}]'"


@functools.cache
def is_checkout() -> bool:
    """Checks whether the package was installed from a folder, or not at all; pip notes it in `direct_url.json`.

    A build leaves metadata without that note in the checkout, which Python finds first where it was started there.
    """
    found = tuple(distributions(name=DISTRIBUTION))
    notes = (one.read_text("direct_url.json") for one in found)
    return not found or any(note is not None and "dir_info" in json.loads(note) for note in notes)
