"""The searches, against brute force on a model of four words that is nothing but a function of the prefix."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from mmtoolkit.decoding import SEARCHES, BeamSearch, Greedy, Sample, draw
from mmtoolkit.errors import InputError

PAD, START, END, UNK = 0, 1, 2, 3
WORDS = (4, 5, 6, 7)
SIZE, LONGEST, BATCH = 8, 4, 3
ALL = sum(len(WORDS) ** length for length in range(LONGEST + 1))  # a beam that can hold everything


class PrefixModel:
    """Logits that depend on the picture and on the whole prefix, looked up in a random table."""

    def __init__(self, seed: int, *, spread: float = 2.0, end_bonus: float = 0.0) -> None:
        random = np.random.default_rng(seed)
        self.table = random.normal(0, spread, (BATCH, SIZE**LONGEST, SIZE)).astype("float32")
        self.table[..., END] += end_bonus
        self.steps = 0

    def state(self, pictures: Any = range(BATCH)) -> dict[str, Any]:
        """Nested on purpose: a dictionary with a tuple in it, of integers and floats, of several ranks."""
        picture = tf.constant(list(pictures), tf.int32)
        written = tf.zeros((len(picture), LONGEST), tf.int32)
        return {"picture": picture, "written": (written, tf.zeros((len(picture), 2, 2)), tf.zeros_like(picture))}

    def step(self, tokens: Any, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Reads the prefix from its state: a search that mixes up its rows reads another one."""
        self.steps += 1
        written, floats, length = state["written"]
        here = tf.one_hot(length, LONGEST, dtype=tf.int32)
        written = written + here * tokens[:, None]
        number = tf.reduce_sum(written * tf.constant([SIZE**place for place in range(LONGEST)]), axis=1)
        logits = tf.gather_nd(tf.constant(self.table), tf.stack([state["picture"], number], axis=1))
        return logits, {"picture": state["picture"], "written": (written, floats + 1.0, length + 1)}

    def log_probabilities(self, picture: int, prefix: tuple[int, ...]) -> np.ndarray:
        """The same in NumPy; `prefix` without START."""
        number = sum(token * SIZE**place for place, token in enumerate((START, *prefix)))
        logits = self.table[picture, number].astype("float64")
        return logits - np.log(np.exp(logits).sum())

    def sum_of(self, picture: int, sentence: tuple[int, ...]) -> float:
        """Log-probability of a whole sentence."""
        return sum(self.log_probabilities(picture, sentence[:i])[token] for i, token in enumerate(sentence))


def sentences(min_length: int = 0) -> Iterator[tuple[int, ...]]:
    """All that end within the limit."""
    for length in range(min_length, LONGEST):
        for words in itertools.product(WORDS, repeat=length):
            yield (*words, END)


def repeats_itself(sentence: tuple[int, ...], size: int) -> bool:
    runs = [sentence[i : i + size] for i in range(len(sentence) - size + 1)]
    return len(set(runs)) < len(runs)


def brute_force(model: PrefixModel, picture: int, search: BeamSearch) -> list[tuple[float, tuple[int, ...]]]:
    """All allowed sentences, best first."""
    allowed = (
        sentence
        for sentence in sentences(search.min_length)
        if not (search.no_repeat_ngram and repeats_itself(sentence, search.no_repeat_ngram))
    )
    scored = ((model.sum_of(picture, s) / len(s) ** search.length_penalty, s) for s in allowed)
    return sorted(scored, reverse=True)


def run(search: Any, model: PrefixModel, *, max_length: int = LONGEST, pictures: Any = range(BATCH)) -> Any:
    ids, scores = search(model.step, model.state(pictures), start=START, end=END, max_length=max_length)
    return ops.convert_to_numpy(ids), ops.convert_to_numpy(scores)


