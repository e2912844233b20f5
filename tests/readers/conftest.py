"""Small folders of data, and the sentence with which a reader refuses one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.readers import read_captions


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """`folder({"a.json": {…}, "b.txt": "…"}, ["images/1.jpg"])`: a folder with these files and empty pictures."""

    def write(files: Mapping[str, Any], pictures: Iterable[str] = ()) -> Path:
        for name, content in {**files, **dict.fromkeys(pictures, b"")}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, str | bytes) else json.dumps(content)
            path.write_bytes(text.encode() if isinstance(text, str) else text)
        return tmp_path

    return write


@pytest.fixture
def refusal() -> Callable[..., str]:
    """`refusal(path)`: the one line that `read_captions` raises, with the path of the data taken out."""

    def read(path: Path, **options: Any) -> str:
        with pytest.raises(InputError) as caught:
            read_captions(path, **options)
        message = str(caught.value).replace(f"{path}/", "")
        assert "\n" not in message
        assert "Received: " in message
        return message

    return read
