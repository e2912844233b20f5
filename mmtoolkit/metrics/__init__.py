"""How good the answers are: pure Python, strings in, numbers out."""

from mmtoolkit.metrics.bleu import bleu
from mmtoolkit.metrics.captions import score_captions
from mmtoolkit.metrics.cider import cider
from mmtoolkit.metrics.rouge import rouge_l
from mmtoolkit.metrics.tokenizer import ptb_tokenize

__all__ = ["bleu", "cider", "ptb_tokenize", "rouge_l", "score_captions"]
