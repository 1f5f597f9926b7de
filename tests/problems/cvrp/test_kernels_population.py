"""The population's kernels, each against a slow version in plain Python."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evo.problems.cvrp.kernels_population import absorb, breed, empty_population, rebuild

SLOTS, ELITE, NEAR = 12, 2, 3


def random_generation(rng, count, n, routes):
    """Educated individuals as workers give them; some are clones, some infeasible, some repaired."""
    tours = np.array([[rng.permutation(n - 1) + 1] * 2 for _ in range(count)], np.int32)
    offsets = np.sort(rng.integers(0, n, (count, 2, routes + 1)), axis=2).astype(np.int32)
    offsets[:, :, 0], offsets[:, :, -1] = 0, n - 1
    for i in range(1, count):
        if rng.random() < 0.2:
            tours[i], offsets[i] = tours[i - 1], offsets[i - 1]
    excess = np.zeros((count, 2), np.int64)
    excess[:, 0] = rng.integers(0, 3, count) * rng.integers(0, 10, count)
    repaired = (excess[:, 0] > 0) & (rng.random(count) < 0.5)
    distance = rng.integers(0, 30, (count, 2)).astype(float)
    return tours, offsets, distance, excess, repaired


def fill(population, generation, usable=None, penalty=2.0, keep=5):
    usable = np.ones(len(generation[0]), np.bool_) if usable is None else usable
    absorb(population, *generation, usable, penalty, keep, ELITE, NEAR)


def pairs(tour, offsets):
    """Undirected edges of a solution, and both customers at each route's ends."""
    edges, ends = set(), set()
    for a, b in itertools.pairwise(offsets):
        route = tour[a:b].tolist()
        edges |= {frozenset(edge) for edge in itertools.pairwise(route)}
        if route:
            ends |= {route[0], route[-1]}
    return edges, ends


def slow_broken_pairs(tour_a, offsets_a, tour_b, offsets_b):
    edges_b, ends_b = pairs(tour_b, offsets_b)
    broken = 0
    for a, b in itertools.pairwise(offsets_a):
        route = tour_a[a:b].tolist()
        broken += sum(frozenset(edge) not in edges_b for edge in itertools.pairwise(route))
        if route:
            broken += (route[0] not in ends_b) + (route[-1] not in ends_b)
    return broken


def members(population, sub):
    return range(population.size[sub])


def slow_fitness(population, sub, penalty):
    size = int(population.size[sub])
    cost = population.distance[sub, :size] + penalty * population.excess[sub, :size]
    closeness = []
    for i in range(size):
        others = sorted(int(population.broken[sub, i, j]) for j in range(size) if j != i)[:NEAR]
        closeness.append(sum(others) / max(len(others), 1))
    cost_rank = np.argsort(np.argsort(cost, kind="stable"))
    diversity_rank = np.argsort(np.argsort(-np.array(closeness), kind="stable"))
    return (cost_rank + max(1 - ELITE / size, 0) * diversity_rank) / max(size - 1, 1)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 12), count=st.integers(1, 30))
