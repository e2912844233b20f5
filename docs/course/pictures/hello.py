"""Draws how a model learns to spell "hello", what it then predicts, and its state after each "l"."""

from __future__ import annotations

from pathlib import Path


def draw(path: Path) -> None:
    """Writes the picture."""
    import keras
    import numpy as np
    from matplotlib.figure import Figure

    import mmtoolkit as mm

    codec = mm.TextCodec.fit(["hello"], level="raw", lower=False)
    one_hot = {"embedding_dim": 8, "embeddings": np.eye(8), "freeze_embeddings": True}
    ids = codec.encode_batch(["hello"])[:, 1:-1]

    inputs = {"tokens": ids[:, :-1]}
    keras.utils.set_random_seed(0)
    model = mm.LanguageModel(codec, cell="rnn", units=8, dropout=0.0, **one_hot)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss=loss, jit_compile=False)
    losses = [float(model.train_on_batch(inputs, ids[:, 1:])) for _ in range(25)]
    letters = [codec.vocabulary.id_of[letter] for letter in "helo"]
    chances = np.asarray(keras.ops.softmax(model(inputs)))[0][:, letters]
    states = np.asarray(model.stack(model.embedding(inputs["tokens"]))[0])[0]

    figure = Figure(figsize=(9.6, 3.4), dpi=100, layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.25, 0.9, 1.25))
    left.plot(losses, color="#0072b2", linewidth=2)
    left.axhline(np.log(2) / 2, color="#d55e00", linewidth=1.5, linestyle="--")
    left.text(24, np.log(2) / 2 + 0.05, "least without a state:\n½ ln 2 = 0.35", ha="right", size=9, color="#b04a00")
    left.set(title="Loss", xlabel="step of training", ylim=(0, 2.3))

    middle.imshow(chances, cmap="Blues", vmin=0, vmax=1.2)
    for row, column in np.ndindex(chances.shape):
        shade = "white" if chances[row, column] > 0.75 else "black"
        middle.text(column, row, f"{chances[row, column]:.2f}", ha="center", va="center", size=9, color=shade)
    middle.set(title="Probabilities after 25 steps", xlabel="next letter", ylabel="letter read")
    middle.title.set_fontsize(11)
    middle.set_xticks(range(4), list("helo"))
    middle.set_yticks(range(4), list("hell"))
    middle.tick_params(length=0)

    units = np.arange(8)
    right.bar(units - 0.2, states[2], 0.4, color="#56b4e9", edgecolor="black", linewidth=0.6, label="first l")
    right.bar(
        units + 0.2, states[3], 0.4, color="#e69f00", edgecolor="black", linewidth=0.6, hatch="//", label="second l"
    )
    right.axhline(0, color="black", linewidth=0.8)
    right.set(title="State after each l", xlabel="unit", ylim=(-1.1, 1.6))
    right.set_xticks(units)
    right.legend(fontsize=9, frameon=False, ncols=2, loc="upper center")
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "hello.png")
