"""Spaces: samples lie inside, wrong bounds are refused, descriptions rebuild."""

from __future__ import annotations

import numpy as np
import pytest

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
