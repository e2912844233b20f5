"""Detects out-of-distribution pictures by a probabilistic PCA of the training pictures' feature vectors.

Source: Tipping & Bishop, "Probabilistic Principal Component Analysis", 1999, equations 7 and 8; the Mahalanobis
distance as an out-of-distribution score: Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution
Samples and Adversarial Attacks", 2018, equation 2, here without classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmtoolkit.errors import InputError
from mmtoolkit.files import write_atomically
from mmtoolkit.hdf5 import open_h5

FORMAT = 1
LEAST = 16  # pictures, for training and validation: a data set of 20 cut 80/10/10 has 18
AXES, NUMBERS = 32, 16_384  # axes at most, and numbers in all of them: the file stays below 64 KB
PER_AXIS = 3  # training pictures at least, for each axis
FLOOR = 1e-6  # of the mean square of a feature: float16, in which it is stored, has no smaller differences
QUANTILE = 0.99  # of the held-out pictures are nearer than the threshold
ENOUGH, FOLDS = 100, 5  # held-out pictures for that quantile; with fewer, training pictures are held out in folds
ARRAYS = ("mean", "axes", "variances")
MOST = 2**20  # bytes of those of any model


@dataclass(frozen=True, eq=False)
class ImageDistribution:
    """Holds the normal distribution of the feature vectors of a model's training pictures.

    Its covariance has the variances along the axes, and the residual variance in every direction orthogonal to them.

    Example:
        >>> vectors = np.random.default_rng(0).normal(size=(100, 8))
        >>> distribution = ImageDistribution.fit(vectors[:80], vectors[80:])
        >>> (distribution.distance(np.array([8 * [0.0], 8 * [9.0]])) > distribution.threshold).tolist()
        [False, True]

    Args:
        mean: `<float32>[features]`.
        axes: `<float16>[axes, features]`, the principal axes, each of length 1.
        variances: `<float32>[axes]`, along each axis.
        residual: Variance in every other direction.
        threshold: Distance beyond which a picture is out of distribution.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float16]
    variances: NDArray[np.float32]
    residual: float
    threshold: float

    @classmethod
    def fit(cls, train: ArrayLike, valid: ArrayLike) -> ImageDistribution:
        """Fits the distribution to training pictures, and sets the threshold by held-out ones.

        Args:
            train: `<float>[pictures, features]`.
            valid: The same of the validation pictures. If there are fewer than 100, each fifth of the training pictures
                is held out in turn as well.

        Raises:
            InputError: There are fewer than 16 pictures in all, or a vector is not finite.
        """
        fitted, held_out = finite_rows(train), finite_rows(valid)
        if len(fitted) < 2 or len(fitted) + len(held_out) < LEAST:
            raise InputError(
                f"Expected {LEAST} pictures or more to fit a distribution. Received: {len(fitted)} for training and "
                f"{len(held_out)} for validation; leave the distribution out."
            )
        normal = fit_normal(fitted)
        distances = [normal.distance(held_out)]
        if len(held_out) < ENOUGH:
            for fold in range(FOLDS):
                left_out = np.arange(len(fitted)) % FOLDS == fold
                distances.append(fit_normal(fitted[~left_out]).distance(fitted[left_out]))
        threshold = np.quantile(np.concatenate(distances), QUANTILE, method="higher")
        # At least the mean distance of the training pictures, even where all of them are the same.
        return cls(normal.mean, normal.axes, normal.variances, normal.residual, max(1.0, float(threshold)))

    def distance(self, vectors: ArrayLike) -> NDArray[np.float64]:
        """Computes Mahalanobis distances, divided by the root of the number of features: about 1 for training pictures.

        Args:
            vectors: `<float>[pictures, features]`.

        Raises:
            InputError: The vectors have another number of features.
        """
        rows = finite_rows(vectors)
        if rows.shape[1] != len(self.mean):
            raise InputError(
                f"Expected vectors of {len(self.mean)} features, as the training pictures have. Received: "
                f"{rows.shape[1]}; the distribution belongs to another model."
            )
        axes = self.axes.astype(np.float64)
        centred = rows - self.mean
        along = centred @ axes.T
        across = centred - along @ axes  # not |centred|² - |along|²: rounded axes would make that negative
        squares = (along**2 / self.variances).sum(axis=1) + (across**2).sum(axis=1) / self.residual
        return np.sqrt(squares / len(self.mean))

    def out_of_distribution(self, vectors: ArrayLike) -> NDArray[np.bool_]:
        """Checks which pictures are farther than the threshold: `<bool>[pictures]`."""
        return self.distance(vectors) > self.threshold

    def is_finite(self) -> bool:
        """Checks that all numbers are finite and all variances positive."""
        arrays = (self.mean, self.axes, self.variances, self.residual, self.threshold)
        return all(np.isfinite(array).all() for array in arrays) and min(self.residual, *self.variances) > 0

    def save(self, path: str | Path) -> None:
        """Writes the distribution as a small HDF5 file."""

        def write(file: Any) -> None:
            with h5py.File(file, "w") as content:
                content.attrs["format"] = FORMAT
                content.attrs.update(residual=self.residual, threshold=self.threshold)
                for name in ARRAYS:
                    content[name] = getattr(self, name)

        write_atomically(Path(path), write)

    @classmethod
    def load(cls, path: str | Path) -> ImageDistribution:
        """Loads the distribution that `save` wrote.

        Raises:
            InputError: The file is damaged, or of another version.
        """
        with open_h5(Path(path), most=MOST, remedy="copy the whole directory again") as content:
            same_format = content.attrs["format"] == FORMAT
            values: dict[str, Any] = {name: float(content.attrs[name]) for name in ("residual", "threshold")}
            loaded = cls(**values, **{name: content[name][()] for name in ARRAYS})
            fits = same_format and loaded.variances.ndim == loaded.mean.ndim == 1
            fits = fits and loaded.axes.shape == loaded.variances.shape + loaded.mean.shape and loaded.is_finite()
        if not fits:
            raise InputError(f"{path} is damaged or of another version of mmtoolkit; copy the whole directory again.")
        return loaded


