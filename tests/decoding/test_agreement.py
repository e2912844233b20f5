"""Reranking by agreement, against the metrics on lists of words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras import ops

from mmtoolkit.decoding import BeamSearch
from mmtoolkit.decoding.agreement import rerank, sentence_bleu, sentence_cider
from mmtoolkit.errors import InputError
from mmtoolkit.metrics.cider import ngrams, similarity, weigh
from mmtoolkit.metrics.rewards import smooth_bleu
from mmtoolkit.serving.operations import COMPUTING

LENGTH = 9


@pytest.fixture(scope="module")
def sentences() -> np.ndarray:
    """Three pictures with seven sentences each, of 1 to 9 tokens from few words, so that many n-grams match."""
    random = np.random.default_rng(0)
    ids = random.integers(4, 8, (3, 7, LENGTH))
    for row, length in zip(ids.reshape(-1, LENGTH), random.integers(1, LENGTH + 1, 21), strict=True):
        row[length - 1] = 2
        row[length:] = 0
    ids[0, 1] = ids[0, 0]  # the same one twice
    return ids.astype("int32")


def words(row: np.ndarray) -> list[str]:
    return [str(token) for token in row if token]


def expected(measure: str, ids: np.ndarray) -> np.ndarray:
    def score(one: list[str], other: list[str]) -> float:
        if measure == "bleu":
            return smooth_bleu(one, [other])
        return similarity(weigh(one, ngrams(one), EVEN), weigh(other, ngrams(other), EVEN))

    return np.array([[[score(words(a), words(b)) for b in rows] for a in rows] for rows in ids])


class Even(dict[Any, float]):
    """Weighs all n-grams alike."""

    def get(self, key: Any, default: Any = None) -> float:
        return 1.0

    def __getitem__(self, key: Any) -> float:
        return 1.0


EVEN = Even()


@pytest.mark.parametrize(("measure", "function"), [("bleu", sentence_bleu), ("cider", sentence_cider)])
def test_the_measures_are_those_of_words(sentences: np.ndarray, measure: str, function: Any) -> None:
    found = np.stack([np.asarray(function(ops.convert_to_tensor(rows))) for rows in sentences])
    np.testing.assert_allclose(found, expected(measure, sentences), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("measure", ["bleu", "cider"])
def test_the_order_is_that_of_the_expected_score(sentences: np.ndarray, measure: str) -> None:
    scores = np.random.default_rng(1).normal(-1, 0.5, sentences.shape[:2]).astype("float32")
    scores[2, 4:] = -1e9  # there are fewer sentences than asked for
    sentences = np.where(scores[..., None] < -1e8, 0, sentences)
    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    risk = np.einsum("bij,bj->bi", expected(measure, sentences), chances)
    risk[2, 4:] = -1
    order = np.argsort(-risk, axis=1, kind="stable")
    found, kept = rerank(
        ops.convert_to_tensor(sentences), ops.convert_to_tensor(scores), measure=measure, n_best=5, end=2
    )
    np.testing.assert_array_equal(found, np.take_along_axis(sentences, order[:, :5, None], axis=1))
    np.testing.assert_array_equal(kept, np.take_along_axis(scores, order[:, :5], axis=1))


def table_step(logits: np.ndarray) -> Any:
    table = ops.convert_to_tensor(logits)
    return lambda tokens, state: (ops.take(table, tokens, axis=0), state)


def test_a_beam_is_reranked_as_a_whole() -> None:
    logits = np.random.default_rng(2).normal(size=(8, 8)).astype("float32")
    logits[:, 2] += 0.5  # many sentences end
    same: dict[str, Any] = {"start": 1, "end": 2, "max_length": 6}
    everything, scores = BeamSearch(width=6, n_best=6)(table_step(logits), ops.zeros((2, 1)), **same)
    for n_best in (1, 3, 6):
        search = BeamSearch(width=6, n_best=n_best, rerank="bleu")
        ids, kept = search(table_step(logits), ops.zeros((2, 1)), **same)
        wanted = rerank(everything, scores, measure="bleu", n_best=n_best, end=2)
        np.testing.assert_array_equal(ids, wanted[0])
        np.testing.assert_allclose(kept, wanted[1], rtol=1e-6)
    assert not np.array_equal(ids, everything)


def test_sentences_that_did_not_end_come_last_and_do_not_count() -> None:
    """Three that agree word by word but do not end, and three that did; nobody else is asked what those are worth."""
    cut = [[5, 6, 7, 5], [5, 6, 7, 6], [5, 6, 7, 7]]
    ended = [[5, 6, 2, 0], [8, 9, 2, 0], [8, 9, 4, 2]]
    ids, scores = np.array([[*cut, *ended]], "int32"), np.zeros((1, 6), np.float32)
    alone = rerank(ops.convert_to_tensor(ids[:, 3:]), ops.zeros((1, 3)), measure="bleu", n_best=3, end=2)[0]
    assert np.asarray(alone)[0, 0].tolist() == [8, 9, 2, 0]  # [5, 6] would win with the votes of the others
    found = np.asarray(
        rerank(ops.convert_to_tensor(ids), ops.convert_to_tensor(scores), measure="bleu", n_best=6, end=2)[0]
    )
    np.testing.assert_array_equal(found[0, :3], np.asarray(alone)[0])
    assert sorted(found[0, 3:].tolist()) == cut
    only = rerank(ops.convert_to_tensor(ids[:, :3]), ops.zeros((1, 3)), measure="cider", n_best=1, end=2)[0]
    assert np.asarray(only)[0, 0].tolist() in cut  # where none ended they are all there is


@pytest.mark.parametrize("measure", ["bleu", "cider"])
def test_sentences_shorter_than_an_ngram(measure: str) -> None:
    ids = np.array([[[5, 2], [6, 2], [5, 2]]], "int32")
    found = rerank(ops.convert_to_tensor(ids), ops.zeros((1, 3)), measure=measure, n_best=3, end=2)[0]
    assert np.asarray(found)[0].tolist() == [[5, 2], [5, 2], [6, 2]]


@pytest.mark.parametrize("compiled", [False, True])
def test_it_runs_in_a_graph_of_any_batch(sentences: np.ndarray, compiled: bool) -> None:
    import tensorflow as tf

    signature = [tf.TensorSpec((None, 7, LENGTH), tf.int32), tf.TensorSpec((None, 7), tf.float32)]
    graph = tf.function(
        lambda ids, scores: rerank(ids, scores, measure="cider", n_best=2, end=2),
        input_signature=signature,
        jit_compile=compiled,
    )
    definition = graph.get_concrete_function().graph.as_graph_def()
    operations = {
        node.op
        for part in (definition, *definition.library.function)
        for node in getattr(part, "node", None) or part.node_def
    }
    assert {"Placeholder", "TopKV2"} <= operations and not operations - COMPUTING - {"NoOp", "_Arg", "_Retval"}
    scores = np.zeros((3, 7), np.float32)
    for pictures in (3, 1):
        found = graph(sentences[:pictures], scores[:pictures])[0]
        np.testing.assert_array_equal(
            found, rerank(sentences[:pictures], scores[:pictures], measure="cider", n_best=2, end=2)[0]
        )


def test_what_cannot_be_reranked_is_named() -> None:
    with pytest.raises(InputError, match=r"rerank is one of none, cider, bleu\. Received: 'rouge'"):
        BeamSearch(rerank="rouge")
    with pytest.raises(InputError, match=r"compares the sentences of a beam\. Received: rerank='bleu' with width=1"):
        BeamSearch(width=1, rerank="bleu")
    with pytest.raises(InputError, match=r"at most 4,096 tokens together\. Received: 1000 sentences of up to 200;"):
        BeamSearch(width=1000, rerank="bleu")(
            table_step(np.zeros((8, 8))), ops.zeros((1, 1)), start=1, end=2, max_length=200
        )
