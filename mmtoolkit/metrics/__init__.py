"""Metrics of captions and answers: pure Python, strings in, numbers out."""

from mmtoolkit.metrics.bleu import bleu
from mmtoolkit.metrics.calibration import calibration, calibration_error
from mmtoolkit.metrics.captions import (
    CaptionMetric,
    caption_statistics,
    confidence_intervals,
    corpus_scores,
    in_words,
    score_captions,
    tokenizer_of,
)
from mmtoolkit.metrics.cider import cider
from mmtoolkit.metrics.derangement import derangement
from mmtoolkit.metrics.diversity import broken_share, known_share, mean_words, repeated_share, unique_share
from mmtoolkit.metrics.intervals import Bootstrap, paired
from mmtoolkit.metrics.meteor import meteor, meteor_scores, meteor_statistics
from mmtoolkit.metrics.rouge import rouge_l
from mmtoolkit.metrics.signature import signature
from mmtoolkit.metrics.tokenizer import char_tokenize, ptb_tokenize
from mmtoolkit.metrics.vqa import (
    AnswerMetric,
    answer_kind,
    answer_statistics,
    is_match,
    mean_scores,
    most_frequent_answer,
    question_kind,
    score_answers,
    vqa_accuracy,
)
from mmtoolkit.task import summed as totals

__all__ = [
    "AnswerMetric",
    "Bootstrap",
    "CaptionMetric",
    "answer_kind",
    "answer_statistics",
    "bleu",
    "broken_share",
    "calibration",
    "calibration_error",
    "caption_statistics",
    "char_tokenize",
    "cider",
    "confidence_intervals",
    "corpus_scores",
    "derangement",
    "in_words",
    "is_match",
    "known_share",
    "mean_scores",
    "mean_words",
    "paired",
    "ptb_tokenize",
    "question_kind",
    "repeated_share",
    "rouge_l",
    "score_answers",
    "score_captions",
    "signature",
    "meteor",
    "meteor_scores",
    "meteor_statistics",
    "tokenizer_of",
    "totals",
    "most_frequent_answer",
    "vqa_accuracy",
    "unique_share",
]