def fit_normal(vectors: NDArray[np.float64]) -> ImageDistribution:
    """Fits a normal distribution to vectors, with an infinite threshold."""
    count, features = vectors.shape
    mean = vectors.mean(axis=0).astype(np.float32)
    centred = vectors - mean
    most = max(1, min(AXES, NUMBERS // features, count // PER_AXIS, features - 1))
    variances, axes = principal_axes(centred, most)
    rest = (centred**2).sum() / (count - 1) - variances.sum()
    residual = max(rest / max(1, features - most), FLOOR * (vectors**2).mean(), np.finfo(np.float32).tiny)
    floored = np.maximum(variances, residual).astype(np.float32)
    return ImageDistribution(mean, axes.astype(np.float16), floored, float(residual), float("inf"))


def principal_axes(centred: NDArray[np.float64], most: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Computes the `most` largest variances of centred rows and their axes `[axes, features]`."""
    count, features = centred.shape
    few = count < features  # their Gram matrix is then smaller than the covariance
    values, vectors = np.linalg.eigh((centred @ centred.T if few else centred.T @ centred) / (count - 1))
    values, vectors = values[::-1][:most], vectors[:, ::-1][:, :most]
    axes = vectors.T @ centred if few else vectors.T
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    real = lengths > 1e-6 * lengths.max()  # where the pictures do not differ at all there is no axis
    return np.maximum(values, 0.0), np.divide(axes, lengths, out=np.zeros_like(axes), where=real)


def finite_rows(vectors: ArrayLike) -> NDArray[np.float64]:
    """Converts vectors to `<float64>[pictures, features]`, and checks that they are finite."""
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise InputError(
            f"Expected a row of finite numbers for each picture. Received: an array of shape {rows.shape}"
            f"{' with numbers that are not finite' if rows.ndim == 2 else ''}."
        )
    return rows


def auroc(in_distribution: ArrayLike, out_of_distribution: ArrayLike) -> float:
    """Computes the AUROC of distances: the probability that an out-of-distribution picture is the farther one.

    A tie counts half; 0.5 is chance, 1.0 is perfect.

    Example:
        >>> auroc([1.0, 2.0], [2.0, 3.0])
        0.875

    Raises:
        InputError: There are no pictures of one kind.
    """
    near, far = np.sort(np.asarray(in_distribution, np.float64)), np.asarray(out_of_distribution, np.float64)
    if not len(near) or not len(far):
        raise InputError(f"Expected distances of both kinds. Received: {len(near)} and {len(far)}.")
    below = np.searchsorted(near, far, side="left") + np.searchsorted(near, far, side="right")
    return float(below.mean() / (2 * len(near)))
