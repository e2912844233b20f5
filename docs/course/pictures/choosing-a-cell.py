"""Draws what three cells reach on the adding problem in ten seconds each, with intervals, at two sizes of the data."""

from __future__ import annotations

from pathlib import Path

# mmtoolkit cells --task adding --length 20 --sizes 1000 10000 --budget 10 --cells rnn gru lstm --seed 0
# on two processor cores that had other work at the same time
RUN = {
    "1,000 sequences": {
        "rnn": (0.03462, 0.03137, 0.03791),
        "gru": (0.01023, 0.008969, 0.0116),
        "lstm": (0.1331, 0.1223, 0.1432),
    },
    "10,000 sequences": {
        "rnn": (0.04414, 0.04081, 0.04805),
        "gru": (0.009733, 0.008573, 0.01096),
        "lstm": (0.05572, 0.05163, 0.06026),
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
