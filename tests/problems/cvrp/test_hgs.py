"""Hybrid genetic search as an optimizer: solutions that hold, on every kind of instance; a pure function."""

import itertools
import pickle
from collections import deque

import numpy as np
import pytest

from evo.checkpoints import digest
from evo.errors import CheckpointError, InstanceError, SettingsError
from evo.optimizers.base import Results
from evo.problems.cvrp import CVRP, Instance, check, generate
from evo.problems.cvrp.education import Education
from evo.problems.cvrp.hgs import HybridGeneticSearch, batch_size
from evo.problems.cvrp.search_data import bins_first_fit_decreasing, most_routes, nearest_customers


def evaluated(optimizer, candidates, block=None):
    evaluator = optimizer.evaluator()
    block = block or evaluator.block
    parts = []
    for start in range(0, len(candidates), block):
        rows = {name: column[start : start + block] for name, column in candidates.rows.items()}
        rows["row"] = np.arange(start, start + len(rows["tour"]))
        parts.append(evaluator.evaluate(rows, candidates.context))
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Results(arrays, np.zeros(len(candidates), np.bool_))


def advance(optimizer, generations, pending=None, block=None):
    """What the engine does, in this process; returns the candidates under way."""
    pending = deque() if pending is None else pending
    for _ in range(generations):
        while len(pending) <= optimizer.lookahead:
            pending.append(optimizer.ask(None))
        candidates = pending.popleft()
        optimizer.tell(candidates, evaluated(optimizer, candidates, block))
    return pending


def solved(instance, generations=10, **parameters):
    problem = CVRP(instance)
    optimizer = HybridGeneticSearch(problem, 1, **parameters)
    advance(optimizer, generations)
    solution = problem.solution(optimizer.best)
    check(instance, solution)
    return solution


def best_of_all(instance):
    """The optimum by dynamic programming over sets of customers: the best tour of each, the best partition of all."""
    matrix, n = instance.distance_matrix(), instance.n
    everyone = range(1, n)
    tour = {}
    for size in range(1, n):
        for group in itertools.combinations(everyone, size):
            if instance.demands[list(group)].sum() <= instance.capacity:
                tour[frozenset(group)] = min(
                    sum(matrix[a, b].item() for a, b in itertools.pairwise([0, *order, 0]))
                    for order in itertools.permutations(group)
                )
    best = {frozenset(): 0.0}
    for size in range(1, n):
        for group in itertools.combinations(everyone, size):
            rest = frozenset(group)
            best[rest] = min(
                (cost + best[rest - route] for route, cost in tour.items() if route <= rest and group[0] in route),
                default=np.inf,
            )
    return best[frozenset(everyone)]


