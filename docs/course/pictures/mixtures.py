"""Draws what two ways of joining words and a number learn of a label that needs both."""

from __future__ import annotations

from pathlib import Path


def draw(path: Path) -> None:
    import keras
    import numpy as np
    from matplotlib.figure import Figure

    from mmtoolkit.layers import SequenceEncoder, TokenEmbedding

    keras.utils.set_random_seed(0)
    words, number = np.random.randint(0, 6, (1000, 4)), np.random.normal(size=(1000, 1))
    label = (words[:, 0] < 3) ^ (number[:, 0] > 0)
    sentence, value = keras.Input((4,), dtype="int32"), keras.Input((1,))
    _, read = SequenceEncoder(16, cell="rnn")(TokenEmbedding(6, 8)(sentence))
    known = keras.layers.Dense(16, activation="tanh")(value)
    vectors = {"concatenated": keras.layers.Concatenate()([read, known]), "product": read * known}
    outputs = {name: keras.layers.Dense(1, "sigmoid", name=name)(vector) for name, vector in vectors.items()}
    model = keras.Model([sentence, value], outputs)
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy")
    model.fit([words, number], {name: label for name in outputs}, epochs=12, batch_size=100, verbose=0)

    grid = np.linspace(-2, 2, 81)
    firsts = np.repeat([0, 5], len(grid))  # a first word of each kind
    asked = np.stack([firsts, *np.full((3, len(firsts)), 3)], axis=1)
    said = model.predict([asked, np.tile(grid, 2)[:, None]], batch_size=len(firsts), verbose=0)
    figure = Figure(figsize=(8.4, 3.2), dpi=100)
    titles = {"concatenated": "[q ; v], then one output layer", "product": "q ⊙ v, then one output layer"}
    for place, (name, title) in zip(figure.subplots(1, 2, sharey=True), titles.items(), strict=True):
        for first, colour, line in ((0, "tab:blue", "-"), (5, "tab:orange", "--")):
            place.plot(grid, said[name][firsts == first, 0], line, color=colour, label=f"first word {first}")
        place.set_title(title, fontsize=11)
        place.set_xlabel("the number")
        place.set_ylim(-0.05, 1.05)
        place.grid(alpha=0.3)
        place.legend(loc="lower left" if name == "concatenated" else "center left", fontsize=9.5)
    figure.axes[0].set_ylabel("probability of the label 1")
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "mixtures.png")
