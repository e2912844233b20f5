"""Loads TensorFlow quietly, and for a job with the settings that suit the machine."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from mmtoolkit.machine import suited

LOG_LEVEL, QUIET = "TF_CPP_MIN_LOG_LEVEL", "3"


def start_tensorflow() -> None:
    """Loads TensorFlow with the settings that suit the machine, without its start-up notes, which drown other lines."""
    os.environ.update(suited(os.environ))
    with quiet_tensorflow():
        import tensorflow

        tensorflow.constant(0)  # finds the devices


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Turns away the start-up notes of TensorFlow, where it is loaded inside of this.

    They are written below Python, before the log level counts, so the file descriptor itself is turned away meanwhile.
    Whoever sets `TF_CPP_MIN_LOG_LEVEL` below 3 sees what they asked for. What fails still raises.
    """
    if os.environ.setdefault(LOG_LEVEL, QUIET) != QUIET:
        yield
        return
    with _no_stderr():
        yield
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].get_logger().setLevel("ERROR")


@contextlib.contextmanager
def _no_stderr() -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # a process without one
        yield
        return
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
