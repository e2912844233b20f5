"""Samples of a training: the outputs for a few fixed records after each epoch, over any task."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mmtoolkit.files import write_atomically
from mmtoolkit.monitoring.callbacks import Tell, once_each
from mmtoolkit.monitoring.events import Events
from mmtoolkit.pictures import draw, is_drawn
from mmtoolkit.task import Task, View
from mmtoolkit.vision import ImageSource

RecordT = TypeVar("RecordT")
SETTLED = 2  # epochs without warnings: every model begins with one output and an attention that does not move


class Samples:
    """Writes the outputs for a few fixed records with the view of the first, and warns of degenerate ones.

    It decodes nothing: `DecodedValidation(…, watch=samples)` gives it the outputs that it has scored.

    Example:
        >>> events = Events(Path("logs"))
        >>> samples = Samples(mm.captioning, splits.valid, source, Path("samples"), events=events, tell=print)
        >>> samples(captioner, 1, {record.id: "a red circle" for record in splits.valid})
        epoch 1: images/0000...png 'a red circle' (reference: 'a ...'); more in samples/epoch-01.txt

    Args:
        task: The task of the model.
        records: The validation split; the records shown are spread evenly over it.
        source: Where features or pixels come from; `None` for a model without images.
        folder: Where `epoch-01.txt` and `epoch-01.png` are written.
        events: Where TensorBoard finds them.
        tell: Called with a line for each epoch, and with each warning, at most once for each kind.
    """

    def __init__(
        self,
        task: Task[Any],
        records: Sequence[Any],
        source: ImageSource | None,
        folder: Path,
        *,
        events: Events,
        tell: Tell,
    ) -> None:
        self.task, self.records, self.source, self.folder = task, records, source, folder
        self.events, self.tell, self.warn = events, tell, once_each(tell)
        self.shown = spread(records, task.samples)

    def __call__(self, model: Any, epoch: int, outputs: Mapping[str, str]) -> None:
        """Writes the samples of an epoch; epochs count from 1."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"epoch-{epoch:02d}.txt"
        text = "\n".join(self.task.sample(record, outputs[record.id]) for record in self.shown)
        text = text.rstrip("\n") + "\n"
        write_atomically(target, lambda file: file.write(text.encode()))
        self.events.text(f"samples/{self.task.noun}s", text, step=epoch)
        first = self.shown[0]
        asked = f" {first.input!r}" if first.input else ""
        line = f"{first.group}{asked} {outputs[first.id]!r:.120} (reference: {first.references[0]!r:.120})"
        self.tell(f"epoch {epoch}: {line}; more in {target}")
        views = self.task.views(model, self.shown, [outputs[record.id] for record in self.shown], self.source)
        if epoch > SETTLED:
            for kind, sign in self.task.warnings(self.records, outputs, views).items():
                self.warn(kind, sign)
        if views and is_drawn(views[0]):
            self.draw(views[0], epoch)

    def draw(self, view: View, epoch: int) -> None:
        """Draws a view; warns once of a script that no font has."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            sheet = draw(view)
        if caught:
            self.warn("font", str(caught[0].message))
        write_atomically(self.folder / f"epoch-{epoch:02d}.png", lambda file: sheet.save(file, "PNG"))
        self.events.picture("samples/attention", sheet, step=epoch)


def written_samples(folder: Path, most: int = 12) -> dict[str, str]:
    """Reads the samples that a training has written: the text after each epoch, of many after some of them.

    Example:
        >>> Path("epoch-01.txt").write_text("a red circle\\n")
        13
        >>> written_samples(Path("."))
        {'1': 'a red circle'}
    """
    files = sorted(folder.glob("epoch-*.txt"), key=lambda file: int(file.stem.rpartition("-")[2]))
    shown = dict.fromkeys([*spread(files, most - 1), *files[-1:]])
    return {str(int(file.stem.rpartition("-")[2])): file.read_text(encoding="utf-8").rstrip("\n") for file in shown}


def spread(records: Sequence[RecordT], count: int) -> list[RecordT]:
    """Returns at most `count` records, evenly spaced.

    Example:
        >>> spread("abcdef", 3)
        ['a', 'c', 'e']
    """
    count = min(count, len(records))
    return [records[number * len(records) // count] for number in range(count)]
