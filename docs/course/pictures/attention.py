"""Draws where the shipped captioner looks in a scene for each word that it writes."""

from __future__ import annotations

from pathlib import Path


def draw(path: Path) -> None:
    """Writes the picture."""
    import numpy as np
    from matplotlib.figure import Figure

    import mmtoolkit as mm
    from mmtoolkit.scenes import Scene, Shape, draw_scene

    captioner = mm.load("shapes_demo")
    scene = Scene((Shape("star", "yellow", 0, 0, "large"), Shape("circle", "blue", 0, 2, "large")))
    picture = draw_scene(scene, size=captioner.image_size)
    look = captioner.look(picture)
    words, maps = look.text.split(), np.asarray(look.attention)
    shapes = np.asarray(picture.convert("L")) < 235

    figure = Figure(figsize=(9.4, 4.1), dpi=100, layout="constrained")
    tiles = figure.subplots(2, 6).ravel()
    tiles[0].imshow(picture)
    tiles[0].set_title("the picture", fontsize=11)
    extent = (0, maps.shape[2], maps.shape[1], 0)
    for number, (tile, word, weights) in enumerate(zip(tiles[1:], words, maps, strict=False), start=1):
        shown = tile.imshow(weights, cmap="YlOrRd", vmin=0, vmax=float(maps.max()), extent=extent)
        across, down = (np.linspace(0, size, len(shapes)) for size in weights.shape[::-1])
        tile.contour(across, down, shapes, levels=[0.5], colors="#0072b2", linewidths=1.5)
        tile.set_title(f"{number}  {word}", fontsize=11)
    for tile in tiles:
        tile.set_xticks([])
        tile.set_yticks([])
    for tile in tiles[1 + len(words) :]:
        tile.set_axis_off()
    figure.colorbar(shown, ax=list(tiles), shrink=0.85, label="share of the attention in each of 64 regions")
    figure.savefig(path)


if __name__ == "__main__":
    draw(Path(__file__).parent.parent / "attention.png")
