"""Spaces: samples lie inside, wrong bounds are refused, descriptions rebuild."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evo.errors import UsageError
from evo.rng import stream
from evo.spaces import Binary, Integer, Permutation, Real, Space, space_from_spec

SPACES: list[Space] = [
    Real(-5, 10, shape=7),
    Real([0, 1], [1, 1]),
    Real(0, 1, shape=(2, 3)),
    Integer(-2, 3, shape=6),
    Binary(9),
    Binary((2, 2)),
    Permutation(8),
]


@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_samples_lie_in_the_space_and_fill_it(space: Space) -> None:
    genomes = space.sample(200, stream(1, 0, 1))
    assert genomes.shape == (200, space.size)
    assert genomes.dtype == space.dtype
    assert space.contains(genomes).all()
    assert space.shaped(genomes).shape == (200, *space.shape)


def test_integers_reach_both_bounds() -> None:
    genomes = Integer(-1, 1, shape=1).sample(200, stream(1, 0, 1))
    assert set(genomes[:, 0]) == {-1, 0, 1}


@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_a_space_is_rebuilt_from_its_description(space: Space) -> None:
    assert space_from_spec(space.to_spec()) == space


def test_spaces_with_other_bounds_are_not_equal() -> None:
    assert Real(0, 1, shape=2) != Real(0, 2, shape=2)
    assert Real(0, 1, shape=2) != Integer(0, 1, shape=2)


def test_genomes_outside_are_recognised() -> None:
    assert Real(0, 1, shape=2).contains(np.array([[0.5, 1.1], [0.0, 1.0]])).tolist() == [False, True]
    assert Permutation(3).contains(np.array([[0, 1, 1], [2, 0, 1]])).tolist() == [False, True]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Real(1, 0, shape=2), r"upper\[0\]: expected at least lower"),
        (lambda: Real(0, float("nan"), shape=2), "upper: expected finite"),
        (lambda: Real("a", 1, shape=2), "lower: expected a number"),  # type: ignore[arg-type]  # the mistake tested
        (lambda: Real([0, 0, 0], 1, shape=2), "lower: expected a number or numbers of shape"),
        (lambda: Real(0, 1, shape=0), "shape: expected a positive integer"),
        (lambda: Integer(0, 1.5, shape=2), "upper: expected whole numbers"),
        (lambda: Permutation(0), "shape: expected a positive integer"),
        (lambda: space_from_spec({"kind": "knots"}), "space.kind: expected"),
    ],
)
def test_a_wrong_space_is_refused_with_its_field_named(build: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build()  # type: ignore[operator]  # parametrised callables


_ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.complex_numbers(),
    st.lists(st.one_of(st.integers(), st.floats(), st.none(), st.lists(st.floats(), max_size=2)), max_size=3),
    st.dictionaries(st.integers(), st.integers(), max_size=1), st.binary(max_size=2),
)  # fmt: skip
_SHAPES = st.one_of(_ANYTHING.filter(lambda s: not isinstance(s, int) or s < 1000 or s > 2**31), st.just(2.5))


@given(kind=st.sampled_from([Real, Integer]), lower=_ANYTHING, upper=_ANYTHING, shape=_SHAPES)
@example(kind=Real, lower=0.0, upper=1.0, shape=2.5)
@example(kind=Real, lower=[0, 0], upper=[1, 1, 1], shape=None)
@example(kind=Real, lower=0, upper=1, shape=10**30)
@example(kind=Integer, lower=0, upper=1e300, shape=2)
@settings(max_examples=200, deadline=None)
def test_whatever_a_space_is_built_from_only_a_usage_error_comes_of_it(
    kind: Any, lower: Any, upper: Any, shape: Any
) -> None:
    with contextlib.suppress(UsageError):
        space = kind(lower, upper, shape)
        assert (space.lower <= space.upper).all()