@pytest.mark.parametrize("rounding", ["nearest", "none"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_small_instances_are_solved_to_the_optimum(rounding, seed):
    rng = np.random.default_rng(seed)
    demands = np.array([0, *rng.integers(1, 10, 7)])
    instance = Instance(
        name="small", demands=demands, capacity=15, coordinates=rng.integers(0, 50, (8, 2)), rounding=rounding
    )
    assert solved(instance).cost == pytest.approx(best_of_all(instance))


def matrix_of(points):
    return np.rint(np.hypot(*(points[:, None] - points).transpose(2, 0, 1))).astype(int)


POINTS = np.random.default_rng(0).integers(0, 100, (20, 2))
DEMANDS = np.array([0, *np.random.default_rng(1).integers(1, 20, 19)])
EXTREMES = {
    "one customer": Instance(name="", demands=[0, 1], capacity=1, coordinates=POINTS[:2]),
    "two customers": Instance(name="", demands=[0, 1, 1], capacity=1, coordinates=POINTS[:3]),
    "a single route": Instance(name="", demands=DEMANDS, capacity=10**6, coordinates=POINTS),
    "a route per customer": Instance(name="", demands=[0, *[7] * 19], capacity=7, coordinates=POINTS),
    "two customers never fit": Instance(name="", demands=[0, *[6] * 19], capacity=11, coordinates=POINTS),
    "no demand": Instance(name="", demands=[0] * 20, capacity=1, coordinates=POINTS),
    "huge demands": Instance(name="", demands=DEMANDS * 2**40, capacity=60 * 2**40, coordinates=POINTS),
    "no coordinates": Instance(name="", demands=DEMANDS, capacity=60, distances=matrix_of(POINTS)),
    "one place": Instance(name="", demands=DEMANDS, capacity=60, coordinates=np.ones((20, 2))),
    "long distances": Instance(name="", demands=DEMANDS, capacity=60, coordinates=POINTS * 10**7),
    "short distances": Instance(name="", demands=DEMANDS, capacity=60, coordinates=POINTS * 1e-9, rounding="none"),
    "a tight fleet": Instance(name="", demands=[0, *[5] * 19], capacity=25, coordinates=POINTS, max_vehicles=4),
    "one vehicle": Instance(name="", demands=DEMANDS, capacity=int(DEMANDS.sum()), coordinates=POINTS, max_vehicles=1),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_instances_get_solutions_that_hold(name):
    instance = EXTREMES[name]
    solution = solved(instance, generations=4)
    if instance.max_vehicles is not None:
        assert len(solution.routes) <= instance.max_vehicles


def test_without_rounding_scale_does_not_matter():
    costs = [
        solved(
            Instance(name="", demands=DEMANDS, capacity=60, coordinates=POINTS * scale, rounding="none"), generations=8
        ).cost
        for scale in (1.0, 2.0**-30)
    ]
    assert costs[0] == pytest.approx(costs[1] * 2.0**30)


@pytest.fixture(scope="module")
def instance():
    return generate(60, seed=7, name="generated")


@pytest.fixture
def problem(instance):
    return CVRP(instance)


SMALL = {"population": 6, "offspring": 8, "restart": 200, "batch": 16}


def test_a_run_continued_from_its_state_is_the_same_run(problem):
    parameters = {**SMALL, "restart": 60}
    whole = HybridGeneticSearch(problem, 3, **parameters)
    advance(whole, 40)
    assert whole.era > 0  # the run went through a restart

    begun = HybridGeneticSearch(problem, 3, **parameters)
    pending = advance(begun, 13)
    before = digest(begun.state())
    resumed = HybridGeneticSearch(problem, 3, **parameters)
    resumed.load_state(begun.state())
    assert digest(resumed.state()) == before
    advance(resumed, 27, pending)
    assert digest(resumed.state()) != before
    assert digest(resumed.state()) == digest(whole.state())


def test_the_cut_into_blocks_does_not_show(problem):
    digests = set()
    for block in (1, 5, 16):
        optimizer = HybridGeneticSearch(problem, 3, **SMALL)
        advance(optimizer, 12, block=block)
        digests.add(digest(optimizer.state()))
    assert len(digests) == 1


def test_another_seed_is_another_run(problem):
    digests = set()
    for seed in (1, 2):
        optimizer = HybridGeneticSearch(problem, seed, **SMALL)
        advance(optimizer, 2)
        digests.add(digest(optimizer.state()))
    assert len(digests) == 2


def test_a_known_trajectory():
    """Change these figures only when the search is meant to change: old checkpoints continue differently then."""
    optimizer = HybridGeneticSearch(CVRP(generate(120, seed=7)), 1, **SMALL)
    pending, costs = None, []
    for _ in range(20):
        pending = advance(optimizer, 1, pending)
        costs.append(optimizer.best.objective)
    assert costs[::4] + costs[-1:] == [21044, 20839, 20807, 20807, 20729, 20448]
    assert optimizer.members.size.tolist() == [6, 9]
    assert optimizer.penalty == pytest.approx(9.853718715857989, rel=1e-12)


def test_evaluation_does_not_depend_on_how_arrays_lie_in_memory(problem):
    optimizer = HybridGeneticSearch(problem, 1, **SMALL)
    rows = {**optimizer.ask(None).rows, "row": np.arange(16)}
    context = {"seed": 1, "generation": 0, "penalty": 3.0}
    plain = optimizer.evaluator().evaluate(rows, context)
    strange = {name: np.repeat(column, 2, axis=0)[::2] for name, column in rows.items()}
    for column in strange.values():
        column.flags.writeable = False
    moved = pickle.loads(pickle.dumps(optimizer.evaluator())).evaluate(strange, context)
    for name in plain:
        assert (plain[name] == moved[name]).all(), name


def test_educated_individuals_are_what_they_say(instance, problem):
    optimizer = HybridGeneticSearch(problem, 1, **SMALL)
    matrix = instance.distance_matrix()
    found = evaluated(optimizer, optimizer.ask(None)).arrays
    harsh = optimizer.evaluator()
    rows = {"tour": found["tours"][:, 0], "row": np.arange(16)}
    loose = harsh.evaluate(rows, {"seed": 1, "generation": 5, "penalty": 0.1})
    assert (loose["excess"][:, 0] > 0).any()
    assert loose["repaired"].any() or (loose["excess"][:, 1] < loose["excess"][:, 0]).any()
    for results in (found, loose):
        for i, version in itertools.product(range(16), range(2)):
            tour, offsets = results["tours"][i, version], results["offsets"][i, version]
            routes = [tour[a:b] for a, b in itertools.pairwise(offsets)]
            assert sorted(tour) == list(range(1, instance.n))
            distance = sum(matrix[a, b] for r in routes for a, b in itertools.pairwise([0, *r, 0]))
            assert results["distance"][i, version] == distance
            loads = [instance.demands[r].sum() for r in routes]
            assert results["excess"][i, version] == sum(max(load - instance.capacity, 0) for load in loads)
            assert not results["repaired"][i] or results["excess"][i, 1] == 0


def test_quarantined_rows_never_enter_the_population(problem):
    optimizer = HybridGeneticSearch(problem, 1, **SMALL)
    candidates = optimizer.ask(None)
    results = evaluated(optimizer, candidates)
    stand_in = optimizer.evaluator().placeholder({**candidates.rows, "row": np.arange(16)}, candidates.context)
    for name, column in results.arrays.items():
        assert column.dtype == stand_in[name].dtype
        assert column.shape == stand_in[name].shape
    optimizer.tell(candidates, Results(stand_in, np.ones(16, np.bool_)))
    assert optimizer.best is None
    assert optimizer.members.size.sum() == 0
    advance(optimizer, 8)
    assert optimizer.best.feasible


def test_the_penalty_follows_the_share_of_feasible_individuals(problem):
    penalties = {}
    for target in (0.0, 1.0):
        optimizer = HybridGeneticSearch(problem, 1, feasible=target, **SMALL)
        advance(optimizer, 40)
        penalties[target] = optimizer.penalty
    start = HybridGeneticSearch(problem, 1).penalty
    assert penalties[0.0] < start < penalties[1.0]


def test_no_more_is_asked_than_remains(problem):
    optimizer = HybridGeneticSearch(problem, 1, **SMALL)
    assert len(optimizer.ask(5)) == 5
    assert len(optimizer.ask(None)) == 16
    advance(optimizer, 6)
    assert len(optimizer.ask(3)) == 3


def test_wrong_parameters_and_limits_are_refused(problem, instance):
    for wrong in ({"batch": 0}, {"population": True}, {"feasible": 1.5}, {"closest": 2.5}):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            HybridGeneticSearch(problem, 1, **wrong)
    limited = Instance(name="x", demands=[0, 1], capacity=1, coordinates=[[0, 0], [1, 1]], max_duration=100.0)
    with pytest.raises(InstanceError, match="max_duration"):
        CVRP(limited)


def test_a_state_of_another_instance_is_refused(problem):
    other = HybridGeneticSearch(CVRP(generate(30, seed=1)), 1, **SMALL)
    advance(other, 8)
    with pytest.raises(CheckpointError, match="hgs"):
        HybridGeneticSearch(problem, 1, **SMALL).load_state(other.state())
    with pytest.raises(CheckpointError, match="asked"):
        HybridGeneticSearch(problem, 1, **SMALL).load_state({})


def test_the_parameters_build_the_same_optimizer_again(problem):
    first = HybridGeneticSearch(problem, 1)
    assert first.batch == batch_size(problem.instance.customers)
    again = HybridGeneticSearch(problem, 1, **first.parameters())
    assert again.parameters() == first.parameters()


def test_neighbours_are_the_nearest_and_ties_go_by_number():
    matrix = np.array([[0, 9, 9, 9, 9], [9, 0, 2, 1, 1], [9, 2, 0, 2, 2], [9, 1, 2, 0, 5], [9, 1, 2, 5, 0]])
    assert nearest_customers(matrix, 2)[1:].tolist() == [[3, 4], [1, 3], [1, 2], [1, 2]]
    assert nearest_customers(matrix, 20).shape == (5, 3)


def test_the_fleet_of_the_search_is_large_enough_for_any_packing():
    assert bins_first_fit_decreasing([6, 6, 6, 4], 10) == 3
    assert bins_first_fit_decreasing([0, 0], 1) == 1
    assert most_routes(EXTREMES["two customers never fit"]) == 19
    assert most_routes(EXTREMES["a tight fleet"]) == 4


def test_an_evaluator_travels_without_its_matrix(instance):
    evaluator = Education(instance, 4)
    size = len(pickle.dumps(evaluator))
    evaluator.warm_up()
    assert len(pickle.dumps(evaluator)) == size


def test_tours_are_evaluated_by_split_and_become_solutions(instance, problem):
    genomes = problem.space.sample(8, np.random.default_rng(0))
    evaluation = problem.evaluate(genomes)
    assert (evaluation.violations == 0).all()
    from evo.optimizers.base import Best

    for genome, objective in zip(genomes, evaluation.objectives, strict=True):
        check(instance, problem.solution(Best(objective, 0.0, {"genome": genome})))
