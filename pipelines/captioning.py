"""What the captioning jobs share: loading a preset, its search, its pictures, and drawing where it looks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mmtoolkit as mm
from mmtoolkit.pipelines.command import check_seed, progress_bar, tell
from mmtoolkit.readers import Fault, OnError, left_out

if TYPE_CHECKING:
    from mmtoolkit.vision import ExtractorKey, ImageSource


def load_captioner(preset: str, vgg19_weights: str | None) -> mm.Captioner:
    """Loads a captioner with the VGG19 weights that are given, or its own, or where these are not there the published.

    Raises:
        mm.InputError: The preset cannot be loaded, weights are given for one that has a CNN of its own, or there are
            none and they cannot be downloaded.
    """
    from mmtoolkit.vision import extractor_key, has_weights

    captioner: mm.Captioner = mm.Captioner.from_preset(preset)
    if vgg19_weights is None and (captioner.extractor is None or has_weights(captioner.extractor)):
        return captioner
    if captioner.extractor is None:
        raise mm.InputError(
            f"--vgg19-weights is for presets that see through VGG19. Received: {preset}, which has a CNN of its own; "
            "leave the option out."
        )
    own = captioner.extractor
    try:
        key = extractor_key(vgg19_weights or "imagenet", precision=own.precision, layer=own.layer)
    except mm.InputError as error:
        raise mm.InputError(f"{error} This preset's own file has the SHA-256 {own.weights[:16]}….") from error
    if key.weights != own.weights:
        taken = vgg19_weights or "the published file, which stands in,"
        tell(f"warning: {taken} is not the VGG19 file of this preset; its captions may differ")
    captioner.extractor = key
    return captioner


def search(
    captioner: mm.Captioner,
    *,
    n_best: int = 1,
    beam: int | None = None,
    length_penalty: float | None = None,
    groups: int | None = None,
    diversity: float | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
) -> mm.BeamSearch | mm.Sample:
    """The preset's own search with the options that were given; those of sampling make it a draw.

    Raises:
        mm.InputError: Options of both kinds are given, one is out of its range, or one that would do nothing.
    """
    check_seed(seed)
    beams = given(beam=beam, length_penalty=length_penalty, groups=groups, diversity=diversity)
    draws = given(temperature=temperature, top_k=top_k, top_p=top_p)
    if draws and beams:
        raise mm.InputError(
            f"{options(draws)} draws words, {options(beams)} searches for them. Received: both; leave one out."
        )
    default = captioner.decoding
    if draws or (isinstance(default, mm.Sample) and not beams):
        import keras

        base = default if isinstance(default, mm.Sample) else mm.Sample()
        return dataclasses.replace(base, **draws, n_best=n_best, seed=keras.random.SeedGenerator(seed or 0))
    if seed is not None:
        raise mm.InputError(f"--seed is for draws. Received: --seed {seed}; add --temperature, --top-k or --top-p.")
    base = default if isinstance(default, mm.BeamSearch) else mm.BeamSearch(width=1)
    per_group = groups or base.groups
    if diversity is not None and per_group == 1:
        raise mm.InputError(f"--diversity keeps groups apart. Received: --diversity {diversity}; add --groups.")
    wide_enough = -(-max(base.width, n_best) // per_group) * per_group  # and the same for every group
    width = wide_enough if beam is None else beam
    changes = {name: value for name, value in beams.items() if name != "beam"}
    return dataclasses.replace(base, **changes, width=width, n_best=n_best)


def given(**values: Any) -> dict[str, Any]:
    """The options that are not left out."""
    return {name: value for name, value in values.items() if value is not None}


def options(names: Iterable[str]) -> str:
    """Options as a person types them.

    Example:
        >>> options(["beam", "length_penalty"])
        '--beam with --length-penalty'
    """
    return " with ".join(f"--{name.replace('_', '-')}" for name in names)


def image_source(
    key: ExtractorKey | None,
    size: int,
    records: Sequence[mm.CaptionRecord],
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

    images = [record.image for record in records]
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
    unreadable = [record for record in records if record.image in failures]
    return source, [picture_fault(record, failures[record.image]) for record in unreadable]


def picture_fault(record: mm.CaptionRecord, why: str) -> Fault:
    """A picture that is there and cannot be read."""
    reason = f"expected a picture that can be read. Received: {record.image} ({why}). Replace it or leave it out."
    return Fault(record.source, reason, str(record.image))


def readable(records: Sequence[mm.CaptionRecord], faults: Sequence[Fault]) -> list[mm.CaptionRecord]:
    """The records whose pictures have no fault."""
    unreadable = {fault.image for fault in faults}
    return [record for record in records if str(record.image) not in unreadable]


def tell_left_out(faults: Sequence[Fault]) -> None:
    """Says how many rows and pictures are left out, and names the first ones."""
    if faults:
        tell(f"warning: {left_out(faults)}")


def draw_attention(captioner: mm.Captioner, path: Path, inputs: dict[str, Any], caption: str, target: Path) -> None:
    """Writes the picture once per word with the attention over it."""
    from mmtoolkit.evaluation import attention_sheet

    (alignments,) = captioner.attend(inputs, [caption])
    attention_sheet(captioner, path, caption, alignments).save(target)
