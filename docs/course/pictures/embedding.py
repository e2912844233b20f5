"""Draws a lookup as the product of one-hot rows and the table, and the gradient of the table."""

from __future__ import annotations

from pathlib import Path


def draw(path: Path) -> None:
    """Writes the picture."""
    import keras
    import numpy as np
    import tensorflow as tf
    from matplotlib.figure import Figure

    from mmtoolkit.layers import SequenceEncoder, TokenEmbedding

    keras.utils.set_random_seed(0)
    layer, encoder = TokenEmbedding(10, 3), SequenceEncoder(6, cell="rnn")
    tokens = np.array([[7, 2, 2, 0]])
    with tf.GradientTape() as tape:
        vectors = layer(tokens)
        loss = keras.ops.sum(encoder(vectors, tokens != 0)[1])
    gradient = np.asarray(tape.gradient(loss, layer.table.value))
    table = np.asarray(layer.table)

    figure = Figure(figsize=(9.4, 3.6), dpi=100, layout="constrained")
    axes = figure.subplots(1, 4, width_ratios=(8.5, 4.4, 4.4, 4.4))
    words = [f"{token}" if token else "0, PAD" for token in tokens[0]]
    parts = (
        ("one-hot rows, T × V", np.eye(10)[tokens[0]], words, "Greys", 1.3),
        ("table E, V × D", table, range(10), "PuOr", 0.13),
        ("vectors, T × D", np.asarray(vectors)[0], words, "PuOr", 0.13),
        ("gradient of E", gradient, range(10), "PuOr", 1.3 * float(np.abs(gradient).max())),
    )
    for place, (axis, (title, values, rows, colours, most)) in enumerate(zip(axes, parts, strict=True)):
        axis.imshow(values, cmap=colours, vmin=-most if place else 0, vmax=most, aspect="auto")
        for row, column in np.ndindex(values.shape):
            value = values[row, column]
            if place == 0 and not value:
                continue
            shown = f"{value:.0f}" if place == 0 or value == 0 else f"{value:.2f}"
            shade = "white" if abs(value) > 0.72 * most else "black"
            axis.text(column, row, shown, ha="center", va="center", size=9, color=shade)
        axis.set_title(title, fontsize=10)
        axis.set_xticks(range(values.shape[1]))
        axis.set_yticks(range(len(values)), rows)
        axis.tick_params(length=0, labelsize=9)
        axis.set_xlabel("token" if place == 0 else "feature", fontsize=9)
    for axis, sign in zip(axes[1:3], "×=", strict=True):
        axis.set_ylabel(sign, rotation=0, fontsize=18, labelpad=10, va="center")
    figure.savefig(path)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "embedding.png")
