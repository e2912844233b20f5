"""Draws a GRU that holds a value until its update gate opens, and how fast a state fades for four of its biases."""

from __future__ import annotations

from pathlib import Path


def draw(path: Path) -> None:
    """Writes the picture."""
    import numpy as np
    from matplotlib.figure import Figure

    from mmtoolkit.layers import GRULectureCell

    def run(to_update: float, bias: float, inputs: np.ndarray, start: float) -> np.ndarray:
        """Runs a cell with one unit over inputs `[time, value and mark]`; its candidate is tanh of twice the value."""
        cell = GRULectureCell(1)
        cell.build()
        cell.set_weights([np.zeros((1, 2)), np.array([bias, 0.0, 0.0]), np.zeros((1, 1))])
        kernel = np.array([[0.0, 0.0, 2.0], [to_update, 0.0, 0.0]], "float32")
        state, states = (np.full((1, 1), start, "float32"),), []
        for row in inputs.astype("float32") @ kernel:
            state = cell(row[None], state)
            states.append(float(state[0][0, 0]))
        return np.array(states)

    steps = np.arange(40)
    inputs = np.zeros((40, 2))
    inputs[:, 0] = np.random.default_rng(0).uniform(-1, 1, 40)
    inputs[[4, 18, 30], 1] = 1.0
    inputs[[4, 18, 30], 0] = 0.8, -0.5, 0.3
    held = run(14.0, -7.0, inputs, 0.0)
    gate = 1 / (1 + np.exp(7.0 - 14.0 * inputs[:, 1]))

    figure = Figure(figsize=(9, 3.6), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    left.plot(steps, inputs[:, 0], "o", color="0.65", markersize=4, label="input x")
    left.plot(steps, held, color="#0072b2", linewidth=2.5, drawstyle="steps-mid", label="state h")
    left.vlines(steps, 0, gate, color="#d55e00", linewidth=2, label="update gate z")
    left.set(title="The state is replaced only where z opens", xlabel="step", ylim=(-1.1, 1.55))
    left.legend(loc="upper center", ncols=3, fontsize=9, frameon=False)

    shades, lines = ("#0072b2", "#e69f00", "#009e73", "#000000"), ("-", "--", "-.", ":")
    for bias, colour, line in zip((-6.0, -4.0, -2.0, 0.0), shades, lines, strict=True):
        faded = run(0.0, bias, np.zeros((60, 2)), 1.0)
        share = 1 / (1 + np.exp(bias))
        label = f"{bias:g}: {share:.3f}"
        right.plot(
            np.arange(61), np.concatenate([[1.0], faded]), color=colour, linestyle=line, linewidth=2, label=label
        )
    right.set(title="A state fades as (1 − z) to the power t", xlabel="steps t", ylabel="h", ylim=(-0.03, 1.5))
    right.legend(loc="upper center", ncols=2, fontsize=9, frameon=False, title="bias of z, and 1 − z", title_fontsize=9)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "gru.png")
