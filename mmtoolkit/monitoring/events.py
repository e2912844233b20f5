"""Writes events of a training for TensorBoard with TensorFlow alone: the package tensorboard only shows them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import tensorflow as tf
from PIL import Image

# How TensorBoard's plugins know their own records (the field data_class of tensorflow/core/framework/summary.proto)
SCALAR, TENSOR, BLOBS = 1, 2, 3


class Events:
    """Writes numbers, texts and pictures into a folder for `tensorboard --logdir FOLDER`.

    `tf.summary.scalar` and `keras.callbacks.TensorBoard` need the package tensorboard, which TensorFlow no longer
    brings; `tf.summary.write` does not.

    Example:
        >>> events = Events(Path("runs/a/logs"))
        >>> events.scalar("train/loss", 2.31, step=50)
        >>> events.text("samples/captions", "a dog runs", step=1)

    Args:
        folder: Folder of the files, beside those of an earlier part of the same run.
    """

    def __init__(self, folder: Path) -> None:
        self.writer = tf.summary.create_file_writer(str(folder))

    def scalar(self, name: str, value: float, *, step: int) -> None:
        """Writes one point of a curve."""
        self._write(name, tf.constant(value, tf.float32), step, "scalars", SCALAR)

    def text(self, name: str, text: str, *, step: int) -> None:
        """Writes a text with its lines as they are (TensorBoard reads Markdown, but shows indented lines unchanged)."""
        indented = "\n".join(f"    {line}" for line in text.splitlines())
        self._write(name, tf.constant([indented]), step, "text", TENSOR)

    def picture(self, name: str, picture: Image.Image, *, step: int) -> None:
        """Writes a picture."""
        png = io.BytesIO()
        picture.save(png, "PNG")
        fields = [str(picture.width), str(picture.height), png.getvalue()]
        self._write(name, tf.constant(fields), step, "images", BLOBS)

    def _write(self, name: str, value: Any, step: int, plugin: str, kind: int) -> None:
        metadata = tf.compat.v1.SummaryMetadata(data_class=kind)
        metadata.plugin_data.plugin_name = plugin
        with self.writer.as_default():
            tf.summary.write(name, value, step=step, metadata=metadata)

    def flush(self) -> None:
        """Flushes what has been written so far to the disk."""
        self.writer.flush()

    def close(self) -> None:
        """Closes the file: Windows cannot move one that is open."""
        self.writer.close()
