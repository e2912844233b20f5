"""Half of the pictures of a training are mirrored, the same ones whenever it is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mmtoolkit.errors import InputError
from mmtoolkit.vision import ExtractorKey, FeatureStore, MirroredHalf, Pictures

SIDE = 32


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Forty pictures of noise."""
    random = np.random.default_rng(0)
    made = [tmp_path / f"{number}.png" for number in range(40)]
    for path in made:
        Image.fromarray(random.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(path)
    return made


class Corners:
    """An extractor whose regions are the pixels at the two upper corners."""

    def call(self, images: Any) -> Any:
        columns = tf.stack([images[:, 0, 0], images[:, 0, -1]], axis=1)  # [batch, 2, 3]
        return tf.cast(columns, tf.float16)


def test_a_source_is_mirrored_by_half_and_by_what_is_read_together(paths: list[Path]) -> None:
    plain, half = Pictures(SIDE), MirroredHalf(Pictures(SIDE), seed=3)
    read, wanted = half.read(paths), plain.read(paths)
    same = (read == wanted).all(axis=(1, 2, 3))
    flipped = (read == wanted[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ flipped).all() and 10 < same.sum() < 30
    np.testing.assert_array_equal(half.read(paths), read)  # again the same
    assert (half.choose(paths) != half.choose(paths[::-1])[::-1]).any()  # another batch
    assert (half.choose(paths) != MirroredHalf(plain, seed=4).choose(paths)).any()


def test_a_source_that_cannot_mirror_is_named() -> None:
    class Own:
        input_name, shape, dtype = "regions", (2, 3), np.float16

        def read(self, images: Any) -> Any:
            raise NotImplementedError

    with pytest.raises(InputError, match="Received: a Own, whose `read` takes no `mirrored`"):
        MirroredHalf(Own())


def test_mirrored_features_are_stored_beside_the_others(paths: list[Path], tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store", ExtractorKey("random", "float32", "vgg19-fc2"))
    store.shape = (2, 3)
    few = paths[:3]
    assert store.add(few, lambda: Corners(), batch_size=2) == {}
    with pytest.raises(InputError, match="No mirrored features are stored for"):
        store.read(few, mirrored=[False, True, False])
    assert store.add(few, lambda: Corners(), mirrored=True) == {}
    read = store.read(few, mirrored=[False, True, False])
    corners = store.read(few)
    np.testing.assert_array_equal(read, [corners[0], corners[1][::-1], corners[2]])
    assert len(store) == 6
