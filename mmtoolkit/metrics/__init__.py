"""How good the answers are: pure Python, strings in, numbers out; METEOR alone asks Java."""

from mmtoolkit.metrics.bleu import bleu
from mmtoolkit.metrics.captions import caption_statistics, confidence_intervals, corpus_scores, in_words, score_captions
from mmtoolkit.metrics.cider import cider
from mmtoolkit.metrics.diversity import unique_share
from mmtoolkit.metrics.intervals import Bootstrap
from mmtoolkit.metrics.meteor import start_meteor
from mmtoolkit.metrics.ngrams import totals
from mmtoolkit.metrics.rouge import rouge_l
from mmtoolkit.metrics.signature import signature
from mmtoolkit.metrics.tokenizer import ptb_tokenize

__all__ = [
    "Bootstrap",
    "bleu",
    "caption_statistics",
    "cider",
    "confidence_intervals",
    "corpus_scores",
    "in_words",
    "ptb_tokenize",
    "rouge_l",
    "score_captions",
    "signature",
    "start_meteor",
    "totals",
    "unique_share",
]
