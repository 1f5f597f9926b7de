"""Trajectory search: whole runs, their state, what is refused."""

import numpy as np
import pytest

import evo
from evo.errors import CheckpointError, SettingsError
from evo.optimizers.base import Results
from evo.problems import cvrp
from evo.problems.cvrp.trajectory import STATE
from evo.problems.cvrp.trajectory_search import FIRST_COURSE, TrajectorySearch

SMALL = {"type": "trajectories", "iterations": 5}
# Costs of the four solutions under search, and of their best, after six generations of 40 iterations.
GOLDEN = [[11565.0, 11515.0], [11619.0, 11548.0], [11567.0, 11513.0], [11627.0, 11627.0]]


def problem():
    return cvrp.CVRP(cvrp.generate(60, seed=7))


def search(**parameters):
    return TrajectorySearch(problem(), 1, **{"iterations": 20, **parameters})


def run(optimizer, generations):
    """The engine's order: one generation is asked ahead."""
    evaluator = optimizer.evaluator()
    pending = []
    for _ in range(generations):
        while len(pending) <= optimizer.lookahead:
            pending.append(optimizer.ask(None))
        candidates = pending.pop(0)
        rows = {**candidates.rows, "row": np.arange(len(candidates))}
        arrays = evaluator.evaluate(rows, candidates.context)
        optimizer.tell(candidates, Results(arrays, np.zeros(len(candidates), np.bool_)))
    return optimizer


def test_a_run_solves_an_instance_and_the_checker_accepts_it():
    instance = problem().instance
    result = evo.minimize(problem(), optimizer=SMALL, stop=evo.Stop(generations=8), seed=1)
    cvrp.check(instance, result.solution)
    first = evo.minimize(problem(), optimizer=SMALL, stop=evo.Stop(generations=1), seed=1)
    assert result.objective < first.objective


def test_a_resumed_run_is_the_run_that_was_not_interrupted(tmp_path):
    whole = evo.minimize(problem(), optimizer=SMALL, stop=evo.Stop(generations=9), seed=3)
    part = evo.minimize(problem(), optimizer=SMALL, stop=evo.Stop(generations=4), seed=3, output=tmp_path / "run")
    resumed = evo.resume(tmp_path / "run", stop=evo.Stop(generations=9))
    assert resumed.digest == whole.digest
    assert resumed.digest != part.digest


def test_the_state_goes_round_and_what_follows_is_the_same():
    first = run(search(), 5)
    second = search()
    # What was asked and not told is the engine's to keep: here the next generation is asked again.
    state = {**first.state(), "asked": first.told}
    second.load_state(state)
    third = search()
    third.load_state(state)
    before = second.members["tour"].copy()
    run(second, 4)
    run(third, 4)
    assert (second.members["tour"] != before).any()
    for name in STATE:
        np.testing.assert_array_equal(second.members[name], third.members[name])
    assert second.best is not None
    assert third.best is not None
    assert second.best.objective == third.best.objective


def test_a_state_of_another_instance_is_refused():
    other = TrajectorySearch(cvrp.CVRP(cvrp.generate(30, seed=7)), 1)
    with pytest.raises(CheckpointError, match="trajectories"):
        search().load_state(other.state())


def test_a_trajectory_that_falls_behind_is_replaced_by_the_leader():
    # Of two, each is a cohort: the one told last is the leader afterwards, or a copy of it.
    for generations in range(2, 7):
        members = run(search(population=2, exchange=1), generations).members
        told, other = (generations - 1) % 2, generations % 2
        assert members["costs"][told, 1] <= members["costs"][other, 1]
    apart = run(search(population=2, exchange=100), 7).members
    assert (apart["best_tour"][0] != apart["best_tour"][1]).any()


def test_a_quarantined_trajectory_stays_as_it_was():
    optimizer = run(search(), 2)
    candidates = optimizer.ask(None)
    arrays = optimizer.evaluator().placeholder(candidates.rows, candidates.context)
    before = {name: column.copy() for name, column in optimizer.members.items()}
    chosen = optimizer.cohort(optimizer.told)
    optimizer.tell(candidates, Results(arrays, np.ones(len(candidates), np.bool_)))
    for name in STATE:
        np.testing.assert_array_equal(optimizer.members[name][chosen], before[name][chosen])


def test_a_budget_of_evaluations_is_kept():
    result = evo.minimize(problem(), optimizer={**SMALL, "population": 4}, stop=evo.Stop(evaluations=5), seed=1)
    assert result.evaluations == 5


def test_a_course_goes_from_its_beginning_to_its_end():
    planned = search(horizon=10)
    assert planned.course(0) == (0.0, 0.2)
    assert planned.course(9) == (0.9, 1.0)
    assert planned.course(50) == (1.0, 1.0)
    unplanned = search()
    assert unplanned.course(0)[0] == 0.0
    assert unplanned.course(2 * FIRST_COURSE - 1)[1] == 1.0
    assert unplanned.course(2 * FIRST_COURSE) == (0.0, 0.5 / FIRST_COURSE)
    assert unplanned.course(2 * (3 * FIRST_COURSE) - 1)[1] == 1.0


@pytest.mark.parametrize(
    ("name", "value"),
    [("population", 1), ("population", 3), ("iterations", 0), ("horizon", 0), ("exchange", True), ("guided", 1.5)],
)
def test_a_parameter_that_makes_no_sense_is_refused_by_name(name, value):
    with pytest.raises(SettingsError, match=f"optimizer.{name}: expected .*found {value}"):
        search(**{name: value})


def test_the_trajectories_are_the_golden_ones():
    members = run(search(iterations=40), 6).members
    assert members["costs"].tolist() == GOLDEN


def test_the_population_is_smaller_where_there_are_many_customers():
    assert search().population == 4
    assert TrajectorySearch(cvrp.CVRP(cvrp.generate(500, seed=1)), 1).population == 2
