"""Draws an LSTM that stores a value, keeps it, and forgets it, with its gates, step by step."""

from __future__ import annotations

from pathlib import Path

STEPS, STORE, READ, FORGET = 30, 4, 18, 24


def draw(path: Path) -> None:
    """Steps through a cell of one unit whose gates are driven by their inputs alone."""
    import numpy as np
    from matplotlib.figure import Figure

    from mmtoolkit.layers import LSTMCell

    cell = LSTMCell(1)
    cell.build()
    cell.set_weights([np.zeros((1, 4)), np.array([-4.0, 4.0, 0.0, -4.0])])  # closed, open, -, closed
    projections = np.zeros((STEPS, 1, 4), "float32")  # input, forget, candidate, output
    projections[:, 0, 2] = np.random.default_rng(0).normal(size=STEPS)  # a candidate at every step
    projections[STORE, 0, [0, 2]] = 8.0, 1.5
    projections[READ, 0, 3] = 8.0
    projections[FORGET, 0, 1] = -8.0
    state, carries, outputs = (np.zeros((1, 1), "float32"),) * 2, [], []
    for projection in projections:
        state = cell(projection, state)
        outputs.append(float(state[0][0, 0]))
        carries.append(float(state[1][0, 0]))
    totals = projections[:, 0] + np.asarray(cell.bias)
    gates = 1 / (1 + np.exp(-totals))
    candidates = np.tanh(totals[:, 2])

    figure = Figure(figsize=(8, 5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 4])
    steps = np.arange(STEPS)
    rows = np.stack([gates[:, 1], gates[:, 0], gates[:, 3]])
    upper.imshow(rows, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    upper.set_title("gates: light is open (0.98), dark is shut (0.02)", fontsize=10)
    upper.set_yticks(range(3), ["forget gate", "input gate", "output gate"])
    lower.plot(steps, candidates, ".", color="#999999", label="candidate C~")
    lower.plot(steps, carries, color="#0072b2", marker="o", markersize=4, label="cell state C")
    lower.plot(steps, outputs, color="#d55e00", linestyle="--", marker="s", markersize=4, label="output h")
    for step, word in ((STORE, "stored"), (READ, "read"), (FORGET, "forgotten")):
        lower.annotate(word, (step, 1.32), ha="center", va="center")
        lower.axvline(step, ymax=0.9, color="black", linewidth=0.6, linestyle=":")
    lower.set(xlabel="step", ylim=(-1.7, 1.5))
    lower.grid(alpha=0.3)
    lower.legend(loc="lower center", ncols=3)
    figure.savefig(path, format="png", dpi=100)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "lstm.png")
