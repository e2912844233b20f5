"""Seconds from a photo's file to its caption, for every kind of photo that people have, beside the usual way in Keras.

    python benchmarks/predict.py --encoder-weights imagenet [--preset runs/flickr8k/preset] [--json FILE]

The usual way: `keras.utils.load_img`, the same network in float32 through `predict`, and a beam search as a loop in
Python over the same decoder. Both run in this process, in turns, each after one photo to warm up. Without a preset
the decoder is an untrained one of 512 units and 2,500 words that writes twelve words, as many as a caption of Flickr8k.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from json import dumps
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.backbones import Backbone
from mmtoolkit.cli.command import run, tell
from mmtoolkit.errors import InputError
from mmtoolkit.vision import RegionExtractor, choose_precision
from mmtoolkit.vision.sources import weights_file

WIDTH, WORDS, VOCABULARY = 5, 12, 2500
START, END, BANNED = 1, 2, [0, 1, 3]


def main(
    *,
    preset: str | None = None,
    encoder: str = "vgg19",
    encoder_weights: str | None = None,
    photo: Path | None = None,
    rounds: int = 5,
    json: Path | None = None,
) -> None:
    """Times ours and the usual way.

    Args:
        preset: A trained captioner that reads stored regions; an untrained one by default.
        encoder: Name of the network of an untrained one.
        encoder_weights: imagenet, random or the path of a weights file; by default those of the preset, else random.
        photo: The photo of which all kinds are made; a made one by default.
        rounds: How often each kind is captioned; the median counts.
        json: Where the figures are written.
    """
    captioner = (
        mm.load(preset, encoder_weights=encoder_weights) if preset else untrained(encoder, encoder_weights or "random")
    )
    if captioner.extractor is None:
        raise InputError(f"--preset expects one that reads stored regions. Received: {preset}, which has its own CNN.")
    usual = UsualWay(captioner)
    source = captioner.image_source()
    figures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, path in photos(Path(folder), Image.open(photo) if photo else made_photo()).items():
            both: tuple[Callable[[], Any], ...] = (
                lambda path=path: captioner.decode({source.input_name: source.read([path])})[0][0].text,
                lambda path=path: usual.caption(path),
            )
            taken: list[list[float]] = [[], []]
            words = [0, 0]
            for number in range(rounds + 1):
                for side, job in enumerate(both):
                    started = time.perf_counter()
                    words[side] = len(job().split())
                    taken[side] += [time.perf_counter() - started] if number else []  # the first one warms up
            ours, theirs = (statistics.median(times) for times in taken)
            figures[kind] = {"seconds": ours, "usual_seconds": theirs, "ratio": theirs / ours, "words": words}
            sides = f"{ours:6.3f} s for {words[0]:2} words   the usual way {theirs:6.3f} s for {words[1]:2} words"
            print(f"{kind:27} {sides}   ratio {theirs / ours:5.2f}", flush=True)
    if json:
        key = captioner.extractor
        report = {"scores": figures, "precision": key.precision, "network": key.network, "versions": mm.versions()}
        json.write_text(dumps(report, indent=1) + "\n", encoding="utf-8")


def untrained(encoder: str, weights: str) -> mm.Captioner:
    """A captioner of the usual size that writes `WORDS` words of anything."""
    network = Backbone.named(encoder).network
    key = mm.extractor_key(weights, network=network, precision=choose_precision("auto"))
    codec = mm.TextCodec.fit([" ".join(f"w{number}" for number in range(VOCABULARY))])
    decoding = mm.BeamSearch(width=WIDTH, min_length=WORDS)
    keras.utils.set_random_seed(0)
    policy = "mixed_bfloat16" if key.precision == "bfloat16" else "float32"
    captioner = mm.Captioner(
        codec,
        encoder=key.backbone.name,
        extractor=key,
        image_size=key.side,
        decoding=decoding,
        max_length=WORDS,
        attention_units=256,
        dtype=policy,
    )
    captioner.build(captioner.input_shapes())
    return captioner


class UsualWay:
    """The same network and decoder as a user of Keras would call them.

    Args:
        captioner: Whose weights, search options and image size are taken.
    """

    def __init__(self, captioner: mm.Captioner) -> None:
        self.captioner, self.size = captioner, captioner.image_size
        self.backbone = captioner.extractor.backbone
        _, self.network = self.backbone.build()
        key = captioner.extractor
        options = {"precision": key.precision, "network": key.network, "folded": False}
        self.network.set_weights(RegionExtractor.from_weights(weights_file(key), **options).network.get_weights())

    def caption(self, path: Path) -> str:
        """Loads, predicts and searches one photo."""
        picture = keras.utils.load_img(path, target_size=(self.size, self.size), interpolation="bilinear")
        pixels = np.asarray(self.backbone.preprocess(np.asarray(picture, np.float32)[None]))
        regions = self.network.predict(pixels, verbose=0)
        regions = regions.reshape(1, -1, regions.shape[-1])
        return self.captioner.codec.decode(np.array(self.beam(regions)))

    def beam(self, regions: np.ndarray) -> list[int]:
        """Beam search in Python: the decoder is called once a word for all sentences."""
        decoder, search = self.captioner.decoder, self.captioner.decoding
        memory = decoder.prepare(self.captioner.regions({"regions": regions}))
        state = [np.repeat(np.asarray(leaf), search.width, axis=0) for leaf in decoder.initial_state(memory)]
        alive: list[tuple[float, list[int]]] = [(0.0, [START])] + [(-1e9, [START])] * (search.width - 1)
        done: list[tuple[float, list[int]]] = []
        for length in range(1, self.captioner.max_length + 1):
            last = np.array([words[-1] for _, words in alive], np.int32)
            logits, after = decoder.step(last, tuple(map(keras.ops.convert_to_tensor, state)), memory)
            scores = np.array(keras.ops.log_softmax(logits))
            for row, (_, words) in enumerate(alive):
                scores[row, repeated(words, search.no_repeat_ngram)] = -1e9
            scores[:, BANNED if length > search.min_length else [*BANNED, END]] = -1e9
            totals = scores + np.array([total for total, _ in alive])[:, None]
            best = np.argsort(-totals, axis=None)[: search.width]
            rows, tokens = np.unravel_index(best, totals.shape)
            alive = [
                (totals[row, token], [*alive[row][1], int(token)]) for row, token in zip(rows, tokens, strict=True)
            ]
            state = [np.asarray(keras.ops.cast(leaf, "float32"))[rows] for leaf in after]
            done += [(total / length**search.length_penalty, words) for total, words in alive if words[-1] == END]
            alive = [(-1e9 if words[-1] == END else total, words) for total, words in alive]
        return max(done or alive)[1]


def repeated(words: list[int], size: int) -> list[int]:
    """The words that would write a run of `size` words a second time."""
    recent = words[len(words) - size + 1 :]
    runs = [words[start : start + size] for start in range(1, len(words) - size + 1)] if size else []
    return [run[-1] for run in runs if run[:-1] == recent]


def made_photo() -> Image.Image:
    """Soft colours, as large as a photograph on the web."""
    coarse = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    return Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC)


def photos(folder: Path, photo: Image.Image) -> dict[str, Path]:
    """The photo in every kind, by the kind's name."""
    photo = photo.convert("RGB")
    large = photo.resize((4000, 3000), Image.Resampling.BICUBIC)
    turned = Image.Exif()
    turned[0x0112] = 6
    transparent = photo.convert("RGBA")
    transparent.putalpha(128)
    kinds: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "JPEG, 500 x 375": (photo.resize((500, 375)), "a.jpg", {}),
        "JPEG, 12 megapixels": (large, "b.jpg", {"quality": 90}),
        "JPEG, 12 megapixels, turned": (large.rotate(90, expand=True), "c.jpg", {"quality": 90, "exif": turned}),
        "JPEG, panorama 6000 x 500": (photo.resize((6000, 500)), "d.jpg", {}),
        "JPEG, gray": (photo.convert("L"), "e.jpg", {}),
        "JPEG, CMYK": (photo.convert("CMYK"), "f.jpg", {}),
        "PNG, transparent": (transparent, "g.png", {}),
    }
    try:
        import pillow_heif
    except ImportError:
        tell("HEIC is left out: pip install '.[heic]'")
    else:
        pillow_heif.register_heif_opener()
        kinds["HEIC, 12 megapixels"] = (large, "h.heic", {"quality": 80})
    for picture, name, options in kinds.values():
        picture.save(folder / name, **options)
    return {kind: folder / name for kind, (_, name, _) in kinds.items()}


if __name__ == "__main__":
    run(main)
