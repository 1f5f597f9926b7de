"""Operators: children are genomes of the space, made of their parents' genes, and nothing is changed in place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo.categorical import Categorical
from evo.mixed import Mixed
from evo.operators import crossover, mutation, permutation, selection
from evo.operators.named import CROSSOVERS, MUTATIONS
from evo.optimizers.variation import Variation
from evo.rng import stream
from evo.spaces import Binary, Integer, Permutation, Real, Space

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


def test_bounded_sbx_mixes_the_parents_genes_and_spreads_up_to_the_bounds() -> None:
    first, second = np.full((4000, 3), 0.1), np.full((4000, 3), 0.4)
    lower, upper = np.zeros(3), np.ones(3)
    one, two = crossover.simulated_binary_bounded(first, second, lower, upper, stream(1, 0, 3), eta=1e9)
    # Without any spread the children's genes are the parents', exchanged in half of those that were crossed.
    assert set(one.round(6).ravel()) == {0.1, 0.4}
    assert (one + two).round(6).min() == (one + two).round(6).max() == 0.5
    assert np.mean(one > 0.3) == pytest.approx(0.25, abs=0.02)
    one, two = crossover.simulated_binary_bounded(first, second, lower, upper, stream(2, 0, 3), eta=0.5)
    for child in (one, two):
        assert child.min() >= 0.0
        assert child.max() <= 1.0
    assert np.mean((one == 0.1) | (one == 0.4)) == pytest.approx(0.5, abs=0.02)
    assert one.min() < 0.01, "the bound near by is reached"
    assert one.max() > 0.9, "the far one, too"


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


# By name, each for the spaces that it is for -------------------------------------------------------------------------


def spaces_of(size: int) -> list[Space]:
    one = [Real(-1, 3, shape=size), Integer(-2, 2, shape=size), Binary(size), Permutation(size)]
    return [*one, Categorical(["a", "b", "c"], shape=size), Mixed(a=one[0], b=one[1], c=one[2], d=one[3])]


@pytest.mark.parametrize("name", list(CROSSOVERS))
@given(SEEDS, st.integers(1, 12), st.integers(1, 5))
def test_every_crossover_makes_genomes_of_the_space_and_leaves_the_parents_alone(
    name: str, seed: int, size: int, pairs: int
) -> None:
    for space in spaces_of(size):
        if not isinstance(space, CROSSOVERS[name].spaces):
            continue
        parents = space.sample(2 * pairs, stream(seed, 0, 1))
        before = parents.copy()
        for child in CROSSOVERS[name].function(parents[:pairs], parents[pairs:], space, stream(seed, 0, 2)):
            assert child.shape == (pairs, space.size)
            assert child.dtype == space.dtype
            assert space.contains(child).all()
            assert not np.shares_memory(child, parents)
        assert np.array_equal(parents, before)


@pytest.mark.parametrize("name", list(CROSSOVERS))
def test_equal_parents_have_children_like_themselves(name: str) -> None:
    for space in spaces_of(9):
        if isinstance(space, CROSSOVERS[name].spaces):
            parents = space.sample(6, stream(1, 0, 1))
            for child in CROSSOVERS[name].function(parents, parents.copy(), space, stream(1, 0, 2)):
                same = edges(child) == edges(parents) if name == "erx" else np.allclose(child, parents)
                assert same


@pytest.mark.parametrize("name", list(MUTATIONS))
@given(SEEDS, st.integers(1, 12))
def test_every_mutation_makes_genomes_of_the_space_and_leaves_the_parents_alone(
    name: str, seed: int, size: int
) -> None:
    for space in spaces_of(size):
        if not isinstance(space, MUTATIONS[name].spaces):
            continue
        parents = space.sample(6, stream(seed, 0, 1))
        before = parents.copy()
        for probability in (0.0, 0.5, 1.0):
            child = MUTATIONS[name].function(parents, space, stream(seed, 0, 2), probability)
            assert child.dtype == space.dtype
            assert space.contains(child).all()
            assert np.array_equal(parents, before)
            if probability == 0.0:
                assert np.array_equal(child, parents)


@pytest.mark.parametrize(("name", "places"), [("swap", 2), ("insertion", 9), ("scramble", 9)])
def test_a_permutations_mutation_moves_what_it_says(name: str, places: int) -> None:
    parents = Permutation(9).sample(200, stream(1, 0, 1))
    children = MUTATIONS[name].function(parents, Permutation(9), stream(1, 0, 2), 1.0)
    moved = (children != parents).sum(axis=1)
    assert moved.max() <= places
    assert moved.max() >= 2
    if name == "swap":
        assert (moved == 2).all()
    if name == "insertion":
        for child, parent in zip(children.tolist(), parents.tolist(), strict=True):
            assert any([g for g in child if g != gene] == [g for g in parent if g != gene] for gene in parent)


def slow_pmx(keep: list[int], fill: list[int], start: int, end: int) -> list[int]:
    """Goldberg and Lingle's rule, one gene at a time."""
    child = list(fill)
    child[start : end + 1] = keep[start : end + 1]
    for place in [*range(start), *range(end + 1, len(keep))]:
        gene = fill[place]
        while gene in keep[start : end + 1]:
            gene = fill[keep.index(gene)]
        child[place] = gene
    return child


