"""What the jobs that look at pictures share: loading a preset, its pictures, and drawing where it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import mmtoolkit as mm
from mmtoolkit.cli.command import progress_bar, tell
from mmtoolkit.pipelines.captioning import options
from mmtoolkit.pipelines.runs import TWIN
from mmtoolkit.readers import Fault, OnError, left_out

if TYPE_CHECKING:
    from mmtoolkit.vision import ExtractorKey, ImageSource

RecordT = TypeVar("RecordT", mm.CaptionRecord, mm.QuestionRecord)


def load_model(preset: str, vgg19_weights: str | None) -> Any:
    """Loads a captioner or a question-answerer, by what its preset says it is.

    It gets the VGG19 weights that are given, or its own, or where these are not there the published.

    Raises:
        mm.InputError: The preset cannot be loaded, weights are given for one that does not see through VGG19, or there
            are none and they cannot be downloaded.
    """
    from mmtoolkit.presets import read_preset
    from mmtoolkit.vision import extractor_key, has_weights

    kinds: dict[str, Any] = {"Captioner": mm.Captioner, "VisualQA": mm.VisualQA}
    name = read_preset(preset).config.get("class")
    if name not in kinds:
        raise mm.InputError(f"Expected a preset of {' or '.join(kinds)}. Received: {preset}, of {name}; name another.")
    model = kinds[name].from_preset(preset)
    if getattr(model, "question_only", False):
        return model
    if vgg19_weights is None and (model.extractor is None or has_weights(model.extractor)):
        return model
    if model.extractor is None:
        raise mm.InputError(
            f"--vgg19-weights is for presets that see through VGG19. Received: {preset}, which does not; "
            "leave the option out."
        )
    own = model.extractor
    try:
        key = extractor_key(vgg19_weights or "imagenet", precision=own.precision, layer=own.layer)
    except mm.InputError as error:
        raise mm.InputError(f"{error} This preset's own file has the SHA-256 {own.weights[:16]}….") from error
    if key.weights != own.weights:
        taken = vgg19_weights or "the published file, which stands in,"
        tell(f"warning: {taken} is not the VGG19 file of this preset; what it says may differ")
    model.extractor = key
    return model


def load_twin(preset: str) -> mm.VisualQA | None:
    """The question-only twin that a preset of a question-answerer has in it, or nothing."""
    from mmtoolkit.presets import find_preset

    folder = find_preset(preset) / TWIN
    return mm.VisualQA.from_preset(folder) if folder.is_dir() else None


def pictures_for(
    model: Any, records: Sequence[Any], *, features: Path | None, on_error: OnError
) -> tuple[ImageSource | None, list[Fault]]:
    """As `image_source`, for a model, which may read questions only and need none."""
    if getattr(model, "question_only", False):
        return None, []
    return image_source(model.extractor, model.image_size, records, features=features, on_error=on_error)


def image_source(
    key: ExtractorKey | None,
    size: int,
    records: Sequence[mm.CaptionRecord | mm.QuestionRecord],
    *,
    features: Path | None,
    on_error: OnError,
) -> tuple[ImageSource, list[Fault]]:
    """Stored regions of all the pictures for a model that sees through VGG19, else the pictures themselves.

    Returns:
        The source, and a fault for each picture that cannot be read and that the source lacks.

    Raises:
        mm.InputError: Some pictures cannot be read, and `on_error` is `fail`.
    """
    from mmtoolkit.vision import UnreadablePictures, decoded_pictures, stored_regions

    first = {record.image: record for record in reversed(records)}
    images = list(dict.fromkeys(record.image for record in records))
    failures: dict[Path, str] = {}
    leave_out = None if on_error == "fail" else failures.__setitem__
    source: ImageSource
    try:
        if key is None:
            source = decoded_pictures(size, images, progress=progress_bar("pictures"), leave_out=leave_out)
        else:
            bar = progress_bar("features")
            source = stored_regions(key, images, folder=features, progress=bar, leave_out=leave_out)
    except UnreadablePictures as error:
        raise mm.InputError(f"{error} --on-error skip leaves them out.") from error
    return source, [picture_fault(first[image], failures[image]) for image in images if image in failures]


def picture_fault(record: mm.CaptionRecord | mm.QuestionRecord, why: str) -> Fault:
    """A picture that is there and cannot be read."""
    reason = f"expected a picture that can be read. Received: {record.image} ({why}). Replace it or leave it out."
    return Fault(record.source, reason, str(record.image), "unreadable", whole=True)


def readable(records: Sequence[RecordT], faults: Sequence[Fault]) -> list[RecordT]:
    """The records whose pictures have no fault."""
    unreadable = {fault.image for fault in faults}
    return [record for record in records if str(record.image) not in unreadable]


def tell_left_out(faults: Sequence[Fault]) -> None:
    """Says how many rows and pictures are left out, and names the first ones."""
    if faults:
        tell(f"warning: {left_out(faults)}")


def check_answerer(preset: str, searches: Mapping[str, Any]) -> None:
    """Refuses the options of a captioner's search for a preset that answers questions."""
    if given := [name for name, value in searches.items() if value is not None]:
        raise mm.InputError(
            f"{options(given)} is for captioners. Received: {preset}, which answers questions; leave it out."
        )


def draw_attention(
    model: Any, path: Path, inputs: dict[str, Any], text: str, target: Path, *, question: str | None = None
) -> None:
    """Writes the picture once per word of a caption, or per look for an answer, with the attention over it."""
    from mmtoolkit.evaluation import answer_sheet, attention_sheet

    if question is None:
        (attention_weights,) = model.attention_weights(inputs, [text])
        attention_sheet(model, path, text, attention_weights).save(target)
    else:
        (attention_weights,) = model.attention_weights(inputs)
        answer_sheet(model, path, question, text, attention_weights).save(target)
