"""Extracts VGG19 region features of pictures into a store."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import tyro

import mmtoolkit as mm
from mmtoolkit.pipelines.command import progress_bar, run, start_tensorflow, tell


def main(
    images: tyro.conf.Positional[list[Path]],
    *,
    features: Path | None = None,
    vgg19_weights: str = "imagenet",
    layer: Literal["block5_conv4", "block5_pool", "fc2"] = "block5_conv4",
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    batch_size: int = 16,
) -> int:
    """Extracts VGG19 features of pictures into a store.

    What is stored already is not done again, so a stopped run goes on where it was. Prints the store's folder.

    Args:
        images: Picture files, or folders of them.
        features: Folder of the feature store; in the cache by default.
        vgg19_weights: imagenet, the path of a weights file, or random.
        layer: block5_conv4 gives 196 regions of 512 features, block5_pool as many of a picture twice as large, fc2 one
            vector of 4,096 (weights with the top).
        precision: auto is bfloat16 where the processor has it.
        batch_size: Pictures a forward pass.
    """
    if batch_size < 1:
        raise mm.InputError(f"--batch-size expects 1 or more. Received: {batch_size}.")
    paths = mm.find_images(images)
    start_tensorflow()
    from mmtoolkit.vision import extractor_key, load_extractor, open_store

    key = extractor_key(vgg19_weights, precision=precision, layer=layer)
    store = open_store(key, features)
    failures = store.add(paths, lambda: load_extractor(key), batch_size=batch_size, progress=progress_bar("features"))
    for path, reason in failures.items():
        tell(f"error: {path} cannot be read ({reason})")
    print(store.folder)
    return 1 if failures else 0


if __name__ == "__main__":
    run(main)
