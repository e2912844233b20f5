"""Captions and answers for whole data sets, and reports on them."""

from mmtoolkit.evaluation.answers import (
    ANSWERS,
    answer_questions,
    answer_sheet,
    evaluate_answers,
    most_frequent_answers,
)
from mmtoolkit.evaluation.captions import CAPTIONS, attention_sheet, evaluate_captions, write_captions
from mmtoolkit.evaluation.groups import answer_group, candidates_needed, caption_groups
from mmtoolkit.evaluation.judge import Judge
from mmtoolkit.evaluation.looks import answer_looks, caption_looks
from mmtoolkit.evaluation.versions import versions

__all__ = [
    "ANSWERS",
    "CAPTIONS",
    "Judge",
    "answer_group",
    "answer_looks",
    "answer_questions",
    "answer_sheet",
    "attention_sheet",
    "caption_groups",
    "caption_looks",
    "evaluate_answers",
    "evaluate_captions",
    "candidates_needed",
    "most_frequent_answers",
    "versions",
    "write_captions",
]
