"""How far a picture lies from those that a model was trained on: a probabilistic PCA of what the model sees of them.

Source: Tipping & Bishop, "Probabilistic Principal Component Analysis", 1999, equations 7 and 8; the Mahalanobis
distance as a sign of pictures that are unlike: Lee et al., "A Simple Unified Framework for Detecting
Out-of-Distribution Samples and Adversarial Attacks", 2018, equation 2, here without classes.
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

FORMAT = 1
LEAST = 16  # pictures, for training and validation: a data set of 20 cut 80/10/10 has 18
AXES, NUMBERS = 32, 16_384  # axes at most, and numbers in all of them: the file stays below 64 KB
PER_AXIS = 3  # training pictures at least, for each axis
FLOOR = 1e-6  # of the mean square of a feature: it is held in float16, which does not know smaller differences
QUANTILE = 0.99  # of the held-out pictures lie nearer than the threshold
ENOUGH, FOLDS = 100, 5  # held-out pictures that show that quantile; with fewer, training pictures are held out in turns
ARRAYS = ("mean", "axes", "variances")


@dataclass(frozen=True, eq=False)
class ImageDistribution:
    """What the pictures of a training set look like to a model: a normal distribution of their vectors.

    Its covariance has the variances along the axes, and the residual one in every direction across them.

    Example:
        >>> seen = ImageDistribution.fit(model.vectors(train), model.vectors(valid))
        >>> seen.distance(model.vectors(["photo.jpg", "screenshot.png"])), seen.threshold
        (array([0.98, 3.71]), 1.35)

    Args:
        mean: `<float32>[features]`.
        axes: `<float16>[axes, features]`, the directions in which the pictures differ most, each of length 1.
        variances: `<float32>[axes]`.
        residual: The variance in every other direction.
        threshold: The distance beyond which a picture is unlike.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float16]
    variances: NDArray[np.float32]
    residual: float
    threshold: float

    @classmethod
    def fit(cls, train: ArrayLike, valid: ArrayLike) -> ImageDistribution:
        """Describes training pictures, and sets the threshold by pictures that are not among them.

        Args:
            train: `<float>[pictures, features]`.
            valid: The same of the validation pictures. Where these are fewer than 100, training pictures are held out
                in turns besides, and the farthest of all sets the threshold.

        Raises:
            InputError: There are fewer than 16 pictures in all, or a number of one is not finite.
        """
        known, others = checked(train), checked(valid)
        if len(known) < 2 or len(known) + len(others) < LEAST:
            raise InputError(
                f"Expected {LEAST} pictures or more to describe. Received: {len(known)} for training and "
                f"{len(others)} for validation; leave the description out."
            )
        seen = described(known)
        distances = [seen.distance(others)]
        if len(others) < ENOUGH:
            for fold in range(FOLDS):
                left_out = np.arange(len(known)) % FOLDS == fold
                distances.append(described(known[~left_out]).distance(known[left_out]))
        usual = np.quantile(np.concatenate(distances), QUANTILE, method="higher")
        # Nearer than the training pictures are on average nothing is unlike, not even where all of them are the same.
        return cls(seen.mean, seen.axes, seen.variances, seen.residual, max(1.0, float(usual)))

    def distance(self, vectors: ArrayLike) -> NDArray[np.float64]:
        """The Mahalanobis distance from the training pictures, over the root of the features: theirs is about 1.

        Args:
            vectors: `<float>[pictures, features]`.

        Raises:
            InputError: They have another number of features.
        """
        found = checked(vectors)
        if found.shape[1] != len(self.mean):
            raise InputError(
                f"Expected vectors of {len(self.mean)} features, as the training pictures have. Received: "
                f"{found.shape[1]}; the description belongs to another model."
            )
        axes = self.axes.astype(np.float64)
        centred = found - self.mean
        along = centred @ axes.T
        across = centred - along @ axes  # not |centred|² - |along|²: rounded axes would make that negative
        squares = (along**2 / self.variances).sum(axis=1) + (across**2).sum(axis=1) / self.residual
        return np.sqrt(squares / len(self.mean))

    def out_of_distribution(self, vectors: ArrayLike) -> NDArray[np.bool_]:
        """Which pictures are unlike the training pictures."""
        return self.distance(vectors) > self.threshold

    def is_finite(self) -> bool:
        """Whether all numbers are such that distances can be computed."""
        arrays = (self.mean, self.axes, self.variances, self.residual, self.threshold)
        return all(np.isfinite(array).all() for array in arrays) and min(self.residual, *self.variances) > 0

    def save(self, path: str | Path) -> None:
        """Writes the description as a small HDF5 file."""

        def write(file: Any) -> None:
            with h5py.File(file, "w") as content:
                content.attrs["format"] = FORMAT
                content.attrs.update(residual=self.residual, threshold=self.threshold)
                for name in ARRAYS:
                    content[name] = getattr(self, name)

        write_atomically(Path(path), write)

    @classmethod
    def load(cls, path: str | Path) -> ImageDistribution:
        """Reads what `save` wrote.

        Raises:
            InputError: The file is damaged, or of another version.
        """
        try:
            with h5py.File(path, "r") as content:
                known = content.attrs["format"] == FORMAT
                arrays = {name: content[name][()] for name in ARRAYS}
                seen = cls(
                    **arrays, residual=float(content.attrs["residual"]), threshold=float(content.attrs["threshold"])
                )
            fits = known and seen.axes.shape == (len(seen.variances), len(seen.mean)) and seen.is_finite()
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} does not describe pictures; copy the whole directory again.") from error
        if not fits:
            raise InputError(f"{path} is damaged or of another version of mmtoolkit; copy the whole directory again.")
        return seen


