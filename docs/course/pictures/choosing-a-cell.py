"""Draws what three cells reach on the adding problem in ten seconds each, with intervals, at two sizes of the data."""

from __future__ import annotations

from pathlib import Path

# mmtoolkit cells --task adding --length 20 --sizes 1000 10000 --budget 10 --cells rnn gru lstm --seeds 0
RUN = {
    "1,000 sequences": {
        "rnn": (0.03773, 0.03414, 0.04157),
        "gru": (0.007189, 0.006232, 0.008194),
        "lstm": (0.05505, 0.0505, 0.05952),
    },
    "10,000 sequences": {
        "rnn": (0.01902, 0.01698, 0.02117),
        "gru": (0.006245, 0.005527, 0.007028),
        "lstm": (0.02861, 0.0262, 0.03131),
    },
}


def draw(path: Path) -> None:
    """Writes the picture."""
    from matplotlib.figure import Figure

    from mmtoolkit.experiments.cell_comparison import CRITERIA

    chance = CRITERIA["adding"].chance or 0.0
    figure = Figure(figsize=(8.4, 3.8), dpi=100, layout="constrained")
    axes = figure.subplots()
    for (size, cells), shift, colour, mark in zip(RUN.items(), (-0.1, 0.1), ("#0072b2", "#d55e00"), "os", strict=True):
        scores = [score for score, _, _ in cells.values()]
        below = [score - low for score, low, _ in cells.values()]
        above = [high - score for score, _, high in cells.values()]
        places = [place + shift for place in range(len(cells))]
        axes.errorbar(places, scores, [below, above], fmt=mark, color=colour, capsize=6, markersize=7, label=size)
        for place, score in zip(places, scores, strict=True):
            side = -1 if shift < 0 else 1
            axes.annotate(
                f"{score:.3f}",
                (place, score),
                (side * 12, 0),
                textcoords="offset points",
                ha="right" if side < 0 else "left",
                va="center",
                color=colour,
            )
    axes.axhline(chance, color="0.4", linestyle="--", linewidth=1)
    axes.text(-0.45, chance + 0.004, "chance, 1/6: always answers 1", color="0.25")
    axes.set_xticks(range(3), list(RUN["1,000 sequences"]), fontsize=12)
    axes.set(xlim=(-0.5, 2.5), ylim=(0, 0.19), ylabel="mean squared error (lower is better)")
    axes.set_title("Adding problem, 20 steps, 10 seconds of training each, 95 % intervals")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.86), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "choosing-a-cell.png")