def trimmed(ids: np.ndarray) -> tuple[int, ...]:
    """A row up to END, which must be followed by PAD alone."""
    row = ids.tolist()
    stop = row.index(END) + 1 if END in row else len(row)
    assert not any(row[stop:])
    return tuple(row[:stop])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "options",
    [
        {"length_penalty": 0.0},
        {"length_penalty": 0.7},
        {"length_penalty": 1.0},
        {"length_penalty": 2.5},
        {"length_penalty": 0.7, "min_length": 2},
        {"length_penalty": 0.0, "min_length": 3},
        {"length_penalty": 1.0, "no_repeat_ngram": 1},
        {"length_penalty": 1.0, "no_repeat_ngram": 2},
        {"length_penalty": 2.0, "no_repeat_ngram": 2, "min_length": 3},
        {"length_penalty": 1.5, "no_repeat_ngram": 3},
    ],
    ids=str,
)
def test_a_full_beam_finds_what_brute_force_finds(seed: int, options: dict[str, Any]) -> None:
    model, search = PrefixModel(seed), BeamSearch(width=ALL, n_best=5, **options)
    ids, scores = run(search, model)
    for picture in range(BATCH):
        best = brute_force(model, picture, search)[:5]
        assert [trimmed(row) for row in ids[picture]] == [sentence for _, sentence in best]
        np.testing.assert_allclose(scores[picture], [score for score, _ in best], rtol=1e-5, atol=1e-5)


def plain_beam(model: PrefixModel, picture: int, search: BeamSearch, max_length: int) -> list[tuple[float, tuple]]:
    """A beam in a few lines of Python: lists, no early stop."""
    alive, finished = [((), 0.0)], []
    for time in range(max_length):
        longer = [
            ((*words, token), total + model.log_probabilities(picture, words)[token])
            for words, total in alive
            for token in (END, *WORDS)
            if not (token == END and time < search.min_length)
            and not (search.no_repeat_ngram and repeats_itself((*words, token), search.no_repeat_ngram))
        ]
        longer = sorted(longer, key=lambda pair: -pair[1])[: search.width]
        finished += [(total / len(s) ** search.length_penalty, s) for s, total in longer if s[-1] == END]
        alive = [pair for pair in longer if pair[0][-1] != END]
    cut = [(total / max_length**search.length_penalty, s) for s, total in alive]
    return (sorted(finished, reverse=True) + sorted(cut, reverse=True))[: search.n_best]


