"""Files to records: captions, pictures, sentences, tests of word vectors, and the cut into train, valid and test."""

from mmtoolkit.readers.captions import read_captions
from mmtoolkit.readers.images import find_images
from mmtoolkit.readers.sentences import read_sentences
from mmtoolkit.readers.splits import Splits, split
from mmtoolkit.readers.word_tests import read_word_test

__all__ = ["Splits", "find_images", "read_captions", "read_sentences", "read_word_test", "split"]
