"""Where a model's pictures come from: pixels, stored regions, and regions made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmtoolkit import InputError
from mmtoolkit.vision import (
    ExtractorKey,
    LiveRegions,
    Pictures,
    RegionExtractor,
    decoded_pictures,
    sources,
    stored_regions,
)
from mmtoolkit.vision.sources import extractor_key, forward_pass, load_extractor

KEY = ExtractorKey("random", "float32")


class Means:
    """Every region is the mean of its picture."""

    def call(self, images: Any) -> Any:
        import tensorflow as tf

        means = tf.reduce_mean(tf.cast(images, tf.float32), axis=(1, 2, 3)) / 255.0
        return tf.cast(tf.reshape(means, (-1, 1, 1)) * tf.ones((1, 196, 512)), tf.float16)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[ExtractorKey]:
    """The keys whose extractors were built."""
    asked: list[ExtractorKey] = []

    def load(key: ExtractorKey) -> Means:
        asked.append(key)
        return Means()

    forward_pass.cache_clear()
    monkeypatch.setattr(sources, "load_extractor", load)
    yield asked  # type: ignore[misc]
    forward_pass.cache_clear()


@pytest.fixture
def greys(tmp_path: Path) -> list[Path]:
    """Four plain pictures; number n is the grey 60 n."""
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        Image.new("RGB", (20, 30), (60 * number,) * 3).save(path)
    return paths


def test_pictures_are_squares_of_pixels_in_order(greys: list[Path]) -> None:
    pixels = Pictures(16).read([greys[2], greys[0], greys[2]])
    assert pixels.dtype == np.uint8 and pixels.shape == (3, 16, 16, 3)
    assert [np.unique(picture).tolist() for picture in pixels] == [[120], [0], [120]]


def test_pictures_that_were_added_are_not_read_again(greys: list[Path]) -> None:
    told: list[tuple[int, int]] = []
    pictures = Pictures(16)
    assert pictures.add([*greys[:2], greys[0]], progress=lambda *at: told.append(at)) == {}
    assert told == [(2, 2)]
    for path in greys:
        path.unlink()
    assert pictures.read(greys[:2])[:, 0, 0, 0].tolist() == [0, 60]
    with pytest.raises(InputError, match=r"2\.png"):
        pictures.read(greys[2:])


@pytest.mark.parametrize("keep", [True, False])
def test_pictures_are_kept_once_read_unless_told_otherwise(greys: list[Path], keep: bool) -> None:
    """So that training decodes a small set once, and captioning a large folder does not fill the memory."""
    pictures = Pictures(16, keep=keep)
    pictures.read(greys)
    assert list(pictures.decoded) == (greys if keep else [])
    Image.new("RGB", (20, 30), (255,) * 3).save(greys[0])
    assert pictures.read(greys[:1]).max() == (0 if keep else 255)


def test_unreadable_pictures_are_counted_and_named(greys: list[Path], tmp_path: Path) -> None:
    bad = [tmp_path / f"bad-{number}.jpg" for number in range(4)]
    for path in bad:
        path.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"Received: 4 that cannot, .*; …\. Replace") as caught:
        decoded_pictures(16, [*greys, *bad])
    assert [str(path) in str(caught.value) for path in bad] == [True, True, True, False]
    assert sorted(decoded_pictures(16, greys).decoded) == greys


def test_unreadable_pictures_are_left_out_where_somebody_takes_them(
    greys: list[Path], tmp_path: Path, loaded: list[Any]
) -> None:
    """The source holds the others, and whoever asked has each bad one with its reason."""
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    decoding: dict[Path, str] = {}
    pictures = decoded_pictures(16, [greys[0], bad, greys[1]], leave_out=decoding.__setitem__)
    assert decoding == {bad: "no known picture format"}
    assert list(pictures.decoded) == greys[:2]
    storing: dict[Path, str] = {}
    images = [greys[0], bad, tmp_path / "gone.jpg", greys[1]]
    store = stored_regions(KEY, images, folder=tmp_path / "store", leave_out=storing.__setitem__)
    assert storing == {bad: "no known picture format", tmp_path / "gone.jpg": "No such file or directory"}
    assert len(store) == 2 and greys[1] in store


def test_stored_regions_hold_every_picture(greys: list[Path], tmp_path: Path, loaded: list[ExtractorKey]) -> None:
    store = stored_regions(KEY, greys, folder=tmp_path / "store")
    np.testing.assert_allclose(store.read(greys)[:, 5, 7], np.array([0, 60, 120, 180]) / 255, atol=1e-3)
    stored_regions(KEY, greys, folder=tmp_path / "store")
    assert loaded == [KEY]


def test_the_features_of_good_pictures_are_kept(greys: list[Path], tmp_path: Path, loaded: list[Any]) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"1 that cannot, .*bad\.jpg .*the features of the others are kept"):
        stored_regions(KEY, [greys[0], tmp_path / "bad.jpg", greys[1]], folder=tmp_path / "store")
    stored_regions(KEY, greys[:2], folder=tmp_path / "store")
    assert len(loaded) == 1


def test_a_damaged_row_is_told_before_training(greys: list[Path], tmp_path: Path, loaded: list[Any]) -> None:
    stored_regions(KEY, greys, folder=tmp_path / "store")
    (shard,) = (tmp_path / "store").rglob("*.npy")
    content = bytearray(shard.read_bytes())
    content[-7] ^= 1
    shard.write_bytes(content)
    with pytest.raises(InputError, match=r"3\.png are damaged"):
        stored_regions(KEY, greys, folder=tmp_path / "store")


def test_live_regions_build_their_network_once(greys: list[Path], loaded: list[ExtractorKey]) -> None:
    regions = LiveRegions(KEY).read(greys[1:3])
    assert regions.dtype == np.float16 and regions.shape == (2, 196, 512)
    np.testing.assert_allclose(regions[:, 0, 0], np.array([60, 120]) / 255, atol=1e-3)
    LiveRegions(ExtractorKey("random", "float32")).read(greys[:1])
    assert loaded == [KEY]


def test_the_named_weights_are_kept_under_their_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SHA-256 of `abc` from FIPS 180-2; a later command finds the file without being told."""
    monkeypatch.setenv("MMTOOLKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(RegionExtractor, "from_weights", lambda path, **options: None)  # takes it for VGG19's
    (tmp_path / "weights.h5").write_bytes(b"abc")
    key = extractor_key(str(tmp_path / "weights.h5"), precision="bfloat16")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert key == ExtractorKey(digest, "bfloat16")
    assert (tmp_path / "cache" / "weights" / f"{digest}.h5").read_bytes() == b"abc"
    assert extractor_key("random", precision="float32") == KEY


def test_weights_that_left_the_cache_are_missed_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMTOOLKIT_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="SHA-256 0123456789abcdef…, which are not in the cache"):
        load_extractor(ExtractorKey("0123456789abcdef" * 4, "float32"))
