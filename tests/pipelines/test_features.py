"""`mmtoolkit features`: writes a store once, names what it cannot read, and survives a full disk."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmtoolkit.vision import ExtractorKey, FeatureStore, RegionExtractor, read_image

Job = Callable[..., Any]

WORDS = ("--encoder-weights", "random", "--precision", "float32")


@pytest.fixture(scope="module")
def pictures(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two pictures and a cut one between them."""
    folder = tmp_path_factory.mktemp("pictures")
    first, cut, last = folder / "1.png", folder / "2.png", folder / "3.png"
    shutil.copy(scenes / "images" / "000001.png", first)
    shutil.copy(scenes / "images" / "000003.png", last)
    cut.write_bytes(first.read_bytes()[:100])
    return [first, cut, last]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ExtractorKey]]:
    """Every network that a job asks for from here on."""
    asked: list[ExtractorKey] = []

    def load(key: ExtractorKey) -> RegionExtractor:
        asked.append(key)
        return RegionExtractor.from_weights(None, precision=key.precision)

    monkeypatch.setattr("mmtoolkit.vision.load_extractor", load)
    yield asked


def test_features_are_stored_once(job: Job, pictures: list[Path], tmp_path: Path, network: list[ExtractorKey]) -> None:
    first, cut, last = pictures
    done = job("features", first, cut, last, "--features", tmp_path, *WORDS)
    assert done.code == 1
    assert str(cut) in done.error
    key = ExtractorKey("random", "float32")
    store = FeatureStore(tmp_path, key)
    assert done.out == f"{store.folder}\n"
    assert len(store) == 2 and first in store and last in store and cut not in store
    fresh = RegionExtractor.from_weights(None, precision="float32")(np.stack([read_image(last, size=224)]))
    np.testing.assert_allclose(store.read([last]), fresh, atol=0.01, rtol=0.01)
    assert network == [key]

    files = {path: path.stat().st_mtime_ns for path in store.folder.iterdir()}
    again = job("features", first, last, "--features", tmp_path, *WORDS)
    assert again == (0, f"{store.folder}\n", "")
    assert network == [key]  # nothing was missing, so no network was built
    assert {path: path.stat().st_mtime_ns for path in store.folder.iterdir()} == files


class Zeros:
    """As fast as an extractor can be."""

    def call(self, images: Any) -> Any:
        import tensorflow as tf

        return tf.zeros((tf.shape(images)[0], 196, 512), tf.float16)


def test_a_full_disk_is_told_in_a_sentence_and_leaves_no_half_shard(
    job: Job, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system refuses files over 100 kB: a real refusal in the midst of the shard's rows."""
    monkeypatch.setattr("mmtoolkit.vision.load_extractor", lambda key: Zeros())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        done = job("features", pictures[0], pictures[2], "--features", tmp_path, *WORDS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (done.code, done.out) == (1, "")
    assert done.error.startswith("File too large")
    store = FeatureStore(tmp_path, ExtractorKey("random", "float32"))
    assert len(store) == 0
    assert [path.name for path in store.folder.iterdir()] == ["key"]
    assert job("features", pictures[0], pictures[2], "--features", tmp_path, *WORDS).code == 0
    assert len(FeatureStore(tmp_path, store.key)) == 2


def test_a_folder_without_pictures(job: Job, tmp_path: Path) -> None:
    done = job("features", tmp_path, *WORDS)
    assert (done.code, done.out) == (2, "") and str(tmp_path) in done.error


def test_weights_that_are_not_there(job: Job, pictures: list[Path], tmp_path: Path) -> None:
    done = job("features", pictures[0], "--encoder-weights", tmp_path / "none.h5")
    assert (done.code, done.out) == (2, "") and "none.h5" in done.error
