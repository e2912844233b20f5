"""Image captioning: an image in, a sentence out."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mmtoolkit.labelling import CAPTIONS
from mmtoolkit.metrics import (
    Bootstrap,
    CaptionMetric,
    broken_share,
    in_words,
    known_share,
    mean_words,
    repeated_share,
    tokenizer_of,
    unique_share,
)
from mmtoolkit.metrics.cider import cider_by_image
from mmtoolkit.metrics.content_words import known_content
from mmtoolkit.metrics.derangement import derangement
from mmtoolkit.metrics.signature import signature
from mmtoolkit.readers import OnError, load_captions
from mmtoolkit.readers.caption_files import captions_files
from mmtoolkit.records import CaptionRecord, texts
from mmtoolkit.task import Evaluation, Grades, PictureView, Section, Task, Texts, View

if TYPE_CHECKING:
    from mmtoolkit.models import Captioner
    from mmtoolkit.readers import Fault

PER_IMAGE = 8  # captions of an image in one batch where images go through the encoder: they share its work
CHANCE = 0.75  # share of the captions of other images that score lower than a related one
KNOWN = 2 / 3  # share of the content words of a related caption that people used for the picture, whatever its CIDEr
ENGLISH = 0.9  # share of texts in ASCII, of which the words that end no sentence are known
PERFECT = 10.0  # CIDEr of a caption that equals all its references
STYLE = {  # details about the captions, and what they are called on a page
    "unique_captions": "different captions, of 100",
    "repeated_captions": "captions with a pair of words twice, of 100",
    "broken_captions": "captions that break off, of 100",
    "learnt_captions": "captions that occur in the training set, of 100",
    "mean_words": "words in a caption",
    "reference_words": "words in a person's caption",
}


class Captioning(Task[CaptionRecord]):
    """Captions images, scored by BLEU, ROUGE-L and CIDEr."""

    name = "captioning"
    model_class = "Captioner"
    noun = "caption"
    record_noun = "caption"
    hub_tag = "image-to-text"
    unit = "images"
    form = CAPTIONS
    command = "caption"
    metric: ClassVar[CaptionMetric] = CaptionMetric()
    grades = ("right", "minor errors", "related", "unrelated")
    grade_rule = (
        "Right: scores like the median of people's captions in CIDEr, or is one of them. Unrelated: scores no more "
        "than three in four captions of other pictures do, and people used few of its words for the picture."
    )

    def files(self, folder: Path) -> list[Path]:
        return captions_files(folder)

    def load(
        self,
        path: Path,
        *,
        splits: Iterable[str] | None = None,
        on_error: OnError = "fail",
        exclude: Path | None = None,
    ) -> tuple[list[CaptionRecord], list[Fault]]:
        return load_captions(path, splits=splits, on_error=on_error, exclude=exclude)

    def example(self, image: Any, text: str = "") -> CaptionRecord:
        return CaptionRecord(image, str(image), ())

    def texts(self, records: Sequence[CaptionRecord]) -> dict[str, list[str]]:
        return {"words": texts(records)}

    def inputs(self, model: Captioner, examples: Sequence[CaptionRecord], source: Any) -> dict[str, Any]:
        return {source.input_name: source.read([example.image for example in examples])}

    def dataset(self, model: Captioner, records: Sequence[CaptionRecord], source: Any, **order: Any) -> Any:
        from mmtoolkit.data import caption_dataset

        longest = model.max_length - 1  # without END
        shared = PER_IMAGE if model.encoder else 1
        given = {"features": source, "per_group": shared, "max_length": longest, **order}
        return caption_dataset(records, model.codec, **given)

    def loss(self, model: Captioner, label_smoothing: float) -> Any:
        from mmtoolkit.losses import token_loss

        return token_loss(label_smoothing)

    def search(self, model: Captioner, n_best: int = 1) -> Any:
        from mmtoolkit.decoding import best_of

        return model.decoding if n_best == 1 else best_of(model.decoding, n_best)

    def choose_search(self, model: Captioner, n_best: int | None, options: Mapping[str, Any]) -> Any:
        from mmtoolkit.decoding import choose_search

        return choose_search(model.decoding, n_best=1 if n_best is None else n_best, **options)

    def baselines(self, evaluation: Evaluation) -> dict[str, Texts]:
        outputs = evaluation.outputs
        if len(outputs) < 2:
            return {}
        others = derangement(list(outputs), evaluation.seed)
        return {"captions of other pictures": {key: outputs[others[key]] for key in outputs}}

    def grade(self, evaluation: Evaluation) -> Grades:
        return caption_grades(evaluation.outputs, evaluation.references, seed=evaluation.seed)

    def details(self, evaluation: Evaluation) -> dict[str, Any]:
        from mmtoolkit.decoding import search_config

        captions, references = list(evaluation.outputs.values()), evaluation.references.values()
        people = [caption for given in references for caption in given]
        style = {
            "unique_captions": unique_share(captions),
            "repeated_captions": repeated_share(captions),
            "mean_words": mean_words(captions),
            "reference_words": mean_words(people),
        }
        if evaluation.train_records:
            style["learnt_captions"] = known_share(captions, texts(evaluation.train_records))
        tokenize = tokenizer_of(references)
        if sum(map(str.isascii, people)) > ENGLISH * len(people):
            style["broken_captions"] = broken_share(captions)
        how = {
            "signature": signature(references, tokenize=tokenize, bootstrap=Bootstrap()),
            "decoding": search_config(evaluation.search),
        }
        return style | how

    def sections(self, report: Mapping[str, Any]) -> list[Section]:
        rows = [[name, f"{report[key]:.1f}"] for key, name in STYLE.items() if key in report]
        return [Section("How it writes", [["", ""], *rows])] if rows else []

    def views(
        self, model: Captioner, examples: Sequence[CaptionRecord], outputs: Sequence[str], source: Any
    ) -> list[View]:
        from mmtoolkit.models.look import caption_views

        inputs = self.inputs(model, examples, source) if examples else {}
        return [*caption_views(model, inputs, [example.image for example in examples], outputs)]

    def sample(self, record: CaptionRecord, output: str) -> str:
        """Formats a caption under the name of its image and above what people wrote.

        Example:
            >>> print(captioning.sample(CaptionRecord(Path("1.jpg"), "1.jpg", ("a brown dog runs",)), "a dog runs"))
            1.jpg
              caption:   a dog runs
              reference: a brown dog runs
        """
        references = (f"  reference: {text}" for text in record.captions)
        return "\n".join([record.image_id, f"  caption:   {output}", *references]) + "\n"

    def warnings(self, records: Sequence[CaptionRecord], outputs: Texts, views: Sequence[View]) -> dict[str, str]:
        from mmtoolkit.monitoring.diagnostics import flat_attention, same_captions, still_attention

        same = same_captions([outputs[record.id] for record in records], [record.captions[0] for record in records])
        maps = [view.maps for view in views if isinstance(view, PictureView) and view.maps is not None]
        weights = [each.reshape(len(each), each.shape[1] * each.shape[2]) for each in maps]
        attention = flat_attention(weights) or still_attention(weights)
        return {kind: sign for kind, sign in (("captions", same), ("attention", attention)) if sign}

    def signatures(self, model: Captioner, extractor: Any, *, n_best: int, sample: Any) -> dict[str, Any]:
        from mmtoolkit.tasks.captioning_serving import signatures

        return signatures(model, extractor, n_best=n_best, sample=sample)

    def golden(self, model: Captioner, probes: Any, *, n_best: int, sample: Any, tolerance: float) -> Iterable[Any]:
        from mmtoolkit.tasks.captioning_serving import golden

        return golden(self, model, probes, n_best=n_best, sample=sample, tolerance=tolerance)


captioning = Captioning()


def caption_grades(captions: Texts, references: Mapping[str, Sequence[str]], *, seed: int = 0) -> Grades:
    """Grades captions by CIDEr, and by which of their content words are right.

    What people wrote sets the upper mark: a right caption scores at least as the median reference does against the
    other references of its image, or is one of its references. Chance sets the lower one: an unrelated caption scores
    no more than three in four captions of other images, and its references have fewer than two thirds of its content
    words: what is named rightly, but in other words, is related. The others are halved between the marks.

    Args:
        captions: By image, its caption.
        references: By image, its references.
        seed: Random seed of the derangement.

    Returns:
        One of the task's grades for each image; and the marks above which `right`, `minor errors` and `related` begin.

    Source: Vinyals et al., "Show and Tell", 2015, figure 5, where people graded.
    """
    right, minor, related, unrelated = Captioning.grades
    tokenize = tokenizer_of(references.values())
    hypotheses, wanted = in_words(captions, references, tokenize=tokenize)
    spaced = tokenize != "char"  # single characters are in many references
    scores = cider_by_image(hypotheses, wanted)
    words_of, others = dict(zip(captions, hypotheses, strict=True)), derangement(list(captions), seed)
    by_chance = cider_by_image([words_of[others[name]] for name in captions], wanted)
    people = [(texts[0], texts[1:]) for texts in wanted if len(texts) > 1]
    usual = statistics.median(cider_by_image(*zip(*people, strict=True))) if people else PERFECT
    low = float(np.quantile(by_chance, CHANCE))
    high = max(usual, low)
    middle = (low + high) / 2

    def grade(words: list[str], texts: list[list[str]], score: float) -> str:
        if words in texts or score >= high > low:
            return right
        if score > low:
            return minor if score >= middle else related
        return related if is_known(words, texts) else unrelated

    def is_known(words: list[str], texts: list[list[str]]) -> bool:
        return spaced and known_content(words, texts) >= KNOWN

    grades = map(grade, hypotheses, wanted, scores)
    marks = {right: high, minor: middle, related: low}
    return Grades(dict(zip(captions, grades, strict=True)), marks)
