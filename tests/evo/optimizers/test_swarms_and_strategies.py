"""Evolution strategies, particle swarms, the genetic algorithm's other forms, and `auto`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from optimizer_problems import Plain
from optimizer_steps import build, step

import evo
from evo.operators.named import CROSSOVERS, MUTATIONS
from evo.optimizers.auto import MANY_DIMENSIONS, choice
from evo.optimizers.base import Results
from evo.optimizers.es import LARGEST, EvolutionStrategy
from evo.optimizers.ga import SELECTIONS
from evo.optimizers.pso import ParticleSwarm
from evo.problems.combinatorial import OneMax
from evo.problems.continuous import Rastrigin, Sphere

HAND = "test_swarms_and_strategies"


def objective(problem: evo.Problem, optimizer: Any, evaluations: int, seed: int = 1) -> float:
    result = evo.minimize(problem, optimizer=optimizer, seed=seed, stop=evo.Stop(evaluations=evaluations))
    assert result.objective is not None
    return result.objective


# Evolution strategies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("survival", ["comma", "plus"])
@pytest.mark.parametrize("recombination", ["intermediate", "discrete"])
def test_step_sizes_adapt_over_ten_orders_of_magnitude(survival: str, recombination: str) -> None:
    optimizer = {"type": "es", "survival": survival, "recombination": recombination}
    assert objective(Sphere(6), optimizer, 20_000) < 1e-12


def test_step_sizes_learn_the_scales_of_the_dimensions() -> None:
    problem = Sphere(4)
    weights = np.array([1.0, 1.0, 1e4, 1e4])
    optimizer = EvolutionStrategy(problem, 1, lambda_=60)
    for _ in range(60):
        candidates = optimizer.ask(None)
        values = (weights * candidates.rows["genome"] ** 2).sum(axis=1)
        optimizer.tell(candidates, Results({"objective": values}, np.zeros(60, dtype=np.bool_)))
    sigma = np.exp(np.log(optimizer.sigma).mean(axis=0))
    assert sigma[:2].min() > 5 * sigma[2:].max()
    assert sigma.max() <= LARGEST


def test_with_plus_the_parents_never_get_worse() -> None:
    optimizer = build("es", Plain("real"), survival="plus")
    assert isinstance(optimizer, EvolutionStrategy)
    worst = np.inf
    for _ in range(30):
        step(optimizer)
        assert optimizer.objective.max() <= worst
        worst = optimizer.objective.max()


def test_comma_with_more_parents_than_offspring_is_refused() -> None:
    with pytest.raises(evo.SettingsError, match=r"optimizer\.mu: expected fewer than lambda_ = 10, found 10"):
        build("es", Plain("real"), mu=10, lambda_=10)
    with pytest.raises(evo.SettingsError, match=r"optimizer\.rho: expected a whole number, 1 to 3, found 4"):
        build("es", Plain("real"), mu=3, rho=4)


# Particle swarms -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topology", ["ring", "global"])
def test_swarms_converge(topology: str) -> None:
    assert objective(Sphere(6), {"type": "pso", "topology": topology}, 20_000) < 1e-8


def test_a_particle_of_the_ring_knows_its_two_neighbours() -> None:
    swarm = ParticleSwarm(Sphere(2), 1, population=6)
    swarm.ask(None)
    swarm.own_objective = np.array([5.0, 1.0, 4.0, 3.0, 2.0, 6.0])
    swarm.own_violation = np.zeros(6)
    assert swarm._leaders().tolist() == [1, 1, 1, 4, 4, 4]
    swarm.topology = "global"
    assert swarm._leaders().tolist() == [1] * 6


def test_a_particle_that_hits_a_bound_stops_there() -> None:
    swarm = ParticleSwarm(Sphere(2), 1, population=4)
    step(swarm)
    swarm.velocity[:] = [100.0, 0.0]
    genome = swarm.ask(None).rows["genome"]
    assert (genome[:, 0] == 5.0).all()
    assert (swarm.velocity[:, 0] == 0.0).all()
    assert (swarm.velocity[:, 1] != 0.0).any()


# Forms of the genetic algorithm --------------------------------------------------------------------------------------


@pytest.mark.parametrize("selection", SELECTIONS)
def test_every_selection_climbs_onemax(selection: str) -> None:
    result = evo.maximize(
        OneMax(40), optimizer={"type": "ga", "selection": selection}, stop=evo.Stop(generations=200, target=40)
    )
    assert result.objective == 40


@pytest.mark.parametrize("kind", ["real", "integer", "binary", "permutation"])
def test_every_operator_is_known_by_its_name(kind: str) -> None:
    problem = Plain(kind)
    for field, operators in (("crossover_operator", CROSSOVERS), ("mutation_operator", MUTATIONS)):
        for name, operator in operators.items():
            if isinstance(problem.space, operator.spaces):
                optimizer = build("ga", Plain(kind), population=20, **{field: name})
                start = step(optimizer)
                for _ in range(25):
                    assert problem.space.contains(step(optimizer).rows["genome"]).all()
                assert optimizer.best is not None
                assert optimizer.best.objective <= problem.evaluate(start.rows["genome"]).min()
            else:
                with pytest.raises(evo.SettingsError, match=rf"optimizer\.{field}: expected one of .* found '{name}'"):
                    build("ga", Plain(kind), **{field: name})


def mirrored(first: np.ndarray, second: np.ndarray, space: Any, rng: np.random.Generator) -> Any:
    return space.upper + space.lower - first, space.upper + space.lower - second


def test_an_operator_of_ones_own_is_a_plain_function() -> None:
    optimizer = build(
        "ga", Plain("real"), crossover=1.0, mutation=0.0, elitism=0, crossover_operator=f"{HAND}:mirrored"
    )
    parents = step(optimizer).rows["genome"]
    space = Plain("real").space
    assert isinstance(space, evo.Real)
    children = optimizer.ask(None).rows["genome"]
    mirror = {tuple(row) for row in np.round(space.upper + space.lower - parents, 9).tolist()}
    assert {tuple(row) for row in np.round(children, 9).tolist()} <= mirror
    with pytest.raises(evo.EvoError, match=r"optimizer\.crossover_operator: no module"):
        build("ga", Plain("real"), crossover_operator="no_such_module:mirrored")


def test_in_a_steady_state_only_what_is_better_gets_in() -> None:
    optimizer = build("ga", Plain("real"), population=20, survival="steady-state", offspring=2)
    assert len(step(optimizer)) == 20
    mean = np.inf
    for _ in range(200):
        assert len(step(optimizer)) == 2
        objectives = optimizer.state()["population"]["objective"]
        assert len(objectives) == 20
        assert objectives.mean() <= mean
        mean = objectives.mean()
    with pytest.raises(evo.SettingsError, match=r"optimizer\.offspring: expected a whole number, at least 19, found 2"):
        build("ga", Plain("real"), population=20, offspring=2)


def test_without_an_elite_the_best_is_remembered_all_the_same() -> None:
    optimizer = build("ga", Plain("real"), population=6, elitism=0, mutation=1.0)
    found = []
    for _ in range(30):
        found.append(Plain("real").evaluate(step(optimizer).rows["genome"]).min())
        assert optimizer.best is not None
        assert optimizer.best.objective == min(found)
    assert found[-1] > min(found)


# Auto ----------------------------------------------------------------------------------------------------------------


def test_the_choice_goes_by_space_dimension_and_budget() -> None:
    assert choice(evo.Permutation(20), 1000) == "ga"
    assert choice(evo.Binary(20), None) == "ga"
    assert choice(evo.Real(-1, 1, shape=10), 1000) == "cma-es"
    assert choice(evo.Real(-1, 1, shape=MANY_DIMENSIONS), 1000) == "sep-cma-es"
    assert choice(evo.Integer(-9, 9, shape=10), 1000) == "l-shade"
    assert choice(evo.Integer(-9, 9, shape=10), 100) == choice(evo.Integer(-9, 9, shape=10), None) == "cma-es"


def test_auto_searches_as_the_optimizer_that_it_chose() -> None:
    stop = evo.Stop(evaluations=900)
    for problem, name in ((Rastrigin(5), "cma-es"), (OneMax(30), "ga")):
        auto = evo.minimize(problem, optimizer="auto", seed=3, stop=stop)
        chosen = evo.minimize(problem, optimizer=name, seed=3, stop=stop)
        assert auto.objective == chosen.objective
        assert np.array_equal(auto.x, chosen.x)


def test_the_choice_outlives_an_extension_of_the_budget() -> None:
    optimizer = build("auto", Plain("integer"))
    step(optimizer, 60)
    state = optimizer.state()
    assert state["chosen"] == "cma-es"
    resumed = build("auto", Plain("integer"))
    resumed.load_state(state)
    step(resumed, 100_000)
    assert resumed.state()["chosen"] == "cma-es"
    with pytest.raises(evo.CheckpointError, match="hgs, which auto does not choose"):
        build("auto", Plain("integer")).load_state({**state, "chosen": "hgs"})
