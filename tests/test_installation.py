"""Which installation command a message gives, for packages of three kinds as `importlib.metadata` finds them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmtoolkit.installation import DISTRIBUTION, install_command, is_checkout

CHECKOUT, INDEX = "pip install '.[plots]'", f"pip install '{DISTRIBUTION}[plots]'"
EDITABLE = '{"dir_info": {"editable": true}, "url": "file:///code/mmtoolkit"}'
ARCHIVE = '{"archive_info": {}, "url": "https://example.org/mmtoolkit.whl"}'


@pytest.fixture(autouse=True)
def asked_again() -> Iterator[None]:
    """Forgets what was found, before and after."""
    is_checkout.cache_clear()
    yield
    is_checkout.cache_clear()


def site(folder: Path, note: str | None) -> str:
    """A folder of `sys.path` with the metadata of one installation."""
    metadata = folder / f"{DISTRIBUTION.replace('-', '_')}-0.9.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: 0.9.0\n")
    if note is not None:
        (metadata / "direct_url.json").write_text(note)
    return str(folder)


@pytest.mark.parametrize(
    ("notes", "command"),
    [
        ([], CHECKOUT),  # not installed: run from a clone
        ([EDITABLE], CHECKOUT),
        ([None], INDEX),
        ([ARCHIVE], INDEX),
        ([None, EDITABLE], CHECKOUT),  # started in a clone, where a build left metadata without a note
    ],
)
def test_the_command(notes, command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [site(tmp_path / str(number), note) for number, note in enumerate(notes)])
    assert install_command("plots") == command
