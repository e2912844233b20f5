"""Extracts VGG19 region features of pictures into a store."""

from __future__ import annotations

from dataclasses import dataclass

import mmtoolkit as mm
from mmtoolkit.cli.command import progress_bar, run, shown, tell, warn
from mmtoolkit.cli.model_options import VGG19
from mmtoolkit.cli.options import Images
from mmtoolkit.cli.ranges import Count
from mmtoolkit.startup import start_tensorflow


@dataclass(frozen=True, kw_only=True)
class Options(Images, VGG19):
    """The options of `mmtoolkit features`.

    Args:
        batch_size: Pictures per forward pass.
    """

    vgg19_weights: str = "imagenet"
    batch_size: Count = 16


def main(options: Options) -> int:
    """Extracts VGG19 features of pictures into a store.

    Pictures that are stored already are skipped, so a stopped run can be repeated. Prints the store's folder.
    """
    paths = mm.find_images(options.images, warn=warn)
    start_tensorflow()
    from mmtoolkit.vision import extractor_key, load_extractor, open_store

    key = extractor_key(options.vgg19_weights, precision=options.precision, layer=options.layer)
    store, bar = open_store(key, options.features), progress_bar("features")
    failures = store.add(paths, lambda: load_extractor(key), batch_size=options.batch_size, progress=bar)
    for path, reason in failures.items():
        tell(shown(f"error: {path} cannot be read ({reason})"))
    print(store.folder)
    return 1 if failures else 0


if __name__ == "__main__":
    run(main)