@given(SEEDS, st.integers(1, 12), st.integers(1, 5))
def test_pmx_follows_the_rule_gene_by_gene(seed: int, size: int, pairs: int) -> None:
    parents = Permutation(size).sample(2 * pairs, stream(seed, 0, 1))
    first, second = parents[:pairs], parents[pairs:]
    one, two = permutation.partially_mapped(first, second, stream(seed, 0, 2))
    cuts = np.sort(stream(seed, 0, 2).integers(0, size, size=(pairs, 2)), axis=1)
    for k, (start, end) in enumerate(cuts.tolist()):
        assert one[k].tolist() == slow_pmx(first[k].tolist(), second[k].tolist(), start, end)
        assert two[k].tolist() == slow_pmx(second[k].tolist(), first[k].tolist(), start, end)


def slow_cycles(first: list[int], second: list[int]) -> list[int]:
    """The number of each place's cycle, found by walking."""
    number, found = [-1] * len(first), 0
    for start in range(len(first)):
        if number[start] >= 0:
            continue
        place = start
        while number[place] < 0:
            number[place] = found
            place = first.index(second[place])
        found += 1
    return number


@given(SEEDS, st.integers(1, 12))
def test_cycle_crossover_takes_cycles_in_turn(seed: int, size: int) -> None:
    first, second = Permutation(size).sample(2, stream(seed, 0, 1))
    one, two = permutation.cycle(first[None], second[None], stream(seed, 0, 2))
    for place, cycle in enumerate(slow_cycles(first.tolist(), second.tolist())):
        expected = (first[place], second[place]) if cycle % 2 == 0 else (second[place], first[place])
        assert (one[0, place], two[0, place]) == expected


def edges(tours: np.ndarray) -> list[set[frozenset[int]]]:
    return [{frozenset(pair) for pair in zip(t, [*t[1:], t[0]], strict=True)} for t in tours.tolist()]


def test_edge_recombination_uses_the_parents_edges_nearly_always() -> None:
    parents = Permutation(30).sample(100, stream(1, 0, 1))
    children = np.concatenate(permutation.edge_recombination(parents[:50], parents[50:], stream(1, 0, 2)))
    theirs = [a | b for a, b in zip(edges(parents[:50]), edges(parents[50:]), strict=True)]
    foreign = sum(len(child - known) for child, known in zip(edges(children), theirs + theirs, strict=True))
    assert foreign / (100 * 30) < 0.05  # Whitley et al. report 1 to 5 %


def test_points_of_crossover_are_as_many_as_asked() -> None:
    first, second = np.zeros((50, 20), dtype=np.int64), np.ones((50, 20), dtype=np.int64)
    for points in (1, 2, 5):
        one, two = crossover.n_point(first, second, stream(1, 0, 1), points=points)
        assert (np.abs(np.diff(one, axis=1)).sum(axis=1) == points).all()
        assert np.array_equal(one + two, np.ones_like(one))


def test_wheels_choose_in_proportion() -> None:
    chances = np.array([0.5, 0.3, 0.2, 0.0])
    for spin in (selection.roulette, selection.stochastic_universal):
        counts = np.bincount(spin(chances, 10_000, stream(1, 0, 1)), minlength=4)
        assert counts / 10_000 == pytest.approx(chances, abs=0.02)
    universal = np.bincount(selection.stochastic_universal(chances, 10, stream(1, 0, 1)), minlength=4)
    assert universal.tolist() == [5, 3, 2, 0]


def test_fitness_in_proportion_leaves_out_what_is_infeasible_or_unusable() -> None:
    objective, violation = np.array([1.0, 3.0, 0.0, np.inf]), np.array([0.0, 0.0, 2.0, np.inf])
    assert selection.proportional(objective, violation).tolist() == [1.0, 0.0, 0.0, 0.0]
    assert selection.proportional(objective, violation + 1.0).tolist() == [0.25] * 4
    assert selection.proportional(np.array([2.0, 2.0]), np.zeros(2)).tolist() == [0.5, 0.5]


def test_ranking_gives_the_best_its_pressure() -> None:
    chances = selection.linear_ranking(50, pressure=1.6)
    assert chances.sum() == pytest.approx(1.0)
    assert chances[0] * 50 == pytest.approx(1.6)
    assert (np.diff(chances) < 0).all()
    assert selection.truncation(100, 1000, stream(1, 0, 1), share=0.2).max() == 19


def test_a_reset_gene_is_another_choice() -> None:
    genomes = np.tile(np.arange(3), (500, 1))
    children = mutation.reset(genomes, 3, stream(1, 0, 2), probability=1.0)
    assert (children != genomes).all()
    assert [len(set(column.tolist())) for column in children.T] == [2, 2, 2]
    assert np.array_equal(mutation.reset(genomes[:, :1], 1, stream(1, 0, 2), probability=1.0), genomes[:, :1])


@pytest.mark.parametrize("space", spaces_of(6), ids=lambda space: space.kind)
def test_fewer_children_are_copies_of_parents_where_new_ones_are_asked_for(space: Space) -> None:
    variation, none = Variation(space, 0.0, None, None, None), np.zeros(1000, dtype=np.bool_)
    parents = space.sample(2000, stream(1, 0, 1))
    children, new = (variation.children(parents, none, 1999, 1, 0, new=new) for new in (False, True))
    copies, left = ((found == parents[:1999]).all(axis=1) for found in (children, new))
    assert space.contains(new).all()
    assert left.mean() == pytest.approx(copies.mean() ** 3, abs=0.06)
