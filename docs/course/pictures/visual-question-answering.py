"""Draws what a question-answerer attends to for three questions, and the VQA accuracy over the people who agree."""

from __future__ import annotations

from pathlib import Path

QUESTIONS = {
    "what colour is the triangle?": "purple",
    "what colour is the square?": "red",
    "what is to the left\nof the red square?": "purple triangle",
}


def draw(path: Path) -> None:
    import numpy as np
    from matplotlib.figure import Figure

    import mmtoolkit as mm
    from mmtoolkit.metrics import vqa_accuracy
    from mmtoolkit.scenes import Scene, Shape, draw_scene

    shapes = Shape("triangle", "purple", 0, 1, "large"), Shape("square", "red", 2, 1, "large")
    picture, model = draw_scene(Scene(shapes), size=64), mm.load("shapes_vqa")
    figure = Figure(figsize=(9.8, 2.9), dpi=100)
    axes = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.5])
    grey = np.asarray(picture, float).mean(axis=-1)
    for (question, true), place in zip(QUESTIONS.items(), axes, strict=False):
        look = model.look(picture, question.replace("\n", " "))
        maps = np.asarray(look.attention)  # of two hops; the second spreads over both shapes
        rows, columns = maps.shape[1:]
        place.imshow(maps[0], cmap="viridis")
        place.contour(grey[::-1], levels=[180], extent=(-0.5, columns - 0.5, rows - 0.5, -0.5), colors="white")
        place.set(xticks=[], yticks=[])
        place.set_title(question, fontsize=9.5)
        place.set_xlabel(f"{look.text} ({'right' if look.text == true else 'wrong'})", fontsize=11)
    people, last = range(11), axes[-1]
    given = [["red"] * count + ["orange"] * (10 - count) for count in people]
    last.plot(people, [min(count / 3, 1) for count in people], "--", color="tab:orange", label="min(n / 3, 1)")
    last.plot(people, [vqa_accuracy("red", each) for each in given], "o-", color="tab:blue", label="vqa_accuracy")
    last.set_xlabel("n of ten people who gave the answer", fontsize=9.5)
    last.set_title("accuracy of one answer", fontsize=9.5)
    last.tick_params(labelsize=9)
    last.legend(fontsize=9.5, loc="lower right")
    last.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "visual-question-answering.png")