@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("end_bonus", [-2.0, 0.0, 2.0])
@pytest.mark.parametrize(("width", "n_best"), [(1, 1), (2, 1), (3, 3), (6, 4)])
def test_a_narrow_beam_equals_one_in_plain_python(width: int, n_best: int, end_bonus: float, penalty: float) -> None:
    model = PrefixModel(10 * width + n_best, end_bonus=end_bonus)
    for extra in ({}, {"min_length": 2, "no_repeat_ngram": 2}):
        search = BeamSearch(width=width, n_best=n_best, length_penalty=penalty, **extra)
        ids, scores = run(search, model)
        for picture in range(BATCH):
            expected = plain_beam(model, picture, search, LONGEST)
            found = [trimmed(row) for row in ids[picture]][: len(expected)]
            assert found == [sentence for _, sentence in expected]
            np.testing.assert_allclose(scores[picture][: len(expected)], [s for s, _ in expected], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("penalty", [0.0, 0.5, 0.7, 1.0, 3.0])
@pytest.mark.parametrize("seed", range(4))
def test_width_one_is_greedy(seed: int, penalty: float) -> None:
    model = PrefixModel(seed, end_bonus=1.0)
    greedy_ids, greedy_scores = run(Greedy(), model)
    ids, scores = run(BeamSearch(width=1, length_penalty=penalty), model)
    np.testing.assert_array_equal(ids, greedy_ids)
    lengths = np.array([len(trimmed(row)) for row in ids[:, 0]])
    np.testing.assert_allclose(scores[:, 0], greedy_scores[:, 0] / lengths**penalty, rtol=1e-5, atol=1e-5)


def test_greedy_takes_the_likeliest_word_at_each_step() -> None:
    model = PrefixModel(5)
    ids, scores = run(Greedy(), model)
    assert (ids.shape, scores.shape) == ((BATCH, 1, LONGEST), (BATCH, 1))
    for picture in range(BATCH):
        words: tuple[int, ...] = ()
        while len(words) < LONGEST and END not in words:
            log_probabilities = model.log_probabilities(picture, words)
            words += (max((END, *WORDS), key=lambda token, values=log_probabilities: values[token]),)
        assert trimmed(ids[picture, 0]) == words
        assert scores[picture, 0] == pytest.approx(model.sum_of(picture, words), rel=1e-5)


@pytest.mark.parametrize(
    "search",
    [Greedy(), BeamSearch(width=4, n_best=4), BeamSearch(width=3, min_length=4), Sample(n_best=3, temperature=5.0)],
    ids=str,
)
def test_pad_start_and_unk_are_never_written(search: Any) -> None:
    model = PrefixModel(0)
    model.table[..., [PAD, START, UNK]] += 20.0  # the model wants nothing else
    ids, scores = run(search, model)
    for row in ids.reshape(-1, LONGEST):
        assert set(trimmed(row)) <= {END, *WORDS}
    assert np.isfinite(scores).all()


def test_other_tokens_can_be_forbidden() -> None:
    model = PrefixModel(0, end_bonus=-5)
    for search in (Greedy(), BeamSearch(width=3), Sample()):
        ids, _ = search(
            model.step, model.state(), start=START, end=END, max_length=LONGEST, never=(PAD, START, UNK, 4, 6, 7)
        )
        assert set(np.unique(ids)) <= {PAD, END, 5}


@pytest.mark.parametrize("search", [Greedy(), BeamSearch(width=3, n_best=2, length_penalty=1.0)], ids=str)
def test_pictures_do_not_influence_each_other(search: Any) -> None:
    model = PrefixModel(8)
    ids, scores = run(search, model)
    for picture in range(BATCH):
        alone_ids, alone_scores = run(search, model, pictures=[picture])
        np.testing.assert_array_equal(alone_ids[0], ids[picture])
        np.testing.assert_allclose(alone_scores[0], scores[picture], rtol=1e-6)
    backwards = run(search, model, pictures=[2, 0, 0, 1])
    np.testing.assert_array_equal(backwards[0], ids[[2, 0, 0, 1]])


@pytest.mark.parametrize("width", [1, 3])
def test_unfinished_sentences_come_back_when_none_finished(width: int) -> None:
    model, search = PrefixModel(4, end_bonus=-50.0), BeamSearch(width=width, n_best=width)
    ids, scores = run(search, model)
    for picture in range(BATCH):
        expected = plain_beam(model, picture, search, LONGEST)
        assert all(END not in sentence for _, sentence in expected)
        assert [tuple(row.tolist()) for row in ids[picture]] == [sentence for _, sentence in expected]
        np.testing.assert_allclose(scores[picture], [score for score, _ in expected], rtol=1e-5, atol=1e-5)


def test_a_finished_sentence_comes_before_any_unfinished_one() -> None:
    model = PrefixModel(4)
    model.table[:, START, END] = -30.0  # "" is far worse than any unfinished sentence, and the only one to finish
    model.table[:, SIZE:, END] = -1000.0
    model.table[:, START, 4:] = -20.0
    model.table[:, START, 4] = 0.0
    ids, _ = run(BeamSearch(width=6, n_best=3, length_penalty=0.0), model)
    for picture in range(BATCH):
        assert trimmed(ids[picture, 0]) == (END,)
        assert END not in ids[picture, 1:]


def test_fewer_sentences_than_asked_for_leave_empty_places() -> None:
    """With one word and two steps there are three sentences: "", "w" and the unfinished "w w"."""
    model = PrefixModel(1)
    search = BeamSearch(width=6, n_best=5, length_penalty=0.0)
    ids, scores = search(
        model.step, model.state(), start=START, end=END, max_length=2, never=(PAD, START, UNK, 5, 6, 7)
    )
    ids, scores = np.asarray(ids), np.asarray(scores)
    for picture in range(BATCH):
        assert {trimmed(row) for row in ids[picture, :2]} == {(END,), (4, END)}
        assert ids[picture, 2].tolist() == [4, 4]
        assert not ids[picture, 3:].any()
        assert (scores[picture, 3:] == -1e9).all() and (scores[picture, :3] > -100).all()


def test_the_best_come_first_and_are_different() -> None:
    ids, scores = run(BeamSearch(width=8, n_best=8, length_penalty=0.7), PrefixModel(3))
    for picture in range(BATCH):
        finished = (ids[picture] == END).any(axis=-1)
        assert 2 < finished.sum() < 8  # both kinds are there
        assert finished.tolist() == sorted(finished.tolist(), reverse=True)
        assert (np.diff(scores[picture][finished]) <= 0).all() and (np.diff(scores[picture][~finished]) <= 0).all()
        assert len({tuple(row) for row in ids[picture].tolist()}) == 8


def test_a_longer_list_begins_with_the_shorter_one() -> None:
    model = PrefixModel(6)
    best, several = (run(BeamSearch(width=5, n_best=n), model) for n in (1, 4))
    np.testing.assert_array_equal(best[0][:, 0], several[0][:, 0])
    np.testing.assert_allclose(best[1][:, 0], several[1][:, 0], rtol=1e-6)


def test_a_state_of_any_nesting_is_reordered() -> None:
    """The same model with its state as a tuple in a list gives the same sentences as with a dictionary."""
    model = PrefixModel(7)

    def step(tokens: Any, state: Any) -> Any:
        [(picture, written), length] = state
        logits, new = model.step(
            tokens, {"picture": picture, "written": (written, tf.zeros(tf.shape(written)), length)}
        )
        return logits, [(new["picture"], new["written"][0]), new["written"][2]]

    first = model.state()
    nested = [(first["picture"], first["written"][0]), first["written"][2]]
    ids, scores = BeamSearch(width=4, n_best=3)(step, nested, start=START, end=END, max_length=LONGEST)
    expected_ids, expected_scores = run(BeamSearch(width=4, n_best=3), model)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-6)


