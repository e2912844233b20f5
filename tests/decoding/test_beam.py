"""The searches, against brute force on a model of four words that is nothing but a function of the prefix."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from prefix_model import BATCH, END, LONGEST, PAD, SIZE, START, UNK, WORDS, PrefixModel, compiled, run, trimmed

from mmtoolkit.decoding import SEARCHES, BeamSearch, Greedy, Sample
from mmtoolkit.errors import InputError

ALL = sum(len(WORDS) ** length for length in range(LONGEST + 1))  # a beam that can hold everything


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


def plain_groups(model: PrefixModel, picture: int, search: BeamSearch) -> list[tuple[float, tuple[int, ...]]]:
    """Diverse beam search in a few lines of Python: group after group, each seeing what those before it said."""
    size = search.width // search.groups
    alive: list[Any] = [[((), 0.0)] for _ in range(search.groups)]
    finished: list[Any] = [[] for _ in alive]
    for _ in range(LONGEST):
        said: list[int] = []
        for group, beams in enumerate(alive):
            longer = [
                ((*words, token), total + model.log_probabilities(picture, words)[token])
                for words, total in beams
                for token in (END, *WORDS)
            ]
            longer.sort(key=lambda pair, said=tuple(said): search.diversity * said.count(pair[0][-1]) - pair[1])
            said += [words[-1] for words, _ in longer[:size]]
            finished[group] += [(t / len(s) ** search.length_penalty, s) for s, t in longer[:size] if s[-1] == END]
            alive[group] = [pair for pair in longer[:size] if pair[0][-1] != END]
    kept = -(-search.n_best // search.groups)
    best = [pair for group in finished for pair in sorted(group, reverse=True)[:kept]]
    cut = [(total / LONGEST**search.length_penalty, words) for group in alive for words, total in group]
    return (sorted(best, reverse=True) + sorted(cut, reverse=True))[: search.n_best]


@pytest.mark.parametrize("diversity", [0.0, 0.5, 3.0])
@pytest.mark.parametrize(("width", "groups", "n_best"), [(2, 2, 2), (3, 3, 3), (4, 2, 2), (6, 3, 4), (6, 2, 1)])
@pytest.mark.parametrize("end_bonus", [-2.0, 1.0])
def test_groups_equal_diverse_search_in_plain_python(
    width: int, groups: int, n_best: int, end_bonus: float, diversity: float
) -> None:
    model = PrefixModel(width + groups, end_bonus=end_bonus)
    search = BeamSearch(width=width, groups=groups, n_best=n_best, diversity=diversity)
    ids, scores = run(search, model)
    for picture in range(BATCH):
        expected = plain_groups(model, picture, search)
        found = list(zip(scores[picture], (trimmed(row) for row in ids[picture]), strict=True))[: len(expected)]
        np.testing.assert_allclose([score for score, _ in found], [score for score, _ in expected], rtol=1e-5)
        # Without diversity all groups find the same, and equal scores have no order.
        assert sorted(words for _, words in found) == sorted(words for _, words in expected)


def test_diverse_groups_say_different_things() -> None:
    """The likeliest word has 0.6 and the next 0.3: a cost above ln 2 sends the second group to the other word."""
    model = PrefixModel(0)
    model.table[...] = -30.0
    model.table[:, START, [4, 5, END]] = np.log([0.6, 0.3, 0.1])
    model.table[:, START + SIZE * 4, END] = model.table[:, START + SIZE * 5, END] = 30.0
    for diversity, second in ((0.69, 4), (0.70, 5)):
        ids, scores = run(BeamSearch(width=2, groups=2, n_best=2, diversity=diversity, length_penalty=0.0), model)
        assert [trimmed(row) for row in ids[0]] == [(4, END), (second, END)]
        np.testing.assert_allclose(scores[0], np.log([0.6, 0.6 if second == 4 else 0.3]), rtol=1e-5)  # without the cost


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
            model.step, model.state(), start=START, end=END, max_length=LONGEST, banned=(PAD, START, UNK, 4, 6, 7)
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
        model.step, model.state(), start=START, end=END, max_length=2, banned=(PAD, START, UNK, 5, 6, 7)
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
    BeamSearch(width=4, n_best=3, groups=2, diversity=1.0, min_length=2, no_repeat_ngram=2),
]


@pytest.mark.parametrize(
    ("search", "jit_compile"),
    [*((search, False) for search in COMPILED), *((search, True) for search in COMPILED[::3])],  # the last has it all
    ids=str,
)
def test_in_a_graph_the_result_is_the_same(search: Any, jit_compile: bool) -> None:
    model = PrefixModel(11)
    graph = compiled(search, model, jit_compile=jit_compile)
    for pictures in ([0, 1, 2], [2, 1], [1]):
        ids, scores = graph(tf.constant(pictures))
        expected_ids, expected_scores = run(search, model, pictures=pictures)
        np.testing.assert_array_equal(ids, expected_ids)
        np.testing.assert_allclose(scores, expected_scores, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width=0, n_best=1"),
        ({"width": 1001}, "1 <= n_best <= width <= 1,000; .*Received: width=1001"),
        ({"width": 2, "n_best": 3}, "width=2, n_best=3"),
        ({"n_best": 0}, "width=3, n_best=0"),
        ({"min_length": -1}, "min_length must not be negative. Received: -1"),
        ({"no_repeat_ngram": -2}, "no_repeat_ngram must not be negative. Received: -2"),
        ({"length_penalty": -0.5}, "length_penalty must not be negative. Received: -0.5"),
        ({"diversity": -1.0}, "diversity must not be negative. Received: -1.0"),
        ({"width": 5, "groups": 2}, "groups=2, width=5"),
        ({"groups": 0}, "groups=0, width=3"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BeamSearch(**options)


def test_a_search_is_a_value() -> None:
    assert replace(BeamSearch(), width=5) == BeamSearch(width=5) != BeamSearch()
    assert len({BeamSearch(), BeamSearch(), Greedy()}) == 2
    assert {"Greedy": Greedy, "BeamSearch": BeamSearch, "Sample": Sample} == SEARCHES
