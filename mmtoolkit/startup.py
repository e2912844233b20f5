"""Loads TensorFlow for a job: with the settings that suit the machine, and quietly."""

from __future__ import annotations

import os
import sys

from mmtoolkit.machine import suited

LOG_LEVEL, QUIET = "TF_CPP_MIN_LOG_LEVEL", "3"


def start_tensorflow() -> None:
    """Loads TensorFlow with the settings that suit the machine, without its start-up notes, which drown other lines.

    They are written below Python, before the log level counts, so the file descriptor itself is turned away meanwhile.
    Whoever sets `TF_CPP_MIN_LOG_LEVEL` below 3 sees what they asked for. What fails still raises.
    """
    os.environ.update(suited(os.environ))
    if os.environ.setdefault(LOG_LEVEL, QUIET) != QUIET:
        return
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import tensorflow

        tensorflow.constant(0)  # finds the devices
        tensorflow.get_logger().setLevel("ERROR")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
