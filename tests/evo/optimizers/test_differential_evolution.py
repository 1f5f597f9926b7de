"""Differential evolution: its parts follow the papers, and it finds what it should."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evo
from evo.optimizers.base import Results
from evo.optimizers.de import STRATEGIES
from evo.optimizers.differential import binomial, distinct, returned
from evo.optimizers.l_shade import LSHADE
from evo.problems.continuous import Rastrigin, Rosenbrock, Sphere
from evo.rng import stream


def solved(problem: evo.Problem, optimizer: Any, most: int, target: float = 1e-8, seed: int = 1) -> int:
    result = evo.minimize(problem, optimizer=optimizer, seed=seed, stop=evo.Stop(evaluations=most, target=target))
    assert result.stop_reason == "target"
    return result.evaluations


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_solves_the_sphere(strategy: str) -> None:
    solved(Sphere(4), {"type": "de", "strategy": strategy}, most=25_000, target=1e-6)


def test_the_best_as_base_is_greedier_than_a_random_one() -> None:
    best = solved(Sphere(5), {"type": "de", "strategy": "best/1/bin"}, most=30_000)
    assert best < 0.7 * solved(Sphere(5), "de", most=30_000)


def test_l_shade_solves_rastrigin_in_thirty_dimensions_within_its_budget() -> None:
    problem = Rastrigin(30)
    problem.block = 512
    result = evo.minimize(problem, optimizer="l-shade", seed=2, stop=evo.Stop(evaluations=100_000))
    assert result.objective is not None
    assert result.objective < 1e-6


def test_l_shade_follows_a_curved_valley() -> None:
    solved(Rosenbrock(10), "l-shade", most=40_000)


def trained(evaluations: int, **parameters: Any) -> LSHADE:
    optimizer, spent = LSHADE(Sphere(5), 3, **parameters), 0
    while spent < evaluations:
        candidates = optimizer.ask(evaluations - spent)
        objective = Sphere(5).evaluate(candidates.rows["genome"])
        optimizer.tell(candidates, Results({"objective": objective}, np.zeros(len(objective), dtype=np.bool_)))
        spent += len(candidates)
    return optimizer


def test_the_population_shrinks_linearly_to_four() -> None:
    optimizer = LSHADE(Sphere(5), 3, population=60)
    spent, sizes = 0, []
    while spent < 3000:
        candidates = optimizer.ask(3000 - spent)
        objective = Sphere(5).evaluate(candidates.rows["genome"])
        optimizer.tell(candidates, Results({"objective": objective}, np.zeros(len(objective), dtype=np.bool_)))
        spent += len(candidates)
        sizes.append((spent, len(optimizer.points)))
    assert optimizer.horizon == 3000
    assert sizes[-1] == (3000, 4)
    assert all(size == pytest.approx(60 - 56 * spent / 3000, abs=1) for spent, size in sizes)


def test_the_default_population_grows_with_the_budget_up_to_the_papers() -> None:
    sizes = []
    for budget in (100, 1000, 10_000, 50_000, 1_000_000, None):
        optimizer = LSHADE(Sphere(5), 1)
        sizes.append(len(optimizer.ask(budget)))
    assert sizes == sorted(sizes)
    assert sizes[0] == 20
    assert sizes[-1] == sizes[-2] == 18 * 5


def test_the_budget_is_the_one_that_the_run_started_with() -> None:
    optimizer = LSHADE(Sphere(5), 1, evaluations=777)
    optimizer.ask(100)
    assert optimizer.horizon == 777
    extended = trained(500)
    assert extended.horizon == 500
    extended.ask(10_000)
    assert extended.horizon == 500


def test_what_succeeds_is_remembered() -> None:
    optimizer = trained(3000)
    assert not np.array_equal(optimizer.memory_F, np.full(6, 0.5))
    assert ((optimizer.memory_F > 0) & (optimizer.memory_F <= 1)).all()
    assert len(optimizer.archive) <= round(2.6 * len(optimizer.points))


def test_a_crossover_rate_of_zero_that_succeeds_is_terminal() -> None:
    optimizer = LSHADE(Sphere(2), 1, population=8, memory=1)
    for generation in range(3):
        candidates = optimizer.ask(None)
        if generation == 1:
            candidates.rows["CR"][:] = 0.0
        objective = -np.arange(8.0) - 10.0 * generation  # every trial wins
        optimizer.tell(candidates, Results({"objective": objective}, np.zeros(8, dtype=np.bool_)))
    assert optimizer.memory_CR[0] == -1.0
    assert (optimizer.ask(None).rows["CR"] == 0.0).all()


def test_the_memory_takes_weighted_lehmer_means() -> None:
    optimizer = LSHADE(Sphere(2), 1, population=4, memory=2)
    first = optimizer.ask(None)
    optimizer.tell(first, Results({"objective": np.array([10.0, 10.0, 10.0, 10.0])}, np.zeros(4, dtype=np.bool_)))
    trials = optimizer.ask(None)
    optimizer.tell(trials, Results({"objective": np.array([9.0, 7.0, 10.0, 11.0])}, np.zeros(4, dtype=np.bool_)))
    weight = np.array([0.25, 0.75])  # gains of 1 and 3; the tie replaces its parent and teaches nothing
    for memory, name in ((optimizer.memory_F, "F"), (optimizer.memory_CR, "CR")):
        values = trials.rows[name][:2]
        assert memory[0] == pytest.approx((weight * values**2).sum() / (weight * values).sum())
        assert memory[1] == 0.5
    assert optimizer.objective.tolist() == [9.0, 7.0, 10.0, 10.0]


@given(st.integers(0, 2**32), st.integers(6, 12), st.integers(1, 5))
def test_others_are_different_from_each_other_and_the_parent(seed: int, size: int, count: int) -> None:
    own = np.arange(size)
    drawn = distinct(own, size, count, stream(seed, 0, 1))
    for row in np.column_stack((own, *drawn)).tolist():
        assert len(set(row)) == count + 1
        assert all(0 <= k < size for k in row)


def test_others_are_drawn_uniformly() -> None:
    one, two = distinct(np.full(60_000, 2), 5, 2, stream(1, 0, 1))
    pairs = Counter(zip(one.tolist(), two.tolist(), strict=True))
    assert len(pairs) == 4 * 3
    assert all(count == pytest.approx(5000, rel=0.06) for count in pairs.values())


def test_crossover_takes_at_least_one_gene_of_the_mutant() -> None:
    parents, mutants = np.zeros((500, 6)), np.ones((500, 6))
    assert (binomial(parents, mutants, 0.0, stream(1, 0, 1)).sum(axis=1) == 1).all()
    assert binomial(parents, mutants, 1.0, stream(1, 0, 1)).all()
    assert binomial(parents, mutants, 0.4, stream(1, 0, 1)).mean() == pytest.approx(0.4 + 0.6 / 6, abs=0.03)


def test_genes_that_left_the_bounds_come_back_half_way() -> None:
    lower, upper = np.array([0.0, 0.0]), np.array([1.0, 1.0])
    parents, mutants = np.array([[0.2, 0.5]]), np.array([[-3.0, 1.5]])
    assert returned(mutants, parents, lower, upper).tolist() == [[0.1, 0.75]]