def steps_of(search: Any, model: PrefixModel) -> tuple[Any, Any, int]:
    model.steps = 0
    ids, scores = run(search, model)
    return ids, scores, model.steps


@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("n_best", [1, 3])
def test_stopping_early_changes_nothing(n_best: int, penalty: float) -> None:
    """Against the beam in plain Python, which runs to the end; and it does save steps."""
    saved = 0
    for seed in range(6):
        model = PrefixModel(seed, end_bonus=6.0)
        search = BeamSearch(width=3, n_best=n_best, length_penalty=penalty)
        ids, scores, steps = steps_of(search, model)
        saved += LONGEST - steps
        for picture in range(BATCH):
            expected = plain_beam(model, picture, search, LONGEST)
            assert [trimmed(row) for row in ids[picture]][: len(expected)] == [sentence for _, sentence in expected]
            np.testing.assert_allclose(scores[picture][: len(expected)], [s for s, _ in expected], rtol=1e-5, atol=1e-5)
    assert saved > 0 or n_best > 1  # three sentences of one to four words leave little to save


def test_a_sure_ending_takes_one_step() -> None:
    model = PrefixModel(0, end_bonus=100.0)
    assert steps_of(Greedy(), model)[2] == 1
    assert steps_of(BeamSearch(width=3, length_penalty=0.0), model)[2] == 1


def test_hope_keeps_a_search_going() -> None:
    """A long sentence that wins only through the length penalty must not be cut by an early stop."""
    model = PrefixModel(0, spread=0.0)
    model.table[...] = -100.0
    model.table[:, START, [END, 4]] = [0.0, -0.2]  # "" first
    prefix = START + 4 * SIZE
    model.table[:, prefix, 4] = 0.0
    model.table[:, prefix + 4 * SIZE**2, 4] = 0.0
    model.table[:, prefix + 4 * SIZE**2 + 4 * SIZE**3, END] = 0.0
    ids, _, steps = steps_of(BeamSearch(width=2, length_penalty=1.0), model)
    assert (trimmed(ids[0, 0]), steps) == ((4, 4, 4, END), 4)
    ids, _, steps = steps_of(BeamSearch(width=2, length_penalty=0.0), model)
    assert (trimmed(ids[0, 0]), steps) == ((END,), 1)


