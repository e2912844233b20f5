"""What the captioning jobs share: loading a preset, its search, its pictures, and drawing where it looks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mmtoolkit as mm
from mmtoolkit.pipelines.command import progress_bar, tell

if TYPE_CHECKING:
    from mmtoolkit.vision import ExtractorKey, ImageSource


def load_captioner(preset: str, vgg19_weights: str | None) -> mm.Captioner:
    """Loads a captioner, and takes the given VGG19 weights in place of the preset's own; others are warned about.

    Raises:
        mm.InputError: The preset cannot be loaded, or weights are given for one that has a CNN of its own.
    """
    captioner: mm.Captioner = mm.Captioner.from_preset(preset)
    if vgg19_weights is None:
        return captioner
    if captioner.extractor is None:
        raise mm.InputError(
            f"--vgg19-weights is for presets that see through VGG19. Received: {preset}, which has a CNN of its own; "
            "leave the option out."
        )
    from mmtoolkit.vision import extractor_key

    given = extractor_key(vgg19_weights, precision=captioner.extractor.precision)
    if given.weights != captioner.extractor.weights:
        tell(f"warning: {vgg19_weights} is not the VGG19 file of this preset; expect worse captions")
    captioner.extractor = given
    return captioner


def search(
    captioner: mm.Captioner, *, beam: int | None, n_best: int = 1, length_penalty: float | None
) -> mm.BeamSearch:
    """The preset's default search with the options that were given."""
    default = captioner.decoding if isinstance(captioner.decoding, mm.BeamSearch) else mm.BeamSearch(width=1)
    width = max(default.width, n_best) if beam is None else beam
    penalty = default.length_penalty if length_penalty is None else length_penalty
    return dataclasses.replace(default, width=width, n_best=n_best, length_penalty=penalty)


def image_source(key: ExtractorKey | None, size: int, images: Sequence[Path], features: Path | None) -> ImageSource:
    """Stored regions of all the pictures for a model that sees through VGG19, else the pictures themselves.

    Raises:
        mm.InputError: Some pictures cannot be read.
    """
    from mmtoolkit.vision import decoded_pictures, stored_regions

    if key is None:
        return decoded_pictures(size, images, progress=progress_bar("pictures"))
    return stored_regions(key, images, folder=features, progress=progress_bar("features"))


def draw_attention(captioner: mm.Captioner, path: Path, inputs: dict[str, Any], caption: str, target: Path) -> None:
    """Writes the picture once per word with the attention over it."""
    from mmtoolkit.evaluation import attention_sheet

    (alignments,) = captioner.attend(inputs, [caption])
    attention_sheet(captioner, path, caption, alignments).save(target)
