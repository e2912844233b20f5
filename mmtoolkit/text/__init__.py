"""Text: vocabulary, codec and word2vec."""

from mmtoolkit.text.codec import TextCodec, padded
from mmtoolkit.text.similarity import analogy, known_words, neighbours, score_analogies, score_pairs
from mmtoolkit.text.vector_files import load_vectors, save_vectors
from mmtoolkit.text.vocabulary import END, PAD, SPECIAL, START, UNK, Vocabulary
from mmtoolkit.text.word2vec import align_vectors, centred, coverage, train_vectors, train_word2vec
from mmtoolkit.text.word_tables import length_warning, vocabulary_summary, word_table

__all__ = [
    "END",
    "PAD",
    "SPECIAL",
    "START",
    "UNK",
    "TextCodec",
    "Vocabulary",
    "align_vectors",
    "analogy",
    "centred",
    "coverage",
    "known_words",
    "length_warning",
    "load_vectors",
    "neighbours",
    "padded",
    "save_vectors",
    "score_analogies",
    "score_pairs",
    "train_vectors",
    "train_word2vec",
    "vocabulary_summary",
    "word_table",
]
