"""Reads published JSON files of captions: COCO captions, and Karpathy's splits of Flickr8k, Flickr30k and COCO."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mmtoolkit.errors import InputError
from mmtoolkit.readers.faults import Fault, OnFault
from mmtoolkit.readers.rows import Row, place_phrase, rows_of, unit_of, wrong_field
from mmtoolkit.readers.splits import SPLIT_NAMES

COCO_NAME = re.compile(r"captions_(train|val|test)(\d*)\.json")
KINDS = {str: "a string", list: "a list", int: "a whole number"}


def is_published(content: Any) -> bool:
    """Checks whether a JSON file lists images as COCO does, or with sentences as Karpathy's files do."""
    images = content.get("images") if isinstance(content, dict) else None
    with_sentences = isinstance(images, list) and any(isinstance(each, dict) and "sentences" in each for each in images)
    return with_sentences or (images is not None and "annotations" in content)


def json_captions(path: Path, content: Any, on_fault: OnFault) -> Iterator[Row]:
    """Yields the rows of a published JSON file; its content, not its name, distinguishes COCO from Karpathy.

    Raises:
        InputError: It has neither form.
    """
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: expected an object with 'images'. Received: {content!r:.60}. Name another file, or write "
            'captions.jsonl with {"image": "1.jpg", "caption": "a dog"} and the like on each line.'
        )
    names = ("images", "annotations") if "annotations" in content else ("images",)
    for name in names:
        if not isinstance(content.get(name), list):
            raise InputError(f"{path}: {wrong_field(name, 'a list', content, 'file')}")
    captions = coco_captions if "annotations" in content else karpathy_captions
    return captions(path, content, on_fault)


def coco_captions(path: Path, content: dict[str, Any], on_fault: OnFault) -> Iterator[Row]:
    """Yields rows of COCO captions: `images` with `id`, `file_name`; `annotations` with `image_id`, `caption`.

    Source: the data format of the COCO captioning challenge, https://cocodataset.org/#format-data.
    """
    split = split_in(path.name)
    images = coco_images(path, content["images"], on_fault)
    lacking = dict(images)

    def annotation_rows(source: str, annotation: Any) -> Iterator[Row]:
        image_id = str(field(source, annotation, "image_id", int, str))
        if image_id not in images:
            message = f"expected the id of one of the images. Received: image_id {image_id}. Correct or delete it."
            raise Fault(source, message)
        _, name = images[image_id]
        caption = field(source, annotation, "caption", str, image=name)
        row_id = str(field(source, annotation, "id", int, str, image=name)) if "id" in annotation else None
        lacking.pop(image_id, None)
        yield Row(source, name, caption.strip(), split, row_id, image_id)

    yield from rows_of(items(f"{path}:annotations", content["annotations"]), annotation_rows, on_fault)
    for source, name in lacking.values():
        on_fault(Fault(source, f"expected captions of {name!r}. Received: none. Add one or delete the image.", name))


def coco_images(path: Path, images: list[Any], on_fault: OnFault) -> dict[str, tuple[str, str]]:
    """Returns the place and the file name of each image of a COCO file, by its id."""
    known: dict[str, tuple[str, str]] = {}
    for source, image in items(f"{path}:images", images):
        try:
            image_id = str(field(source, image, "id", int, str))
            name = field(source, image, "file_name", str).strip()
            first, _ = known.setdefault(image_id, (source, name))
            if first != source:
                message = f"expected every id once. Received: {image_id!r}, also {place_phrase(first)}. Rename one."
                raise Fault(source, message, name)
        except Fault as fault:
            on_fault(fault)
    return known


def split_in(name: str) -> str | None:
    """Returns the split in the name of a COCO file.

    Example:
        >>> split_in("captions_val2014.json"), split_in("captions.json")
        ('valid', None)
    """
    match = COCO_NAME.fullmatch(name)
    return SPLIT_NAMES[match[1]] if match else None


def karpathy_captions(path: Path, content: dict[str, Any], on_fault: OnFault) -> Iterator[Row]:
    """Yields rows of Karpathy's form: `images` with `filename`, `split` and `sentences`, captions in `raw`.

    The images of COCO go by their `cocoid`, as in COCO's own files; the split `restval` is for training.

    Source: Karpathy and Fei-Fei 2015, Deep Visual-Semantic Alignments; https://cs.stanford.edu/people/karpathy/deepimagesent.
    """
    seen: dict[str, str] = {}
    for source, image in items(f"{path}:images", content["images"]):
        try:
            picture = karpathy_picture(source, image)
            name = picture.image_id or picture.image
            if (first := seen.setdefault(name, source)) != source:
                message = f"expected every picture once. Received: {name!r}, also {place_phrase(first)}. Delete one."
                raise Fault(source, message, picture.image)
        except Fault as fault:
            on_fault(fault)
        else:
            yield from rows_of(
                items(f"{source}.sentences", image["sentences"]), partial(sentence_rows, picture), on_fault
            )


def karpathy_picture(source: str, image: Any) -> Row:
    """Returns the fields that the rows of one of Karpathy's images share.

    Raises:
        Fault: A field is missing or wrong, `sentences` too.
    """
    name = field(source, image, "filename", str).strip()
    folder = field(source, image, "filepath", str, image=name).strip() if "filepath" in image else ""
    split = field(source, image, "split", str, image=name)
    image_id = str(field(source, image, "cocoid", int, str, image=name)) if "cocoid" in image else None
    if not field(source, image, "sentences", list, image=name):
        raise Fault(source, f"expected captions of {name!r}. Received: none. Add one or delete the image.", name)
    path = f"{folder}/{name}" if folder and name else name
    return Row(source, path, "", {"restval": "train"}.get(split, split), image_id=image_id)


def sentence_rows(picture: Row, source: str, sentence: Any) -> Iterator[Row]:
    """Converts one of Karpathy's sentences."""
    caption = field(source, sentence, "raw", str, image=picture.image).strip()
    row_id = str(field(source, sentence, "sentid", int, str, image=picture.image)) if "sentid" in sentence else None
    yield picture._replace(source=source, caption=caption, id=row_id)


def items(source: str, values: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yields the values of a list in a JSON file, each with its place, counted from 0."""
    return ((f"{source}[{number}]", value) for number, value in enumerate(values))


def field(source: str, item: Any, name: str, *kinds: type, image: str = "") -> Any:
    """Returns the value of a field of an object in a JSON file.

    Raises:
        Fault: The item is no object, lacks the field, or has a value of another type there.
    """
    if not isinstance(item, dict):
        raise Fault(source, f"expected an object. Received: {item!r:.60}. Correct the item.", image)
    value = item.get(name)
    if not isinstance(value, kinds) or isinstance(value, bool):
        kind = " or ".join(KINDS[kind] for kind in kinds)
        raise Fault(source, wrong_field(name, kind, item, unit_of(source)), image)
    return value
