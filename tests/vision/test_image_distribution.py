"""What training pictures look like, against the whole covariance matrix in NumPy; how well it tells others apart."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.vision.image_distribution import AXES, ImageDistribution, auroc


def made(count: int, features: int, *, seed: int = 0) -> np.ndarray:
    """Vectors that differ in some directions more than in others."""
    mixing = np.random.default_rng(7).normal(size=(features, features)) * np.exp(-np.arange(features) / 8)
    random = np.random.default_rng(seed)
    return 3 + random.normal(size=(count, features)) @ mixing.T + 0.3 * random.normal(size=(count, features))


def by_covariance(train: np.ndarray, others: np.ndarray, axes: int) -> np.ndarray:
    """The distance under the whole matrix: the largest eigenvalues are kept, the others become their mean."""
    values, vectors = np.linalg.eigh(np.cov(train.T))
    values[:-axes] = values[:-axes].mean()
    covariance = vectors @ np.diag(values) @ vectors.T
    centred = others - train.mean(axis=0)
    return np.sqrt(np.sum(centred.T * np.linalg.solve(covariance, centred.T), axis=0) / train.shape[1])


# --- the distribution ---


@pytest.mark.parametrize(
    ("count", "features", "axes"), [(400, 60, 32), (400, 3, 2), (45, 60, 15), (150, 200, 32), (300, 1024, 16)]
)
def test_the_distance_is_that_under_the_covariance_matrix(count: int, features: int, axes: int) -> None:
    """With more pictures than features and with fewer; with all axes but one it is the plain Mahalanobis distance."""
    train, others = made(count, features), 2 * made(50, features, seed=1)
    seen = ImageDistribution.fit(train, others)
    assert (seen.axes.shape, seen.axes.dtype) == ((axes, features), np.float16)
    np.testing.assert_allclose(seen.distance(others), by_covariance(train, others, axes), rtol=2e-3)
    np.testing.assert_allclose(np.mean(seen.distance(train) ** 2), (count - 1) / count, rtol=2e-3)  # a trace


def test_the_threshold_leaves_a_hundredth_of_the_validation_pictures_beyond() -> None:
    train, valid = made(300, 40), made(400, 40, seed=1)
    seen = ImageDistribution.fit(train, valid)
    assert seen.out_of_distribution(valid).sum() == 3  # the 397th of 400 lies at the 99 % quantile
    assert seen.threshold == np.sort(seen.distance(valid))[396]
    assert 0 < seen.out_of_distribution(made(2000, 40, seed=2)).mean() < 0.04
    assert seen.out_of_distribution(made(100, 40, seed=2)[:, ::-1]).all()


def test_with_few_validation_pictures_the_farthest_of_all_held_out_sets_the_threshold() -> None:
    """Each fifth of the training pictures is described by the other four."""
    train, valid = made(16, 128), made(4, 128, seed=1)
    seen = ImageDistribution.fit(train, valid)
    assert len(seen.axes) == 5
    held_out = [by_covariance(train, valid, 5)]
    for fold in range(5):
        left_out = np.arange(16) % 5 == fold
        held_out.append(by_covariance(train[~left_out], train[left_out], 4))
    assert seen.threshold == pytest.approx(np.concatenate(held_out).max(), rel=2e-3)
    assert seen.threshold > seen.distance(train).max()
    assert seen.out_of_distribution(made(200, 128, seed=2)).mean() < 0.15
    assert seen.out_of_distribution(made(200, 128, seed=2) + 9).all()


@pytest.mark.parametrize("features", [8, 64])  # fewer and more than pictures
@pytest.mark.parametrize("value", [0.0, 2.5])
def test_pictures_that_are_all_the_same(value: float, features: int) -> None:
    """What differs by less than the rounding of float16 is the same; what differs by more is unlike."""
    seen = ImageDistribution.fit(np.full((30, features), value), np.full((4, features), value))
    assert (seen.threshold, np.isfinite(seen.axes).all()) == (1.0, True)
    given = [[value] * features, [value * (1 + 4e-4)] * features, [value + 0.1] * features]
    assert seen.out_of_distribution(given).tolist() == [False, False, True]
    assert np.isfinite(seen.distance(given)).all()


def test_one_direction_alone() -> None:
    """Pictures on a line: what lies off it is far, however near the mean."""
    line = np.outer(np.linspace(-1, 1, 60), [3.0, 0.0, 4.0]) + 10
    seen = ImageDistribution.fit(line[::2], line[1::2])
    assert not seen.out_of_distribution(line[1::2]).any()
    assert seen.out_of_distribution([[10.0, 10.5, 10.0]]).all()


@pytest.mark.parametrize(
    ("train", "valid", "told"),
    [
        (made(11, 4), made(4, 4), "16 pictures or more to fit .* Received: 11 for training and 4 for validation"),
        (made(1, 4), made(40, 4), "Received: 1 for training"),
        (made(30, 4) * np.nan, made(4, 4), r"finite numbers for each picture. Received: an array of shape \(30, 4\)"),
        (made(30, 4)[0], made(4, 4), r"Received: an array of shape \(4,\)"),
        (made(30, 4), made(4, 5), "vectors of 4 features, as the training pictures have. Received: 5; .*another model"),
    ],
)
def test_what_cannot_be_described_is_refused(train: np.ndarray, valid: np.ndarray, told: str) -> None:
    with pytest.raises(InputError, match=told):
        ImageDistribution.fit(train, valid)


# --- the file ---


@pytest.mark.parametrize("features", [64, 512, 4096])
def test_the_file_is_small_and_holds_all(tmp_path: Path, features: int) -> None:
    train = np.random.default_rng(0).normal(size=(120, features))
    seen = ImageDistribution.fit(train, train[:20] + 0.1)
    seen.save(tmp_path / "seen.h5")
    assert (tmp_path / "seen.h5").stat().st_size < 64_000
    again = ImageDistribution.load(tmp_path / "seen.h5")
    np.testing.assert_array_equal(again.distance(train), seen.distance(train))
    assert again.threshold == seen.threshold and len(again.axes) == min(AXES, 16_384 // features)
    again.save(tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "seen.h5").read_bytes()


@pytest.mark.parametrize("how", ["cut", "text", "missing array", "another version", "another shape", "no number"])
def test_a_damaged_file_is_named(tmp_path: Path, how: str) -> None:
    path = tmp_path / "seen.h5"
    ImageDistribution.fit(made(30, 12), made(4, 12)).save(path)
    if how in ("cut", "text"):
        path.write_bytes(path.read_bytes()[:1000] if how == "cut" else b"no HDF5")
    else:
        with h5py.File(path, "r+") as content:
            changes: dict[str, Any] = {
                "missing array": lambda: content.pop("mean"),
                "another version": lambda: content.attrs.update(format=2),
                "another shape": lambda: (content.pop("axes"), content.update(axes=np.zeros((2, 3)))),
                "no number": lambda: content.attrs.update(residual=float("nan")),
            }
            changes[how]()
    with pytest.raises(InputError, match="copy the whole directory again") as caught:
        ImageDistribution.load(path)
    assert str(caught.value).startswith(str(path))


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = ImageDistribution.fit(made(30, 12), made(4, 12))
    seen.save(tmp_path / "seen.h5")
    shutil.copy(tmp_path / "seen.h5", tmp_path / "before.h5")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mmtoolkit.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        ImageDistribution.fit(made(40, 12), made(4, 12)).save(tmp_path / "seen.h5")
    assert (tmp_path / "seen.h5").read_bytes() == (tmp_path / "before.h5").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


# --- how well two kinds are told apart ---


def test_the_auroc_is_that_of_all_pairs() -> None:
    random = np.random.default_rng(0)
    usual, out_of_distribution = random.integers(0, 20, 70), random.integers(5, 25, 41)  # with ties
    pairs = [(far > near) + 0.5 * (far == near) for near in usual for far in out_of_distribution]
    assert auroc(usual, out_of_distribution) == pytest.approx(np.mean(pairs), abs=1e-12)
    assert auroc(usual, usual) == 0.5
    assert (auroc([1, 2], [3]), auroc([3], [1, 2]), auroc([1.0, 2.0], [2.0, 3.0])) == (1.0, 0.0, 0.875)
    with pytest.raises(InputError, match="Received: 0 and 2"):
        auroc([], [1, 2])
