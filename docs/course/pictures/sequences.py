"""Draws the shapes of a recurrent network, and by how much each of their outputs changes with each of their inputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def draw(path: Path) -> None:
    """Writes the picture."""
    import keras
    import numpy as np
    from matplotlib.figure import Figure

    from mmtoolkit.layers import AttentionDecoder, SequenceEncoder

    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    vectors, others = random.normal(size=(2, 64, 4, 3)).astype("float32")
    tokens = random.integers(0, 10, (64, 4))
    dense, encoder = keras.layers.Dense(8), SequenceEncoder(16, cell="rnn")
    from_one, from_many = (AttentionDecoder(10, units=16, attention="none", cell="rnn") for _ in range(2))

    def changes(network: Callable[[Any], Any], count: int) -> np.ndarray:
        """Computes `[outputs, inputs]`: how far an output moves when one input is replaced by another."""
        start, rows = np.asarray(network(vectors[:, :count])), []
        for place in range(count):
            replaced = np.array(vectors[:, :count])
            replaced[:, place] = others[:, place]
            rows.append(np.abs(np.asarray(network(replaced)) - start).mean(axis=(0, 2)))
        found = np.stack(rows, axis=1)
        return found / found.max()

    forms: list[tuple[str, int, Callable[[Any], Any]]] = [
        ("one to one", 1, dense),
        ("one to many", 1, lambda x: from_one(tokens, condition=x[:, 0])[0]),
        ("many to one", 4, lambda x: encoder(x)[1][:, None]),
        ("many to many,\naligned", 4, lambda x: encoder(x)[0]),
        ("many to many,\nencoder and decoder", 4, lambda x: from_many(tokens[:, :3], condition=encoder(x)[1])[0]),
    ]
    figure = Figure(figsize=(9.8, 4.9), dpi=100, layout="constrained")
    axes = figure.subplots(2, 5, height_ratios=(1, 1.1))
    arrow = {"arrowstyle": "-|>", "color": "0.35", "shrinkA": 6, "shrinkB": 6}
    for column, (title, count, network) in enumerate(forms):
        found = changes(network, count)
        outputs = len(found)
        above, below = axes[:, column]
        late = column == 4  # the outputs begin after the inputs
        first, steps = (count if late else count - outputs if column == 2 else 0), max(count, outputs)
        steps = count + outputs if late else steps
        for t in range(steps if column else 0):
            above.plot(t, 1, "o", color="#e69f00", markersize=10)
            if t:
                above.annotate("", (t, 1), (t - 1, 1), arrowprops=arrow)
        for t in range(count):
            above.annotate("", (t, 1 if column else 2), (t, 0), arrowprops=arrow)
            above.plot(t, 0, "s", color="#0072b2", markersize=9)
        for t in range(first, first + outputs):
            above.plot(t, 2, "^", color="#009e73", markersize=10)
            if column:
                above.annotate("", (t, 2), (t, 1), arrowprops=arrow)
        middle = (steps - 1) / 2
        above.set(title=title, xlim=(middle - 3.4, middle + 3.4), ylim=(-0.5, 2.5))
        above.title.set_fontsize(10)
        above.set_axis_off()

        below.imshow(found, cmap="Blues", vmin=0, vmax=1.2, extent=(0.5, count + 0.5, outputs + 0.5, 0.5))
        for row, place in np.ndindex(found.shape):
            shade = "white" if found[row, place] > 0.75 else "black"
            below.text(place + 1, row + 1, f"{found[row, place]:.1f}", ha="center", va="center", color=shade, size=9)
        below.set(xlim=(0.5, 4.5), ylim=(4.5, 0.5), aspect="equal", xlabel="input")
        below.set_xticks(range(1, count + 1))
        below.set_yticks(range(1, outputs + 1))
        below.spines[:].set_visible(False)
        below.tick_params(length=0)
    axes[1, 0].set_ylabel("output")
    for height, name, colour in ((2, "outputs", "#009e73"), (1, "states", "#a86f00"), (0, "inputs", "#0072b2")):
        axes[0, 0].text(-0.8, height, name, ha="right", va="center", color=colour, size=9)
    figure.savefig(path)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "sequences.png")
