"""Shows how far gradients reach through time, for new cells or a trained language model."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mmtoolkit as mm
from mmtoolkit.cli.command import check_target, run, tell
from mmtoolkit.cli.model_options import CellName, Compared
from mmtoolkit.cli.options import Printing, Replacing, Seeded
from mmtoolkit.cli.ranges import Count, Positive
from mmtoolkit.files import write_atomically
from mmtoolkit.installation import install_command
from mmtoolkit.startup import start_tensorflow

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = (1, 10, 25, 50, 100, 250, 500, 1000)  # steps back in the table
ROWS = 16  # sequences that norms are means over


@dataclass(frozen=True, kw_only=True)
class Options(Compared, Printing, Replacing, Seeded):
    """The options of `mmtoolkit gradients`.

    Args:
        gain: Factor of the new recurrent weights, which are orthogonal. At 1.5 a plain network with relu explodes; at 1
            every plain one vanishes.
        keep_bias: Bias of the gate that keeps the state (the forget gate of an LSTM, 1 by default): gates carry the
            gradient as far as they are open.
        preset: A language model that is examined in place of new cells, on passages of --data.
        data: The text for --preset, as char-lm takes it; its validation split is read.
        windows: Lengths of truncated backpropagation that are compared with the full one, for each cell: the angle and
            the difference of the gradients, and the memory that they take.
        clip: Largest norm of the gradients in a short training of each cell, which is compared with one that has none.
        out: PNG file for the norms as curves.
    """

    cells: tuple[CellName, ...] = ("rnn_sigmoid", "rnn", "rnn_relu", "gru", "lstm")
    gain: Positive = 1.5
    keep_bias: float | None = None
    preset: str | None = None
    data: Path | None = None
    windows: tuple[Count, ...] = ()
    clip: Positive | None = None
    out: Path | None = None

    def check(self) -> None:
        """Checks that a preset comes with its text, and windows and clipping without one."""
        super().check()
        if (self.preset is None) != (self.data is None):
            raise mm.InputError("--preset is examined on --data. Received: one of them alone; give both or neither.")
        if self.preset and (self.windows or self.clip):
            raise mm.InputError("--windows and --clip are for new cells. Received: --preset too; leave it out.")


def main(options: Options) -> int:
    """Shows how far gradients reach through time, for new cells or a trained language model.

    Prints the norm of the gradient of a loss at the last step with respect to the state so many steps before, as a
    share of that at the last one. Sigmoid and tanh let it vanish, relu lets it explode, and open gates carry it.
    """
    check_target("--out", options.out, ending=".png", overwrite=options.overwrite)
    start_tensorflow()
    from mmtoolkit.experiments.gradient_flow import clipped_losses, truncations

    norms = of_preset(options) if options.preset else of_cells(options)
    same: dict[str, Any] = {"length": options.length, "units": options.units, "gain": options.gain}
    same |= {"keep_bias": options.keep_bias, "seed": options.seed}
    found: dict[str, Any] = {"norms": {name: curve.tolist() for name, curve in norms.items()}}
    if options.windows:
        found["truncated"] = {
            cell: [each._asdict() for each in truncations(cell, options.windows, **same)] for cell in options.cells
        }
    if options.clip:
        found["losses"] = {
            cell: {
                "unclipped": clipped_losses(cell, None, **same),
                "clipped": clipped_losses(cell, options.clip, **same),
            }
            for cell in options.cells
        }
    if options.out:
        save_curves(options.out, norms)
        tell(f"curves: {options.out}")
    print(json_format.dumps(found, indent=1) if options.json else "\n\n".join(tables(found)))
    return 0


def of_cells(options: Options) -> dict[str, NDArray[Any]]:
    """Computes the norms of each cell with new weights, on random inputs."""
    from mmtoolkit.experiments.gradient_flow import gradient_norms, random_encoder, random_inputs

    vectors = random_inputs(options.length, rows=ROWS, seed=options.seed)
    new: dict[str, Any] = {"units": options.units, "gain": options.gain, "keep_bias": options.keep_bias}
    new["seed"] = options.seed
    return {cell: gradient_norms(random_encoder(cell, **new), vectors) for cell in options.cells}


def of_preset(options: Options) -> dict[str, NDArray[Any]]:
    """Computes the norms of a language model, on the first passages of a text."""
    import numpy as np

    from mmtoolkit.experiments.gradient_flow import gradient_norms

    model = mm.load(options.preset or "")
    if mm.task_of(model) is not mm.language_modelling:
        raise mm.InputError(
            f"--preset expects a language model. Received: {options.preset}, of {mm.task_of(model).name}."
        )
    records, _ = mm.load_texts(options.data or "", splits=["valid"])
    ids = [row for row in model.codec.encode_all([record.text for record in records]) if len(row) > options.length]
    if not ids:
        raise mm.InputError(
            f"--length {options.length} expects passages of so many tokens. Received: {options.data}, whose are "
            "shorter; give a smaller --length."
        )
    tokens = np.stack([row[1 : options.length + 1] for row in ids[:ROWS]])
    return {options.preset or "": gradient_norms(model.stack, model.embedding(tokens))}


def tables(found: Mapping[str, Any]) -> list[str]:
    """Formats all that was computed as tables."""
    norms: Mapping[str, Sequence[float]] = found["norms"]
    length = len(next(iter(norms.values())))
    back = [steps for steps in SHOWN if steps < length] + [length - 1] * (length > 1 and length - 1 not in SHOWN)
    rows = [["steps back", *map(str, back)]]
    rows += [[name, *(f"{curve[-1 - steps]:.1e}" for steps in back)] for name, curve in norms.items()]
    parts = [rows]
    if "truncated" in found:
        rows = [["truncated", "window", "cosine", "error", "MB"]]
        rows += [
            [cell, str(each["window"]), f"{each['cosine']:.3f}", f"{each['error']:.3f}", f"{each['megabytes']:.0f}"]
            for cell, some in found["truncated"].items()
            for each in some
        ]
        parts.append(rows)
    if "losses" in found:
        rows = [["loss", "first", "after, unclipped", "after, clipped"]]
        rows += [
            [cell, f"{both['clipped'][0]:.3g}", f"{both['unclipped'][-1]:.3g}", f"{both['clipped'][-1]:.3g}"]
            for cell, both in found["losses"].items()
        ]
        parts.append(rows)
    return ["\n".join("\t".join(row) for row in part) for part in parts]


def save_curves(path: Path, norms: Mapping[str, NDArray[Any]]) -> None:
    """Draws the norms over the steps back, with a logarithmic axis."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise mm.InputError(f"--out needs matplotlib. Received: none; {install_command('plots')}.") from error
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for name, curve in norms.items():
        shown = [value if value > 0 else float("nan") for value in curve[::-1]]  # of 0 there is no logarithm
        axes.semilogy(range(len(shown)), shown, label=name)
    axes.set(xlabel="steps back", ylabel="norm of the gradient, as a share of the last step's")
    axes.grid(alpha=0.3)
    axes.legend()
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=120))


if __name__ == "__main__":
    run(main)
