"""Draws each term of the gradient of one recurrent weight: a square is a pair of steps, and the squares sum to it."""

from __future__ import annotations

from pathlib import Path

STEPS, UNITS = 6, 3


def draw(path: Path) -> None:
    """Computes the terms by giving every step a copy of the weights, and the whole with one cell for all steps."""
    import keras
    import numpy as np
    import tensorflow as tf
    from matplotlib.figure import Figure

    from mmtoolkit.layers import VanillaCell

    keras.utils.set_random_seed(0)
    random = np.random.default_rng(1)
    inputs = random.normal(size=(STEPS, 1, UNITS)).astype("float32")  # projected
    targets = random.normal(size=(STEPS, 1, UNITS)).astype("float32")
    copies = [VanillaCell(UNITS) for _ in range(STEPS)]
    for cell in copies:
        cell.build()
        cell.set_weights(copies[0].get_weights())

    def losses(cells: list[VanillaCell]) -> list[tf.Tensor]:
        state, found = (tf.zeros((1, UNITS)),), []
        for cell, x, target in zip(cells, inputs, targets, strict=True):
            state = cell(x, state)
            found.append(tf.reduce_sum((state[0] - target) ** 2) / 2)
        return found

    with tf.GradientTape() as tape:
        shared = tf.add_n(losses([copies[0]] * STEPS))
    whole = float(tape.gradient(shared, copies[0].recurrent_kernel.value)[0, 1])
    terms = np.zeros((STEPS, STEPS))
    with tf.GradientTape(persistent=True) as tape:
        found = losses(copies)
    for t, loss in enumerate(found):
        for k, cell in enumerate(copies[: t + 1]):
            terms[k, t] = float(tape.gradient(loss, cell.recurrent_kernel.value)[0, 1])
    np.testing.assert_allclose(terms.sum(), whole, atol=1e-5)

    figure = Figure(figsize=(8, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[6, 1.3], sharey=True)
    shown = np.where(np.arange(STEPS)[:, None] <= np.arange(STEPS), terms, np.nan)
    most = np.abs(terms).max()
    sums = terms.sum(axis=1, keepdims=True)
    for axes, values in ((left, shown), (right, sums)):
        axes.imshow(values, cmap="PuOr", vmin=-most, vmax=most, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                colour = "white" if abs(value) > 0.6 * most else "black"
                axes.text(
                    column,
                    row,
                    f"{value + 0.0:.3f}".replace("-0.000", "0.000").replace("-", "−"),
                    ha="center",
                    va="center",
                    color=colour,
                )
        axes.set_yticks(range(STEPS), [f"{k + 1}" for k in range(STEPS)])
        axes.spines[:].set_visible(False)
    left.set_xticks(range(STEPS), [f"{t + 1}" for t in range(STEPS)])
    left.set(xlabel="step t of the loss", ylabel="step k of the copy of the weight")
    left.set_title("one term of the gradient for each pair k ≤ t")
    right.set_xticks([])
    right.set_title("copy k")
    right.set_xlabel(f"sum {terms.sum():.3f}\nautodiff {whole:.3f}")
    figure.savefig(path, format="png", dpi=100)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "bptt.png")
