"""Draws what windows leave of the full gradient of an LSTM's recurrent kernel: its direction and its size."""

from __future__ import annotations

from pathlib import Path

WINDOWS, LENGTH = (1, 2, 4, 8, 16, 24, 48), 48
KINDS = {1.0: ("forget bias 1, as it starts", "#0072b2", "o"), 5.0: ("forget bias 5, gates open", "#d55e00", "s")}


def draw(path: Path) -> None:
    """Compares the gradients of windows with that of all steps."""
    import numpy as np
    from matplotlib.figure import Figure

    from mmtoolkit.experiments.gradient_flow import kernel_gradient, random_encoder, random_inputs

    figure = Figure(figsize=(8, 3.8), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    vectors = random_inputs(LENGTH, rows=4, seed=0)
    for bias, (label, colour, marker) in KINDS.items():
        encoder = random_encoder("lstm", units=16, gain=1.0, seed=0, keep_bias=bias)
        parts = [kernel_gradient(encoder, vectors, window) for window in WINDOWS]
        norms = [np.linalg.norm(part) for part in parts]
        cosines = [np.vdot(part, parts[-1]) / norm / norms[-1] for part, norm in zip(parts, norms, strict=True)]
        for axes, curve in zip(panels, (cosines, [norm / norms[-1] for norm in norms]), strict=True):
            axes.semilogx(WINDOWS, curve, color=colour, marker=marker, label=label)
    panels[0].set_title("cosine with the full gradient")
    panels[1].set_title("norm, as a share of the full gradient's")
    for axes in panels:
        axes.set_xticks(WINDOWS, [str(window) for window in WINDOWS])
        axes.minorticks_off()
        axes.set(xlabel=f"window, of {LENGTH} steps", ylim=(0, 1.05))
        axes.grid(alpha=0.3)
    panels[0].legend(loc="lower right")
    figure.savefig(path, format="png", dpi=100)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "truncated-bptt.png")
