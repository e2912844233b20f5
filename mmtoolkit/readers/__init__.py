"""Readers of captions, questions, pictures, sentences and word-vector tests, and the cut into splits."""

from mmtoolkit.readers.captions import UsableCaptions, load_captions, read_captions
from mmtoolkit.readers.exclusions import Excluded
from mmtoolkit.readers.faults import Fault, OnError, left_out, none_left, write_quarantine
from mmtoolkit.readers.images import find_images
from mmtoolkit.readers.questions import UsableQuestions, load_asked, load_questions, read_questions
from mmtoolkit.readers.sentences import read_sentences
from mmtoolkit.readers.splits import NoSuchSplit, Splits, split, split_as_trained, split_name
from mmtoolkit.readers.word_tests import read_word_test

__all__ = [
    "Excluded",
    "Fault",
    "NoSuchSplit",
    "OnError",
    "Splits",
    "UsableCaptions",
    "UsableQuestions",
    "find_images",
    "left_out",
    "none_left",
    "read_captions",
    "read_questions",
    "read_sentences",
    "read_word_test",
    "split",
    "split_as_trained",
    "split_name",
    "load_asked",
    "load_captions",
    "load_questions",
    "write_quarantine",
]