def test_distances_and_fitness_are_those_of_the_slow_versions(seed, n, count):
    rng = np.random.default_rng(seed)
    population = empty_population(SLOTS, n, 3)
    fill(population, random_generation(rng, count, n, 3))
    if population.size.sum() >= 2:
        breed(population, rng.random((1, 8)), 2.0, ELITE, NEAR, np.empty((1, n - 1), np.int32))
    for sub in range(2):
        tours, offsets = population.tours[sub], population.offsets[sub]
        for i in members(population, sub):
            for j in members(population, sub):
                # Counted in the later one of the two, against the earlier one.
                counts = {
                    slow_broken_pairs(tours[i], offsets[i], tours[j], offsets[j]),
                    slow_broken_pairs(tours[j], offsets[j], tours[i], offsets[i]),
                }
                assert population.broken[sub, i, j] in counts
                assert population.broken[sub, j, i] == population.broken[sub, i, j]
        if population.size.sum() >= 2 and population.size[sub] > 0:
            size = population.size[sub]
            assert population.fitness[sub, :size].tolist() == pytest.approx(slow_fitness(population, sub, 2.0))


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 60))
def test_survivors_hold_the_best_and_fill_no_more_than_their_slots(seed, count):
    rng = np.random.default_rng(seed)
    generation = random_generation(rng, count, 9, 3)
    _, _, distance, excess, repaired = generation
    usable = rng.random(count) < 0.9
    population = empty_population(SLOTS, 9, 3)
    fill(population, generation, usable)

    entered = [distance[i, 0] for i in range(count) if usable[i] and excess[i, 0] == 0]
    entered += [distance[i, 1] for i in range(count) if usable[i] and repaired[i]]
    size = population.size
    assert (size < SLOTS).all()
    assert size[0] == (len(entered) if len(entered) < SLOTS else size[0])
    if len(entered) >= SLOTS:
        assert size[0] >= 5
    if entered:
        assert population.distance[0, : size[0]].min() == min(entered)
    assert (population.excess[0, : size[0]] == 0).all()
    assert (population.excess[1, : size[1]] > 0).all()


def test_clones_go_first_and_the_best_never():
    n = 6
    one, other = [1, 2, 3, 4, 5], [2, 4, 1, 5, 3]
    tours = np.array([[one, one]] * 6 + [[other, other]], np.int32)
    offsets = np.tile(np.array([0, 5, 5, 5], np.int32), (7, 2, 1))
    distance = np.tile(np.arange(7.0)[:, None], (1, 2))
    distance[6] = 100.0  # dear, but no clone
    nothing = np.zeros((7, 2), np.int64)
    population = empty_population(7, n, 3)
    fill(population, (tours, offsets, distance, nothing, np.zeros(7, np.bool_)), keep=2)
    assert sorted(population.distance[0, : population.size[0]]) == [0.0, 100.0]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_population_that_is_rebuilt_is_the_same(seed):
    rng = np.random.default_rng(seed)
    population = empty_population(SLOTS, 8, 3)
    fill(population, random_generation(rng, 10, 8, 3))  # fewer than the slots: nobody left and changed places
    again = empty_population(SLOTS, 8, 3)
    for name in ("size", "tours", "offsets", "distance", "excess"):
        getattr(again, name)[:] = getattr(population, name)
    rebuild(again)
    for name in ("size", "after", "before", "broken"):
        assert (getattr(again, name) == getattr(population, name)).all(), name


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 12))
def test_offspring_hold_a_run_of_one_parent_and_the_order_of_the_other(seed, n):
    rng = np.random.default_rng(seed)
    population = empty_population(SLOTS, n, 2)
    tours, offsets, distance, excess, _ = random_generation(rng, 2, n, 2)
    excess[:] = 0
    fill(population, (tours, offsets, distance, excess, np.zeros(2, np.bool_)))
    children = np.zeros((20, n - 1), np.int32)
    breed(population, rng.random((20, 8)), 1.0, ELITE, NEAR, children)
    parents = population.tours[0, :2].tolist()
    for child in children.tolist():
        assert sorted(child) == list(range(1, n))
        assert any(is_order_crossover(child, a, b) for a in parents for b in parents)


def is_order_crossover(child, a, b):
    length = len(a)
    for start in range(length):
        for size in range(1, length + 1):
            kept = [(start + k) % length for k in range(size)]
            taken = {a[k] for k in kept}
            end = kept[-1]
            rest = [b[(end + 1 + k) % length] for k in range(length) if b[(end + 1 + k) % length] not in taken]
            expected = [0] * length
            for k in kept:
                expected[k] = a[k]
            for k, customer in enumerate(rest):
                expected[(end + 1 + k) % length] = customer
            if child == expected:
                return True
    return False
