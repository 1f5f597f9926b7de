"""Operators: children are genomes of the space, made of their parents' genes, and nothing is changed in place."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evo.operators import crossover, mutation, selection
from evo.rng import stream
from evo.spaces import Binary, Integer, Permutation, Real

SEEDS = st.integers(0, 2**32)


def slow_order_crossover(keep: list[int], fill: list[int], start: int, end: int) -> list[int]:
    """Davis's rule, one gene at a time."""
    size = len(keep)
    child: list[int | None] = [None] * size
    child[start : end + 1] = keep[start : end + 1]
    rest = [fill[(end + 1 + k) % size] for k in range(size)]
    rest = [gene for gene in rest if gene not in child]
    for k in range(size):
        place = (end + 1 + k) % size
        if child[place] is None:
            child[place] = rest.pop(0)
    return child  # type: ignore[return-value]  # every place is filled


@given(SEEDS, st.integers(1, 12), st.integers(1, 5))
def test_order_crossover_follows_the_rule_gene_by_gene(seed: int, size: int, pairs: int) -> None:
    parents = Permutation(size).sample(2 * pairs, stream(seed, 0, 1))
    first, second = parents[:pairs], parents[pairs:]
    one, two = crossover.order(first, second, stream(seed, 0, 2))
    cuts = np.sort(stream(seed, 0, 2).integers(0, size, size=(pairs, 2)), axis=1)
    for k, (start, end) in enumerate(cuts.tolist()):
        assert one[k].tolist() == slow_order_crossover(first[k].tolist(), second[k].tolist(), start, end)
        assert two[k].tolist() == slow_order_crossover(second[k].tolist(), first[k].tolist(), start, end)


@given(SEEDS, st.integers(1, 8))
def test_simulated_binary_crossover_keeps_the_bounds_and_the_parents_mean(seed: int, size: int) -> None:
    space = Real(-1, 1, shape=size)
    parents = space.sample(10, stream(seed, 0, 1)) * 0.1  # far from the bounds: nothing is clipped
    one, two = crossover.simulated_binary(parents[:5], parents[5:], space.lower, space.upper, stream(seed, 0, 2))
    assert space.contains(one).all()
    assert space.contains(two).all()
    free = (np.abs(one) < 1) & (np.abs(two) < 1)
    assert np.allclose((one + two)[free], (parents[:5] + parents[5:])[free])


@given(SEEDS, st.integers(1, 8))
def test_uniform_crossover_deals_each_pair_of_genes_to_the_two_children(seed: int, size: int) -> None:
    parents = Integer(0, 9, shape=size).sample(6, stream(seed, 0, 1))
    one, two = crossover.uniform(parents[:3], parents[3:], stream(seed, 0, 2))
    assert np.array_equal(np.sort([one, two], axis=0), np.sort([parents[:3], parents[3:]], axis=0))


@given(SEEDS, st.floats(0, 1))
def test_mutants_stay_in_the_space_and_parents_as_they_were(seed: int, probability: float) -> None:
    rng = stream(seed, 0, 2)
    real, integer, binary, order = Real(-1, 3, shape=6), Integer(-2, 2, shape=6), Binary(6), Permutation(6)
    for space in (real, integer, binary, order):
        parents = space.sample(8, stream(seed, 0, 1))
        before = parents.copy()
        if space is real:
            children = mutation.polynomial(parents, real.lower, real.upper, rng, probability=probability)
        elif space is integer:
            children = mutation.integer_step(parents, integer.lower, integer.upper, rng, probability=probability)
        elif space is binary:
            children = mutation.bit_flip(parents, rng, probability=probability)
        else:
            children = mutation.inversion(parents, rng, probability=probability)
        assert children.dtype == space.dtype
        assert space.contains(children).all()
        assert np.array_equal(parents, before)
        if probability == 0:
            assert np.array_equal(children, parents)


def test_polynomial_mutation_survives_bounds_that_coincide() -> None:
    space = Real([0, 1], [1, 1])
    children = mutation.polynomial(
        space.sample(50, stream(1, 0, 1)), space.lower, space.upper, stream(1, 0, 2), probability=1.0
    )
    assert space.contains(children).all()


def test_larger_tournaments_choose_better_rows() -> None:
    means = [selection.tournament(100, 2000, stream(1, 0, 1), size=size).mean() for size in (1, 2, 8)]
    assert means == sorted(means, reverse=True)
    assert means[0] > 40
    assert means[2] < 15
