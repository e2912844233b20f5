"""Draws what each word of a caption of a drawn scene attends to, and the region that hard attention would read."""

from __future__ import annotations

from pathlib import Path


def draw(path: Path) -> None:
    import numpy as np
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    import mmtoolkit as mm
    from mmtoolkit.scenes import Scene, Shape, draw_scene

    shapes = Shape("triangle", "purple", 0, 1, "large"), Shape("square", "red", 2, 1, "large")
    look = mm.load("shapes_demo").look(draw_scene(Scene(shapes), size=64))
    maps = np.asarray(look.attention)
    rows, columns = maps.shape[1:]
    figure = Figure(figsize=(9.4, 3.6), dpi=100)
    axes = figure.subplots(2, (len(maps) + 2) // 2).flat
    grey = np.asarray(look.view.pixels, float).mean(axis=-1)
    for word, weights, place in zip(["", *look.view.words], [maps[0], *maps], axes, strict=True):
        place.set_xticks([])
        place.set_yticks([])
        sides = (-0.5, columns - 0.5, rows - 0.5, -0.5)
        if not word:
            place.imshow(look.view.pixels, extent=sides)
            place.set_title("the picture", fontsize=11)
            continue
        shown = place.imshow(weights, cmap="viridis", vmin=0, vmax=float(maps.max()))
        place.contour(grey[::-1], levels=[180], extent=(-0.5, columns - 0.5, rows - 0.5, -0.5), colors="white")
        row, column = np.unravel_index(weights.argmax(), weights.shape)
        place.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="red", linewidth=2))
        place.set_title(word, fontsize=11)
    figure.subplots_adjust(left=0.01, right=0.9, top=0.92, bottom=0.02, wspace=0.08, hspace=0.2)
    bar = figure.colorbar(shown, cax=figure.add_axes((0.915, 0.06, 0.012, 0.84)))
    bar.ax.tick_params(labelsize=9)
    bar.set_label("weight of a region", fontsize=9)
    figure.savefig(path)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "image-captioning.png")
