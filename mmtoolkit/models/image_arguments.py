"""Takes pictures in every form that a person has them in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmtoolkit.errors import InputError
from mmtoolkit.readers import find_images

Picture = str | os.PathLike[str] | bytes | Image.Image | np.ndarray
Pictures = Picture | Iterable[Picture]
ONE = "a path, bytes, a Pillow picture or an array <uint8>[height, width, 3]"


def list_images(images: Any) -> tuple[list[Any], bool]:
    """Lists pictures, and says whether there is one that was not in a list, for which a model returns one result.

    Example:
        >>> list_images(np.zeros((2, 64, 64, 3), np.uint8))[1]
        False

    Args:
        images: A picture: a path, the bytes of a file, a Pillow picture, or an array or tensor `[height, width, 3]`.
            Or several: a folder with pictures in and below it, an array `[pictures, height, width, 3]`, or a list or a
            `tf.data.Dataset` of all these.

    Raises:
        InputError: It is something else, or a folder without pictures.
    """
    if isinstance(images, str | os.PathLike):
        return of_path(os.fspath(images))
    if isinstance(images, bytes | Image.Image):
        return [images], True
    if hasattr(images, "as_numpy_iterator"):  # a tf.data.Dataset
        return [each for element in images.as_numpy_iterator() for each in of_element(element)], False
    if hasattr(images, "shape"):  # of NumPy, or a tensor
        array = np.asarray(images)
        return of_element(array), array.ndim < (1 if array.dtype.kind in "SUO" else 4)
    if isinstance(images, Mapping) or not isinstance(images, Iterable):
        raise InputError(f"Expected a picture ({ONE}), or a list of them. Received: {type(images).__name__}.")
    return [each for image in images for each in list_images(image)[0]], False


def pairs(images: Any, questions: str | Sequence[str]) -> tuple[list[Any], list[str], bool]:
    """Returns a picture for each question, the questions, and whether there is one of either alone.

    Raises:
        InputError: Their numbers differ, or one is something else.
    """
    pictures, one_picture = list_images(images)
    if not isinstance(questions, Iterable):
        raise InputError(f"Expected questions as texts. Received: {type(questions).__name__}.")
    asked, one_question = ([questions], True) if isinstance(questions, str) else (list(questions), False)
    if wrong := next((each for each in asked if not isinstance(each, str)), None):
        raise InputError(f"Expected questions as texts. Received: {type(wrong).__name__}.")
    pictures = pictures * len(asked) if one_picture else pictures
    asked = asked * len(pictures) if one_question else asked
    if len(pictures) != len(asked):
        raise InputError(
            f"expected a question for each picture. Received: {len(pictures)} pictures, {len(asked)} questions."
        )
    return pictures, asked, one_picture and one_question


def one_of_list(pictures: list[Any]) -> list[Any]:
    """Checks that there is one picture.

    Raises:
        InputError: There are none or several.
    """
    if len(pictures) != 1:
        raise InputError(f"Expected one picture. Received: {len(pictures)}; name one of them.")
    return pictures


def of_path(path: str) -> tuple[list[Any], bool]:
    """Lists the picture of a path, or those in a folder."""
    if path.lower().startswith(("http://", "https://")):
        raise InputError(f"Expected a file. Received: {path:.100}; mmtoolkit.fetch_image(…) downloads a picture.")
    folder = Path(path).is_dir()
    return (find_images([path]) if folder else [Path(path)]), not folder


def of_element(element: Any) -> list[Any]:
    """Lists the pictures in an array or an element of a dataset: paths or bytes, one picture, or a batch of them."""
    array = np.asarray(element[0] if isinstance(element, tuple) else element)  # as Keras, without the targets
    if array.dtype.kind in "SUO":
        return [each for text in array.ravel().tolist() for each in of_text(text)]
    return list(array) if array.ndim == 4 else [array]


def of_text(text: Any) -> list[Any]:
    """Lists the picture of a string of a dataset, a path or the bytes of a file."""
    if isinstance(text, bytes) and len(text) < 4096 and b"\0" not in text:
        return of_path(os.fsdecode(text))[0]
    return list_images(text)[0]
