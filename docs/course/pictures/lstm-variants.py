"""Draws the cell states of four cells: one counts, one is bounded, one resets itself, one follows the layer below."""

from __future__ import annotations

from pathlib import Path

STEPS, WRITTEN = 30, 0.1


def draw(path: Path) -> None:
    """Steps through cells of one unit whose gates are set by hand; at first each of them writes 0.1 a step."""
    import numpy as np
    from matplotlib.figure import Figure

    from mmtoolkit.layers import CoupledLSTMCell, DepthGatedLSTMCell, LSTMCell, PeepholeLSTMCell

    lower = np.where(np.arange(STEPS) < STEPS // 2, 1.0, -1.0).astype("float32")  # the cell state of the layer below

    def run(kind: type, bias: list[float], extra: np.ndarray | None = None) -> np.ndarray:
        """Returns the outputs and the cell states, `[2, steps]`."""
        cell, zeros = kind(1), np.zeros((1, 1), "float32")
        cell.build()
        cell.set_weights([np.zeros(cell.recurrent_kernel.shape), np.array(bias), *([] if extra is None else [extra])])
        state, found = (zeros, zeros), []
        for value in lower:
            below = (zeros, zeros + value) if cell.reads_below else None
            state = cell(np.zeros((1, cell.gates), "float32"), state, below=below)
            found.append([float(part[0, 0]) for part in state])
        return np.transpose(found)

    opened, little, nine = 20.0, float(np.arctanh(WRITTEN)), float(np.log(9.0))  # sigmoid(nine) is 0.9
    panels = {
        "LSTM: f = i = 1, it counts": run(LSTMCell, [opened, opened, little, opened]),
        "coupled: f = 0.9, candidate 1: bounded": run(CoupledLSTMCell, [nine, opened, opened]),
        "peephole: forgets and puts out at C = 1": run(
            PeepholeLSTMCell, [opened, 380.0, little, -380.0], np.array([[0.0, -400.0, 400.0]])
        ),
        "depth-gated: f = 0.9, d = 0.1, i = 0": run(
            DepthGatedLSTMCell, [-opened, nine, 0.0, opened, -nine], np.zeros(2)
        ),
    }
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    steps = np.arange(1, STEPS + 1)
    every = figure.subplots(2, 2, sharex=True).ravel()
    for axes, (title, (outputs, carries)) in zip(every, panels.items(), strict=True):
        axes.plot(steps, carries, color="#0072b2", label="cell state C")
        axes.plot(steps, outputs, color="#d55e00", linestyle="--", label="output h")
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    every[3].plot(steps, lower, color="#666666", linestyle=":", drawstyle="steps-mid", label="C of the layer below")
    figure.legend(handles=every[3].get_lines(), loc="outside lower center", ncols=3)
    for axes in every[2:]:
        axes.set_xlabel("step")
    figure.savefig(path, format="png", dpi=90)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "lstm-variants.png")
