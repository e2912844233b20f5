"""Extracts features of pictures' regions into a store."""

from __future__ import annotations

from dataclasses import dataclass

import mmtoolkit as mm
from mmtoolkit.cli.command import progress_bar, run, shown, tell, warn
from mmtoolkit.cli.model_options import Encoder
from mmtoolkit.cli.options import Images
from mmtoolkit.cli.ranges import Count
from mmtoolkit.startup import start_tensorflow


@dataclass(frozen=True, kw_only=True)
class Options(Images, Encoder):
    """The options of `mmtoolkit features`.

    Args:
        encoder: The name of a network of keras.applications.
        batch_size: Pictures per forward pass.
    """

    encoder: str = "vgg19"
    encoder_weights: str = "imagenet"
    batch_size: Count = 16


def main(options: Options) -> int:
    """Extracts features of pictures' regions into a store.

    Pictures that are stored already are skipped, so a stopped run can be repeated. Prints the store's folder.
    """
    paths = mm.find_images(options.images, warn=warn)
    start_tensorflow()
    from mmtoolkit.backbones import Backbone
    from mmtoolkit.vision import extractor_key, load_extractor, open_store

    network = Backbone.named(options.encoder, layer=options.layer, image_size=options.image_size).network
    key = extractor_key(options.encoder_weights, network=network, precision=options.precision)
    store, bar = open_store(key, options.features), progress_bar("features")
    failures = store.add(paths, lambda: load_extractor(key), batch_size=options.batch_size, progress=bar)
    for path, reason in failures.items():
        tell(shown(f"error: {path} cannot be read ({reason})"))
    print(store.folder)
    return 1 if failures else 0


if __name__ == "__main__":
    run(main)
