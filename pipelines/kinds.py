"""The two kinds of models that look at pictures, and what differs between their trainings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import mmtoolkit as mm
from mmtoolkit.readers import load_captions, load_questions

if TYPE_CHECKING:
    from mmtoolkit.checkpoints import Position
    from mmtoolkit.vision import ImageSource

TOGETHER = 8  # captions of a picture in one batch where pictures go through the model: they share what that costs
Batches = Callable[["Position"], Any]


class Kind(NamedTuple):
    """What a training needs to know of its model.

    Args:
        what: What a record holds besides its picture.
        usable: Reads a data set.
        texts: From records what each codec of the model is made for.
        batches: From a model, records, their source and the options of a job to the batches from a position on.
        loss: From a model and the label smoothing to what is made small.
        judge: What is decoded and scored after each epoch; brings TensorFlow, as do the next ones.
        samples: What shows samples.
        evaluate: The report on a model, from records, their source, and what it has learnt from.
        looks: The pictures of a report's examples, and where the model looked.
    """

    what: str
    usable: Callable[..., Any]
    texts: Callable[[Sequence[Any]], dict[str, list[str]]]
    batches: Callable[[Any, Sequence[Any], ImageSource | None, Mapping[str, Any]], Batches]
    loss: Callable[[Any, float], Any]
    judge: Callable[[], Any]
    samples: Callable[[], Any]
    evaluate: Callable[..., dict[str, Any]]
    looks: Callable[..., Any]


def kind_of(model: Any) -> Kind:
    """The kind of a model."""
    return ANSWERS if isinstance(model, mm.VisualQA) else CAPTIONS


def caption_batches(model: Any, records: Sequence[Any], source: Any, options: Mapping[str, Any]) -> Batches:
    """Batches of captions."""
    same: dict[str, Any] = {"features": source, "per_group": TOGETHER if model.encoder else 1}
    return lambda at: mm.caption_dataset(records, model.codec, **same, **order(options, at))


def question_batches(model: Any, records: Sequence[Any], source: Any, options: Mapping[str, Any]) -> Batches:
    """Batches of questions; END is counted in the longest answer."""
    same: dict[str, Any] = {"max_question": model.max_question, "max_length": model.max_length - 1}
    same["features"] = None if model.question_only else source
    return lambda at: mm.question_dataset(records, model.codec, model.answers_codec, **same, **order(options, at))


def order(options: Mapping[str, Any], at: Position) -> dict[str, Any]:
    """What decides the order of the examples."""
    return {"batch_size": options["batch_size"], "seed": options["seed"], "epoch": at.epoch, "step": at.step}


def evaluated(name: str) -> Any:
    """A part of the evaluation, by name."""
    from mmtoolkit import evaluation

    return getattr(evaluation, name)


def samples(name: str) -> Any:
    """What shows samples, by name."""
    from mmtoolkit import monitoring

    return getattr(monitoring, name)


CAPTIONS = Kind(
    "caption",
    load_captions,
    lambda records: {"words": mm.texts(records)},
    caption_batches,
    lambda model, smoothing: mm.token_loss(smoothing),
    lambda: evaluated("CAPTIONS"),
    lambda: samples("SampleCaptions"),
    lambda model, records, source, **options: mm.evaluate_captions(model, records, source=source, **options),
    lambda *given: evaluated("caption_looks")(*given),
)
ANSWERS = Kind(
    "question",
    load_questions,
    lambda records: {
        "words": [record.question for record in records],
        "answers": [answer for record in records for answer in record.answers],
    },
    question_batches,
    lambda model, smoothing: model.answer_loss(smoothing),
    lambda: evaluated("ANSWERS"),
    lambda: samples("SampleAnswers"),
    lambda model, records, source, train_records=(), **options: mm.evaluate_answers(
        model, records, source=source, **options
    ),
    lambda *given: evaluated("answer_looks")(*given),
)
