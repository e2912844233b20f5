"""Draws word vectors of a toy corpus on their main axes, and the cosines of all words with two analogies."""

from __future__ import annotations

from pathlib import Path

GROUPS = {
    "he": ["he", "his", "beard"],
    "she": ["she", "her", "dress"],
    "court": ["crown", "throne", "palace"],
    "farm": ["field", "plough", "village"],
}
PEOPLE = {"king": ("he", "court"), "queen": ("she", "court"), "man": ("he", "farm"), "woman": ("she", "farm")}


def draw(path: Path) -> None:
    """Writes the picture."""
    import random

    import numpy as np
    from matplotlib.figure import Figure

    import mmtoolkit as mm
    from mmtoolkit.text import analogy

    chance = random.Random(0)
    corpus = []
    for _ in range(1000):
        person = chance.choice(list(PEOPLE))
        first, last = PEOPLE[person]
        corpus.append([chance.choice(GROUPS[first]), person, chance.choice(GROUPS[last])])
    vectors = mm.train_vectors(corpus, dim=8, window=2, epochs=200)
    table = np.stack([vectors[word] / np.linalg.norm(vectors[word]) for word in PEOPLE])
    table -= table.mean(axis=0)
    places = table @ np.linalg.svd(table, full_matrices=False)[2][:2].T
    places = places if abs(places[0, 1] - places[2, 1]) > abs(places[0, 0] - places[2, 0]) else places[:, ::-1]
    at = dict(zip(PEOPLE, places * np.where(places[0] < 0, -1, 1), strict=True))  # the king to the top right

    figure = Figure(figsize=(9, 4), dpi=100, layout="constrained")
    plane, *charts = figure.subplots(1, 3, width_ratios=(1.5, 1, 1))
    for word, place in at.items():
        plane.plot(*place, "o", color="black", markersize=8)
        above = 10 if word in ("king", "queen") else -20
        plane.annotate(word, place, (0, above), textcoords="offset points", ha="center", fontsize=13)
    for start, end in (("man", "king"), ("woman", "queen")):
        arrow = {"arrowstyle": "->", "color": "#0072b2", "shrinkA": 7, "shrinkB": 7, "linewidth": 2}
        plane.annotate("", at[end], at[start], arrowprops=arrow)
    plane.set(title="CBOW vectors on their two main axes", xticks=[], yticks=[])
    plane.margins(0.2)
    plane.set_aspect("equal")
    for axes, (minus, plus) in zip(charts, (("man", "woman"), ("woman", "man")), strict=True):
        ranked = analogy(vectors, minus, "king", plus, top=20)[::-1]
        colours = ["#d55e00" if word == "queen" else "0.7" for word, _ in ranked]
        axes.barh([word for word, _ in ranked], [cosine for _, cosine in ranked], color=colours)
        axes.set(title=f"king − {minus} + {plus}", xlabel="cosine", xlim=(-0.65, 1.05))
        axes.axvline(0, color="black", linewidth=0.8)
    for axes in (plane, *charts):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "word2vec.png")
