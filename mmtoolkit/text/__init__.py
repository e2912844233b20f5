"""Text: vocabulary, codec and word2vec."""

from mmtoolkit.text.codec import TextCodec
from mmtoolkit.text.vocabulary import END, PAD, START, UNK, Vocabulary
from mmtoolkit.text.word2vec import coverage, train_word2vec

__all__ = ["END", "PAD", "START", "UNK", "TextCodec", "Vocabulary", "coverage", "train_word2vec"]
