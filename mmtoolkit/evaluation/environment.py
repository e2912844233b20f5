"""What a result depends on besides the data."""

from __future__ import annotations

import importlib.metadata
import platform

import keras

from mmtoolkit import __version__


def versions() -> dict[str, str]:
    """Returns what a result depends on: the packages' versions and the machine."""
    packages = ("tensorflow", "keras", "tensorflow-text", "gensim", "numpy", "pillow")
    found = {"python": platform.python_version(), "machine": platform.machine(), "backend": keras.backend.backend()}
    found["mmtoolkit"] = __version__
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
