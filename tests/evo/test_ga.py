"""The genetic algorithm: it optimises every space, and its trajectory is fixed by the seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import evo
from evo.checkpoints import digest
from evo.optimizers.ga import GeneticAlgorithm
from evo.problems.combinatorial import OneMax
from evo.problems.continuous import Rastrigin, Sphere


def displacement(x: np.ndarray) -> float:
    return float(np.abs(x - np.arange(len(x))).sum())


def test_reals_converge_on_the_sphere() -> None:
    result = evo.minimize(Sphere(10), stop=evo.Stop(generations=300))
    assert result.objective is not None
    assert result.objective < 1e-3


def test_bits_reach_the_optimum_of_onemax() -> None:
    result = evo.maximize(OneMax(50), stop=evo.Stop(generations=300, target=50))
    assert result.objective == 50
    assert result.stop_reason == "target"


def test_integers_reach_their_optimum() -> None:
    result = evo.minimize(
        lambda x: float(np.abs(x - 3).sum()), evo.Integer(-20, 20, shape=8), stop=evo.Stop(generations=300, target=0)
    )
    assert result.objective == 0


def test_permutations_are_sorted() -> None:
    result = evo.minimize(displacement, evo.Permutation(9), stop=evo.Stop(generations=300, target=0))
    assert result.x.tolist() == list(range(9))


def test_constraints_are_met_before_the_objective_counts() -> None:
    def objective(x: np.ndarray) -> evo.Evaluation:
        return evo.Evaluation(x.sum(), 1.0 - x.sum())  # x1 + x2 >= 1

    result = evo.minimize(objective, evo.Real(0, 1, shape=2), stop=evo.Stop(generations=100))
    assert result.feasible
    assert result.objective == pytest.approx(1.0, abs=1e-3)


def test_the_best_never_gets_worse_with_elitism() -> None:
    bests: list[Any] = []
    evo.minimize(Rastrigin(5), stop=evo.Stop(generations=100), callback=lambda e: bests.append(e.user_objective()))
    assert bests == sorted(bests, reverse=True)


def test_the_trajectory_is_the_golden_one() -> None:
    # A change here means that old checkpoints no longer continue to the result that they would have had.
    problems = [Sphere(4), OneMax(12)]
    digests = [evo.minimize(p, stop=evo.Stop(generations=20), seed=5).digest for p in problems]
    orders = evo.minimize(displacement, evo.Permutation(6), stop=evo.Stop(generations=20), seed=5).digest
    assert [*digests, orders] == [
        "0328591a5b52fe1a1b28510334b9098b",
        "25f6f8d5d3579c82061989d210ecfc03",
        "532eb45919c3bc8e08aca9b28668c705",
    ]


def test_loading_the_state_continues_bit_for_bit() -> None:
    problem = Sphere(3)

    def step(ga: GeneticAlgorithm) -> None:
        from evo.optimizers.base import Results

        candidates = ga.ask(None)
        objective = problem.evaluate(candidates.rows["genome"])
        worst = np.zeros(len(objective))
        ga.tell(candidates, Results({"objective": objective, "violation": worst}, worst > 0))

    one = GeneticAlgorithm(problem, 3, population=10)
    for _ in range(5):
        step(one)
    two = GeneticAlgorithm(problem, 3, population=10)
    two.load_state(one.state())
    before = digest(one.state())
    for ga in (one, two):
        for _ in range(5):
            step(ga)
    assert digest(one.state()) == digest(two.state()) != before


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"population": 1}, "optimizer.population: expected a whole number, at least 2, found 1"),
        ({"elitism": 100}, "optimizer.elitism: expected a whole number, 0 to 99, found 100"),
        ({"crossover": 1.5}, "optimizer.crossover: expected a number from 0 to 1, found 1.5"),
        ({"mutation": "often"}, "optimizer.mutation: expected a number from 0 to 1, found 'often'"),
        ({"populaton": 10}, 'optimizer.populaton: unknown key, .* did you mean "population"?'),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_field_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(evo.SettingsError, match=message):
        evo.minimize(Sphere(3), optimizer={"type": "ga", **parameters}, stop=evo.Stop(generations=1))
