"""The shapes of a recurrent network, as a lecture derives them."""

from __future__ import annotations

import math

import pytest

from mmtoolkit.experiments.shape_walk import shape_walk
from mmtoolkit.layers import SequenceEncoder
from mmtoolkit.layers.cells import CELLS


def test_the_walk_of_the_course() -> None:
    """N = 5 sequences of T = 4 steps, V = 10 tokens, D = 3 features, H = 6 units."""
    assert {each.symbol: each.shape for each in shape_walk()} == {
        **{"x": (5, 4), "E": (10, 3), "E[x]": (5, 4, 3)},
        **{"W_xh": (3, 6), "W_hh": (6, 6), "b": (6,)},
        **{"h_0": (5, 6), "h_1": (5, 6), "h": (5, 4, 6), "h_T": (5, 6)},
        **{"W_hy": (6, 10), "b_y": (10,), "y": (5, 4, 10), "p": (5, 4, 10)},
        **{"L_t": (5, 4), "L": ()},
    }


@pytest.mark.parametrize("cell", CELLS)
def test_letters_and_numbers_are_the_same(cell: str) -> None:
    """With one size for each letter; the weights are all that the encoder has."""
    sizes = {"N": 2, "T": 3, "V": 7, "D": 5, **{f"{count}H": 4 * count for count in range(2, 7)}, "H": 4, "3": 3}
    walk = shape_walk(sequences=2, time=3, vocabulary=7, features=5, units=4, cell=cell)
    assert all(each.shape == tuple(sizes[letter] for letter in each.letters) for each in walk)
    encoder = SequenceEncoder(4, cell=cell)
    encoder.build((None, None, 5))
    others = {"E", "W_hy", "b_y"}
    weights = [each for each in walk if each.letters and not {"N", "T"} & {*each.letters} and each.symbol not in others]
    assert encoder.count_params() == sum(math.prod(each.shape) for each in weights)
    assert ("C_0" in {each.symbol for each in walk}) == (encoder.cells[0].states > 1)


def test_the_weights_are_those_of_any_length() -> None:
    """All steps share them."""
    short, long = ({each.symbol: each.shape for each in shape_walk(time=time)} for time in (1, 50))
    assert {name for name in short if short[name] != long[name]} == {"x", "E[x]", "h", "y", "p", "L_t"}