COMPILED: list[Any] = [
    Greedy(),
    BeamSearch(width=3, n_best=2, length_penalty=0.7),
    BeamSearch(width=3, n_best=3, min_length=2, no_repeat_ngram=2),
]


@pytest.mark.parametrize("search", COMPILED, ids=str)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_a_graph_the_result_is_the_same(search: Any, jit_compile: bool) -> None:
    model = PrefixModel(11)
    graph = compiled(search, model, jit_compile=jit_compile)
    for pictures in ([0, 1, 2], [2, 1], [1]):
        ids, scores = graph(tf.constant(pictures))
        expected_ids, expected_scores = run(search, model, pictures=pictures)
        np.testing.assert_array_equal(ids, expected_ids)
        np.testing.assert_allclose(scores, expected_scores, rtol=1e-5, atol=1e-5)


def compiled(search: Any, model: PrefixModel, *, jit_compile: bool) -> Any:
    """The search as a graph for any number of pictures."""

    def decode(picture: Any) -> Any:
        rows = tf.shape(picture)[0]
        state = {
            "picture": picture,
            "written": (tf.zeros((rows, LONGEST), tf.int32), tf.zeros((rows, 2, 2)), tf.zeros_like(picture)),
        }
        return search(model.step, state, start=START, end=END, max_length=LONGEST)

    return tf.function(decode, input_signature=[tf.TensorSpec([None], tf.int32)], jit_compile=jit_compile)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width=0, n_best=1"),
        ({"width": 2, "n_best": 3}, "width=2, n_best=3"),
        ({"n_best": 0}, "width=3, n_best=0"),
        ({"min_length": -1}, "min_length must not be negative. Received: -1"),
        ({"no_repeat_ngram": -2}, "no_repeat_ngram must not be negative. Received: -2"),
        ({"length_penalty": -0.5}, "length_penalty must not be negative. Received: -0.5"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BeamSearch(**options)


def test_a_search_is_a_value() -> None:
    assert replace(BeamSearch(), width=5) == BeamSearch(width=5) != BeamSearch()
    assert len({BeamSearch(), BeamSearch(), Greedy()}) == 2
    assert {"Greedy": Greedy, "BeamSearch": BeamSearch, "Sample": Sample} == SEARCHES


# --- sampling ---

LOGITS = np.array([1.0, 2.2, -3.0, 4.1], "float32")


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def shares(logits: np.ndarray, draws: int = 10_000) -> np.ndarray:
    """How often each token comes for chances spread evenly over 0 to 1: the softmax itself, up to one draw each."""
    chances = (np.arange(draws, dtype="float32") + 0.5) / draws
    drawn = ops.convert_to_numpy(draw(np.tile(logits.astype("float32"), (draws, 1)), chances))
    return np.bincount(drawn, minlength=len(logits)) / draws


def test_drawing_equals_the_softmax() -> None:
    """Worked out by hand: e^1.0, e^2.2, e^-3.0 and e^4.1 over their sum."""
    powers = np.array([2.718282, 9.025013, 0.049787, 60.340288])
    np.testing.assert_allclose(softmax(LOGITS), powers / 72.13337, atol=1e-6)
    np.testing.assert_allclose(shares(LOGITS), softmax(LOGITS), atol=2e-4)


def test_the_ends_of_the_chances_draw_possible_tokens() -> None:
    impossible = np.array([-1e9, 0.0, -1e9, 1.0, -1e9], "float32")
    chances = np.array([0.0, np.nextafter(np.float32(1), np.float32(0)) - 2**-24], "float32")
    np.testing.assert_array_equal(draw(np.stack([impossible] * 2), chances), [1, 3])


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"top_k": 1}, [3]),
        ({"top_k": 2}, [1, 3]),
        ({"top_k": 9}, [0, 1, 2, 3]),
        ({"top_p": 0.5}, [3]),
        ({"top_p": 0.9}, [1, 3]),  # 0.837 is less than 0.9, so the token that reaches it is in
        ({"top_p": 0.97}, [0, 1, 3]),
        ({"top_k": 2, "top_p": 0.5}, [3]),
        ({}, [0, 1, 2, 3]),
    ],
    ids=str,
)
def test_top_k_and_top_p_leave_the_rest_out(options: dict[str, Any], kept: list[int]) -> None:
    narrowed = ops.convert_to_numpy(Sample(**options).narrow(LOGITS[None]))[0]
    assert np.flatnonzero(narrowed > -1e8).tolist() == kept
    expected = np.where(np.isin(range(4), kept), softmax(LOGITS), 0.0)
    np.testing.assert_allclose(shares(narrowed), expected / expected.sum(), atol=2e-4)


