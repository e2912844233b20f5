"""What the model writes about a few fixed pictures, and where it looks, after each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from mmtoolkit.errors import InputError
from mmtoolkit.evaluation import attention_sheet
from mmtoolkit.files import write_atomically
from mmtoolkit.models import Captioner
from mmtoolkit.monitoring.callbacks import Tell, once_each
from mmtoolkit.monitoring.diagnostics import flat_attention, same_captions, still_attention
from mmtoolkit.monitoring.events import Events
from mmtoolkit.records import CaptionRecord
from mmtoolkit.vision import ImageSource

RecordT = TypeVar("RecordT")
SHOWN = 4
SETTLED = 2  # epochs without warnings: every captioner begins with one sentence and an attention that stays


class SampleCaptions:
    """Shows captions of a few fixed pictures and the attention over the first, and warns where all is the same.

    Nothing is decoded for it: `DecodedValidation(…, watch=samples)` gives it the captions that it has scored.

    Example:
        >>> samples = SampleCaptions(valid, store, Path("runs/a/samples"), events=events, tell=print)
        >>> samples(captioner, 1, {"1.jpg": "a dog runs", …})
        epoch 1: 1.jpg 'a dog runs' (reference: 'a brown dog runs on grass'); more in runs/a/samples/epoch-01.txt

    Args:
        records: The validation split; the pictures shown are spread evenly over it.
        source: Where its features or pixels come from.
        folder: Where `epoch-01.txt` and `epoch-01.png` are written.
        events: Where TensorBoard finds them.
        tell: Called with a line for each epoch, and with each warning, at most once for each kind.
    """

    def __init__(
        self, records: Sequence[CaptionRecord], source: ImageSource, folder: Path, *, events: Events, tell: Tell
    ) -> None:
        self.records, self.source, self.folder, self.events, self.tell = records, source, folder, events, tell
        self.shown = spread(records, SHOWN)
        self.warn = once_each(tell)

    def __call__(self, model: Captioner, epoch: int, captions: Mapping[str, str]) -> None:
        """Writes and tells what there is to see; epochs count from 1."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"epoch-{epoch:02d}.txt"
        text = "\n".join(sample_text(record, captions[record.image_id]) for record in self.shown)
        write_atomically(target, lambda file: file.write(text.encode()))
        self.events.text("samples/captions", text, step=epoch)
        first = self.shown[0]
        self.tell(
            f"epoch {epoch}: {first.image_id} {captions[first.image_id]!r} (reference: {first.captions[0]!r}); "
            f"more in {target}"
        )
        if epoch > SETTLED:
            references = [record.captions[0] for record in self.records]
            self.warn("captions", same_captions([captions[record.image_id] for record in self.records], references))
        self.look(model, epoch, [captions[record.image_id] for record in self.shown])

    def look(self, model: Captioner, epoch: int, captions: Sequence[str]) -> None:
        """Draws the attention over the first picture; what cannot be drawn is said once and ends nothing."""
        inputs = {self.source.input_name: self.source.read([record.image for record in self.shown])}
        try:
            attention_weights = model.attention_weights(inputs, captions)
            if epoch > SETTLED:
                self.warn("attention", flat_attention(attention_weights) or still_attention(attention_weights))
            sheet = attention_sheet(model, self.shown[0].image, captions[0], attention_weights[0])
        except InputError as error:  # no font with Hangul, say
            self.warn("picture", f"no picture of the attention: {error}")
            return
        write_atomically(self.folder / f"epoch-{epoch:02d}.png", lambda file: sheet.save(file, "PNG"))
        self.events.picture("samples/attention", sheet, step=epoch)


def spread(records: Sequence[RecordT], count: int) -> list[RecordT]:
    """So many records, at most, evenly from first to last.

    Example:
        >>> spread("abcdef", 3)
        ['a', 'c', 'e']
    """
    count = min(count, len(records))
    return [records[number * len(records) // count] for number in range(count)]


def sample_text(record: CaptionRecord, caption: str) -> str:
    """A picture's caption under its name and above what people wrote.

    Example:
        >>> print(sample_text(CaptionRecord(Path("1.jpg"), "1.jpg", ("a brown dog runs",)), "a dog runs"))
        1.jpg
          caption:   a dog runs
          reference: a brown dog runs
    """
    lines = [record.image_id, f"  caption:   {caption}", *(f"  reference: {text}" for text in record.captions)]
    return "\n".join(lines) + "\n"
