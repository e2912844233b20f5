"""Draws a recurrent network over four steps with the numbers of its inputs, states and outputs."""

from __future__ import annotations

from pathlib import Path


def draw(path: Path) -> None:
    """Writes the picture."""
    import keras
    import numpy as np
    from matplotlib.figure import Figure

    from mmtoolkit.layers import SequenceEncoder

    keras.utils.set_random_seed(0)
    vectors = np.random.default_rng(0).normal(size=(1, 4, 3)).astype("float32")
    encoder, output = SequenceEncoder(6, cell="rnn"), keras.layers.Dense(10)
    hidden, _ = encoder(vectors)
    states = np.concatenate([np.zeros((1, 6)), np.asarray(hidden)[0]])  # h_0 to h_4
    logits = np.asarray(output(hidden))[0]

    figure = Figure(figsize=(8.6, 5.6), dpi=100, layout="constrained")
    axis = figure.subplots()
    arrow = {"arrowstyle": "-|>", "color": "0.25", "shrinkA": 2, "shrinkB": 2}
    bottoms = {"x": 0.0, "h": 5.4, "y": 13.8}  # a number is a cell of height 1

    def strip(symbol: str, step: int, values: np.ndarray) -> None:
        """Draws a vector as a column of cells above its symbol."""
        left, low = 3.0 * step, bottoms[symbol]
        edges = low + np.arange(len(values) + 1)
        mesh = axis.pcolormesh(
            [left, left + 1.0], edges, values[::-1, None], cmap="PuOr", vmin=-1.6, vmax=1.6, edgecolors="0.5", lw=0.5
        )
        axis.text(left + 1.12, low + len(values) / 2, f"${symbol}_{step}$", va="center", size=12)
        if symbol == "x" and step == 1:
            figure.colorbar(mesh, ax=axis, label="value", shrink=0.6)

    for step in range(5):
        strip("h", step, states[step])
        if step:
            left = 3.0 * step
            strip("x", step, vectors[0, step - 1])
            strip("y", step, logits[step - 1])
            for name, end, start, place in (
                ("xh", (left + 0.5, 5.4), (left + 0.5, 3.0), (left + 0.62, 4.2)),
                ("hy", (left + 0.5, 13.8), (left + 0.5, 11.4), (left + 0.62, 12.6)),
                ("hh", (left, 10.0), (left - 2.0, 10.0), (left - 1.0, 10.5)),
            ):
                axis.annotate("", end, start, arrowprops=arrow)
                axis.text(*place, f"$W_{{{name}}}$", ha="center" if name == "hh" else "left", va="center", size=11)
    for symbol, text in (("x", "input\nD = 3"), ("h", "state\nH = 6"), ("y", "output\nV = 10")):
        axis.text(
            -0.5, bottoms[symbol] + {"x": 1.5, "h": 3.0, "y": 5.0}[symbol], text, ha="right", va="center", size=11
        )
    axis.set(xlim=(-2.4, 14.0), ylim=(-0.3, 24.1))
    axis.set_axis_off()
    figure.savefig(path)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "hidden-state.png")