def test_whole_sentences_come_as_often_as_the_model_says() -> None:
    """4,000 sentences of one picture: each share is within five standard deviations of its probability."""
    model, draws = PrefixModel(3, spread=1.0), 4000
    ids, scores = run(Sample(n_best=draws, seed=7), model, max_length=2, pictures=[1])
    found = [tuple(int(token) for token in row[:2]) for row in ids[0]]
    allowed = (END, *WORDS)

    def probability(prefix: tuple[int, ...], token: int) -> float:
        logits = model.log_probabilities(1, prefix)
        return float(np.exp(logits[token]) / np.exp(logits[list(allowed)]).sum())

    expected = {(END, PAD): probability((), END)}
    expected |= {(a, b): probability((), a) * probability((a,), b) for a in WORDS for b in allowed}
    assert sum(expected.values()) == pytest.approx(1.0)
    assert set(found) <= set(expected)
    for sentence, chance in expected.items():
        deviation = np.sqrt(chance * (1 - chance) / draws)
        assert abs(found.count(sentence) / draws - chance) < 5 * deviation, sentence
    assert (np.diff(scores[0]) <= 0).all()
    for sentence, score in list(zip(found, scores[0], strict=True))[::100]:
        assert score == pytest.approx(model.sum_of(1, tuple(token for token in sentence if token != PAD)), rel=1e-4)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("search", [Sample(n_best=3), Sample(top_k=3, top_p=0.9, temperature=1.5)], ids=str)
def test_sampling_in_a_graph(search: Any, jit_compile: bool) -> None:
    """XLA has random numbers of its own, so only the plain graph draws what is drawn without one."""
    model = PrefixModel(11)
    ids, scores = compiled(search, model, jit_compile=jit_compile)(tf.constant([2, 1]))
    for picture, rows, found in zip([2, 1], ids.numpy(), scores.numpy(), strict=True):
        for row, score in zip(rows, found, strict=True):
            assert score == pytest.approx(model.sum_of(picture, trimmed(row)), rel=1e-4)
    if not jit_compile:
        np.testing.assert_array_equal(ids, run(search, model, pictures=[2, 1])[0])


def test_a_low_temperature_is_greedy_search() -> None:
    model = PrefixModel(5)
    np.testing.assert_array_equal(run(Sample(temperature=1e-3), model)[0], run(Greedy(), model)[0])


def test_temperature_divides_the_logits() -> None:
    model, halved = PrefixModel(6), PrefixModel(6)
    halved.table /= 2
    np.testing.assert_array_equal(run(Sample(temperature=2.0), model)[0], run(Sample(), halved)[0])


def test_a_seed_repeats_and_a_generator_goes_on() -> None:
    model = PrefixModel(9, spread=0.5)
    same = [run(Sample(n_best=5, seed=3), model)[0] for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert (run(Sample(n_best=5, seed=4), model)[0] != same[0]).any()
    going_on = Sample(n_best=5, seed=keras.random.SeedGenerator(3))
    assert (run(going_on, model)[0] != run(going_on, model)[0]).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, r"above 0. Received: 0.0; Greedy\(\) is 0"),
        ({"top_k": -1}, "top_k=-1"),
        ({"n_best": 0}, "n_best=0"),
        ({"top_p": 0.0}, "Received: 0.0"),
        ({"top_p": 1.5}, "Received: 1.5"),
    ],
    ids=str,
)
def test_a_samples_options_out_of_range_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Sample(**options)