def described(vectors: NDArray[np.float64]) -> ImageDistribution:
    """The distribution of some vectors; its threshold is not set yet."""
    count, features = vectors.shape
    mean = vectors.mean(axis=0).astype(np.float32)
    centred = vectors - mean
    most = max(1, min(AXES, NUMBERS // features, count // PER_AXIS, features - 1))
    variances, axes = principal(centred, most)
    rest = (centred**2).sum() / (count - 1) - variances.sum()
    residual = max(rest / max(1, features - most), FLOOR * (vectors**2).mean(), np.finfo(np.float32).tiny)
    floored = np.maximum(variances, residual).astype(np.float32)
    return ImageDistribution(mean, axes.astype(np.float16), floored, float(residual), float("inf"))


def principal(centred: NDArray[np.float64], most: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The largest variances and their axes `[axes, features]`, from the smaller of two matrices that share them.

    Args:
        centred: `<float64>[pictures, features]` with the mean taken off.
        most: How many.
    """
    count, features = centred.shape
    few = count < features
    values, vectors = np.linalg.eigh((centred @ centred.T if few else centred.T @ centred) / (count - 1))
    values, vectors = values[::-1][:most], vectors[:, ::-1][:, :most]
    axes = vectors.T @ centred if few else vectors.T
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    real = lengths > 1e-6 * lengths.max()  # where the pictures do not differ at all there is no axis
    return np.maximum(values, 0.0), np.divide(axes, lengths, out=np.zeros_like(axes), where=real)


def checked(vectors: ArrayLike) -> NDArray[np.float64]:
    """Vectors in the precision in which they are compared.

    Raises:
        InputError: They are no table, or a number in it is not finite.
    """
    found = np.asarray(vectors, np.float64)
    if found.ndim != 2 or not np.isfinite(found).all():
        raise InputError(
            f"Expected a row of finite numbers for each picture. Received: an array of shape {found.shape}"
            f"{' with others in it' if found.ndim == 2 else ''}."
        )
    return found


def auroc(usual: ArrayLike, out_of_distribution: ArrayLike) -> float:
    """How well distances tell two kinds of pictures apart: the probability that one that is unlike lies farther.

    A tie counts half: 0.5 is chance, 1.0 is perfect.

    Example:
        >>> auroc([1.0, 2.0], [2.0, 3.0])
        0.875

    Raises:
        InputError: There is none of one kind.
    """
    near, far = np.sort(np.asarray(usual, np.float64)), np.asarray(out_of_distribution, np.float64)
    if not len(near) or not len(far):
        raise InputError(f"Expected distances of both kinds. Received: {len(near)} and {len(far)}.")
    below = np.searchsorted(near, far, side="left") + np.searchsorted(near, far, side="right")
    return float(below.mean() / (2 * len(near)))
