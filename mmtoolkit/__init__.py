"""mmtoolkit: pictures and sentences in, captions and answers out, on Keras.

The public names, which `__init__.pyi` lists, are loaded when first used, so that importing the package costs nothing;
TensorFlow, where one of them needs it, without its start-up notes.
"""

from __future__ import annotations

import ast
import functools
import importlib
import sys
from pathlib import Path
from typing import Any

from mmtoolkit.startup import quiet_tensorflow

__version__ = "0.1.0"


@functools.cache
def _homes() -> dict[str, str]:
    """Reads from the stub which module each public name comes from, so that no name is written twice."""
    stub = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}


def _module(name: str) -> Any:
    if name in sys.modules or "tensorflow" in sys.modules:  # whose notes are out, and who loaded it may want its log
        return importlib.import_module(name)
    with quiet_tensorflow():
        return importlib.import_module(name)


def __getattr__(name: str) -> Any:
    if name == "__all__":  # of `from mmtoolkit import *`
        return ["__version__", *_homes()]
    if name not in _homes():
        raise AttributeError(f"module 'mmtoolkit' has no attribute {name!r}")
    return getattr(_module(_homes()[name]), name)


def __dir__() -> list[str]:
    return sorted(["__version__", *_homes()])


if "keras" in sys.modules:  # so that `keras.models.load_model` finds the models' classes
    __getattr__("Model")
