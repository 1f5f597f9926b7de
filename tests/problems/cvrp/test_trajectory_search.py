"""Trajectory search: whole runs, their state, what is refused."""

import itertools

import numpy as np
import pytest

import evo
from evo.errors import CheckpointError, SettingsError
from evo.optimizers.base import Results
from evo.problems import cvrp
from evo.problems.cvrp.trajectory_search import FIRST_COURSE, TrajectorySearch, number_of_parts

SMALL = {"type": "trajectories", "iterations": 5}
# Costs of the four solutions under search, and of their best, after six generations of 40 iterations.
GOLDEN = [[11565.0, 11515.0], [11596.0, 11515.0], [11567.0, 11513.0], [11627.0, 11627.0]]


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
    # The horizon is what the generations' limit says, once: a run to be extended needs that of the whole.
    settings = {**SMALL, "horizon": 9}
    whole = evo.minimize(problem(), optimizer=settings, stop=evo.Stop(generations=9), seed=3)
    part = evo.minimize(problem(), optimizer=settings, stop=evo.Stop(generations=4), seed=3, output=tmp_path / "run")
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
    for name in second.members:
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
    for name in before:
        np.testing.assert_array_equal(optimizer.members[name][chosen], before[name][chosen])


def test_a_budget_of_evaluations_is_kept():
    result = evo.minimize(problem(), optimizer={**SMALL, "population": 4}, stop=evo.Stop(evaluations=5), seed=1)
    assert result.evaluations == 5


def test_a_course_goes_from_its_beginning_to_its_end_then_over_its_second_half_again():
    planned = search(horizon=10)
    assert planned.course(0) == (0.0, 0.2)
    assert planned.course(8) == (0.8, 1.0)
    assert planned.course(11)[0] == pytest.approx(0.6)
    assert planned.course(14) == pytest.approx((0.9, 0.6))
    assert planned.share_of_course(15) == planned.share_of_course(10) == 1.0
    unplanned = search()
    assert unplanned.course(0)[0] == 0.0
    assert unplanned.course(2 * FIRST_COURSE - 1)[1] == 1.0
    assert unplanned.course(2 * FIRST_COURSE) == (0.0, 0.5 / FIRST_COURSE)
    assert unplanned.course(2 * (3 * FIRST_COURSE) - 1)[1] == 1.0


def test_a_plan_made_on_the_way_opens_the_course_there_and_gives_the_same_run_again():
    settings = {"population": 1, "parts": 2, "iterations": 40}
    planned = run(search(**settings), 3)
    assert planned.wants_horizon
    planned.plan(11)
    assert planned.parameters()["opening"] == 3
    assert planned.parameters()["horizon"] == 9
    assert not planned.wants_horizon
    run(planned, 4)
    again = run(search(**settings, horizon=9, opening=3), 7)
    assert again.members["costs"].tolist() == planned.members["costs"].tolist()
    other = run(search(**settings, horizon=5, opening=0), 7)
    assert again.members["costs"].tolist() != other.members["costs"].tolist()


def test_parts_make_a_whole_that_the_checker_accepts():
    instance = cvrp.generate(60, seed=7)
    optimizer = run(search(population=1, parts=3, iterations=100), 6)
    member = optimizer.members
    for prefix, cost in (("", member["costs"][0, 0]), ("best_", member["costs"][0, 1])):
        tour, offsets = member[f"{prefix}tour"][0], member[f"{prefix}offsets"][0]
        routes = [tour[a:b].tolist() for a, b in itertools.pairwise(offsets)]
        cvrp.check(instance, cvrp.Solution(routes, int(cost)))
    assert len(optimizer.ask(None).rows["tour"]) == 3
    assert len(search(population=1, parts=3).ask(None).rows["tour"]) == 1  # nothing to cut yet


def test_a_part_that_was_given_up_stays_as_it_was_and_the_others_go_on():
    optimizer = run(search(population=1, parts=3), 2)
    candidates = optimizer.ask(None)
    arrays = optimizer.evaluator().evaluate({**candidates.rows, "row": np.arange(3)}, candidates.context)
    before = optimizer.best
    optimizer.tell(candidates, Results(arrays, np.array([False, True, False])))
    tour, offsets = optimizer.members["tour"][0], optimizer.members["offsets"][0]
    assert sorted(tour) == list(range(1, 61))
    kept = candidates.rows["tour"][1][: candidates.rows["offsets"][1, -1]].tolist()
    assert str(kept)[1:-1] in str(tour.tolist())
    assert offsets[-1] == 60
    assert optimizer.best == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("population", 0),
        ("population", 3),
        ("parts", 0),
        ("opening", -1),
        ("iterations", 0),
        ("horizon", 0),
        ("exchange", True),
        ("guided", 1.5),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused_by_name(name, value):
    with pytest.raises(SettingsError, match=f"optimizer.{name}: expected .*found {value}"):
        search(**{name: value})


def test_the_trajectories_are_the_golden_ones():
    members = run(search(iterations=40), 6).members
    assert members["costs"].tolist() == GOLDEN


def test_members_whose_first_epoch_was_given_up_begin_in_the_next_one():
    optimizer = search(population=6, parts=2)
    evaluator = optimizer.evaluator()
    for generation in range(3):
        candidates = optimizer.ask(None)
        rows = np.arange(len(candidates))
        arrays = evaluator.evaluate({**candidates.rows, "row": rows}, candidates.context)
        # Of the two given up at first, the leader's copy takes the place of one; the other has no solution yet.
        optimizer.tell(candidates, Results(arrays, (rows > 0) & (generation == 0)))
    assert (optimizer.members["offsets"][:, -1] == 60).all()


def test_many_customers_are_one_solution_in_parts():
    assert search().population == 4
    assert search().parts == 1
    assert TrajectorySearch(cvrp.CVRP(cvrp.generate(500, seed=1)), 1).population == 1
    assert number_of_parts(1999) == 1
    assert number_of_parts(2000) == 2
    assert number_of_parts(30_000) == 30


def test_parts_of_an_instance_without_coordinates_are_refused():
    plain = cvrp.generate(20, seed=7)
    instance = cvrp.Instance(
        name="matrix", demands=plain.demands, capacity=plain.capacity, distances=plain.distance_matrix()
    )
    with pytest.raises(SettingsError, match=r"optimizer\.parts: expected 1 .* without coordinates, found 2"):
        TrajectorySearch(cvrp.CVRP(instance), 1, parts=2)
    assert TrajectorySearch(cvrp.CVRP(instance), 1).parts == 1
