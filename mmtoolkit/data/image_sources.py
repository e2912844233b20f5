"""Makes the source of records' images: stored features, or the decoded images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from mmtoolkit.errors import InputError
from mmtoolkit.readers import Fault, OnError
from mmtoolkit.vision import ExtractorKey, ImageSource, UnreadablePictures, decoded_pictures, stored_regions
from mmtoolkit.vision.feature_store import Progress

RecordT = TypeVar("RecordT")


def image_source(
    key: ExtractorKey | None,
    records: Sequence[Any],
    *,
    size: int,
    mirrored: Sequence[Any] = (),
    features: Path | None = None,
    on_error: OnError = "fail",
    progress: Progress | None = None,
) -> tuple[ImageSource, list[Fault]]:
    """Makes the source of all images of some records.

    Args:
        key: Key of the features' extractor; `None` for a model that reads pixels.
        records: Records with an image each.
        size: Side of the square images of a model that reads pixels.
        mirrored: Records whose images are read mirrored too.
        features: Folder of the feature store; in the cache by default.
        on_error: `"fail"` raises if images cannot be read, else they are left out.
        progress: Called with (done, total).

    Returns:
        The source, and a fault for each image that cannot be read.

    Raises:
        InputError: Some images cannot be read, and `on_error` is `"fail"`.
    """
    first = {record.image: record for record in reversed(records)}
    images = list(dict.fromkeys(record.image for record in records))
    failures: dict[Path, str] = {}
    leave_out = None if on_error == "fail" else failures.__setitem__
    source: ImageSource
    try:
        if key is None:
            source = decoded_pictures(size, images, progress=progress, leave_out=leave_out)
        else:
            twice = list(dict.fromkeys(record.image for record in mirrored))
            same: dict[str, Any] = {"folder": features, "progress": progress, "leave_out": leave_out}
            source = stored_regions(key, images, mirrored=twice, **same)
    except UnreadablePictures as error:
        raise InputError(f"{error} --on-error skip leaves them out.") from error
    return source, [unreadable(first[image], failures[image]) for image in images if image in failures]


def source_for(
    model: Any,
    records: Sequence[Any],
    *,
    features: Path | None = None,
    on_error: OnError = "fail",
    progress: Progress | None = None,
) -> tuple[ImageSource | None, list[Fault]]:
    """Makes the source of a model's images, as `image_source` does; `None` for a model without images."""
    if not model.uses_images:
        return None, []
    options: dict[str, Any] = {"features": features, "on_error": on_error, "progress": progress}
    return image_source(model.extractor, records, size=model.image_size, **options)


def unreadable(record: Any, why: str) -> Fault:
    """Makes the fault of an image that exists but cannot be read."""
    reason = f"expected a picture that can be read. Received: {record.image} ({why}). Replace it or leave it out."
    return Fault(record.source, reason, str(record.image), "unreadable", whole=True)


def readable(records: Sequence[RecordT], faults: Sequence[Fault]) -> list[RecordT]:
    """Returns the records whose images have no fault."""
    left_out = {fault.image for fault in faults}
    return [record for record in records if str(getattr(record, "image", "")) not in left_out]
