"""What the model answers to a few fixed questions, and where it looks, after each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmtoolkit.errors import InputError
from mmtoolkit.evaluation import answer_sheet
from mmtoolkit.files import write_atomically
from mmtoolkit.models import VisualQA
from mmtoolkit.monitoring.callbacks import Tell, once_each
from mmtoolkit.monitoring.events import Events
from mmtoolkit.monitoring.samples import spread
from mmtoolkit.records import QuestionRecord
from mmtoolkit.vision import ImageSource

SHOWN = 12


class SampleAnswers:
    """Shows the answers to a few fixed questions and, of a model with attention, where it looked for the first.

    Nothing is computed twice for it: `DecodedValidation(…, watch=samples)` gives it the answers that it has scored.

    Example:
        >>> samples = SampleAnswers(valid, store, Path("runs/a/samples"), events=events, tell=print)
        >>> samples(model, 1, {"7": "red", …})
        epoch 1: 1.jpg 'what colour is it?' 'red' (reference: 'blue'); more in runs/a/samples/epoch-01.txt

    Args:
        records: The validation split; the questions shown are spread evenly over it.
        source: Where features or pixels come from.
        folder: Where `epoch-01.txt` and `epoch-01.png` are written.
        events: Where TensorBoard finds them.
        tell: Called with a line for each epoch, and once with what cannot be drawn.
    """

    def __init__(
        self, records: Sequence[QuestionRecord], source: ImageSource | None, folder: Path, *, events: Events, tell: Tell
    ) -> None:
        self.source, self.folder, self.events, self.tell = source, folder, events, tell
        self.shown, self.warn = spread(records, SHOWN), once_each(tell)

    def __call__(self, model: VisualQA, epoch: int, answers: Mapping[str, str]) -> None:
        """Writes and tells what there is to see; epochs count from 1."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"epoch-{epoch:02d}.txt"
        lines = [sample_line(record, answers[record.question_id]) for record in self.shown]
        write_atomically(target, lambda file: file.write("".join(f"{line}\n" for line in lines).encode()))
        self.events.text("samples/answers", "\n".join(lines), step=epoch)
        self.tell(f"epoch {epoch}: {lines[0]}; more in {target}")
        if model.has_attention:
            self.look(model, epoch, answers[self.shown[0].question_id])

    def look(self, model: VisualQA, epoch: int, answer: str) -> None:
        """Draws the attention for the first question; what cannot be drawn is said once and ends nothing."""
        record = self.shown[0]
        inputs = model.inputs_for([record.image], [record.question], self.source)
        try:
            sheet = answer_sheet(model, record.image, record.question, answer, model.attention_weights(inputs)[0])
        except InputError as error:  # no font with Hangul, say
            self.warn("picture", f"no picture of the attention: {error}")
            return
        write_atomically(self.folder / f"epoch-{epoch:02d}.png", lambda file: sheet.save(file, "PNG"))
        self.events.picture("samples/attention", sheet, step=epoch)


def sample_line(record: QuestionRecord, answer: str) -> str:
    """A question with its answer and what a person answered.

    Example:
        >>> sample_line(QuestionRecord(Path("1.jpg"), "1.jpg", "what is it?", ("dog",), "7"), "cat")
        "1.jpg 'what is it?' 'cat' (reference: 'dog')"
    """
    return f"{record.image_id} {record.question!r} {answer!r} (reference: {record.answers[0]!r})"
