"""Knapsack and travelling salesman: their optima, TSPLIB's distances, 2-opt."""

from __future__ import annotations

import itertools
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evo
from evo import registry
from evo.problems.combinatorial import Knapsack
from evo.problems.kernels_two_opt import two_opt
from evo.problems.tsp import TSP
from evo.problems.tsplib import read

BURMA14 = """NAME: burma14
TYPE: TSP
COMMENT: 14-Staedte in Burma (Zaw Win)
DIMENSION: 14
EDGE_WEIGHT_TYPE: GEO
EDGE_WEIGHT_FORMAT: FUNCTION
DISPLAY_DATA_TYPE: COORD_DISPLAY
NODE_COORD_SECTION
   1  16.47       96.10
   2  16.47       94.44
   3  20.09       92.54
   4  22.39       93.37
   5  25.23       97.24
   6  22.00       96.05
   7  20.47       97.02
   8  17.20       96.29
   9  16.30       97.38
  10  14.05       98.12
  11  16.53       97.38
  12  21.52       95.59
  13  19.41       97.13
  14  20.09       94.55
EOF
"""


def shortest(distances: np.ndarray) -> float:
    """By Held and Karp's recursion (1962): over sets of cities, and the last one visited."""
    n = len(distances) - 1
    best = np.full((1 << n, n), np.inf)
    best[1 << np.arange(n), np.arange(n)] = distances[n, :n]
    for subset in range(1, 1 << n):
        members = [i for i in range(n) if subset >> i & 1]
        for i in members:
            if len(members) > 1:
                before = [j for j in members if j != i]
                best[subset, i] = (best[subset ^ (1 << i), before] + distances[before, i]).min()
    return float((best[-1] + distances[:n, n]).min())


def test_the_tour_through_burma_has_tsplibs_optimum(tmp_path: Path) -> None:
    (tmp_path / "burma14.tsp").write_text(BURMA14)
    problem = registry.build_problem("tsp", {"instance": "burma14.tsp", "two_opt": True}, tmp_path)
    assert problem.best_known == 3323
    result = evo.minimize(problem, stop=evo.Stop(target=3323, generations=100))
    assert result.objective == 3323


def test_the_optimum_of_a_few_cities_is_held_and_karps() -> None:
    problem = TSP(cities=9, two_opt=True)
    result = evo.minimize(problem, stop=evo.Stop(generations=20))
    assert result.objective == pytest.approx(shortest(problem.distances))


def test_cities_on_a_circle_are_visited_round_it() -> None:
    problem = TSP(cities=60, layout="circle", two_opt=True)
    result = evo.minimize(problem, stop=evo.Stop(generations=50), optimizer={"type": "ga", "crossover_operator": "erx"})
    assert result.objective == pytest.approx(problem.best_known)
    assert problem.best_known == pytest.approx(60 * math.sin(math.pi / 60))


@given(st.integers(4, 30), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_no_reversal_shortens_a_tour_after_two_opt(cities: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = rng.random((cities, 2))
    distances = np.hypot(*(column[:, None] - column[None, :] for column in places.T))
    before = rng.permuted(np.tile(np.arange(cities), (2, 1)), axis=1)
    after = before.copy()
    two_opt(after, distances)
    for old, tour in zip(before, after, strict=True):
        assert np.array_equal(np.sort(tour), np.arange(cities))
        found = length(tour, distances)
        assert found <= length(old, distances) + 1e-9
        for i, j in itertools.combinations(range(cities), 2):
            turned = np.concatenate((tour[:i], tour[i : j + 1][::-1], tour[j + 1 :]))
            assert length(turned, distances) >= found - 1e-6


def length(tour: np.ndarray, distances: np.ndarray) -> float:
    return float(distances[tour, np.roll(tour, -1)].sum())


MATRIX = np.array([[0, 1, 2, 3], [1, 0, 4, 5], [2, 4, 0, 6], [3, 5, 6, 0]])


@pytest.mark.parametrize(
    ("layout", "numbers"),
    [
        ("FULL_MATRIX", "0 1 2 3\n1 0 4 5\n2 4 0 6\n3 5 6 0"),
        ("UPPER_ROW", "1 2 3\n4 5\n6"),
        ("LOWER_ROW", "1\n2 4 3 5\n6"),
        ("UPPER_DIAG_ROW", "0 1 2 3 0 4 5 0 6 0"),
        ("LOWER_DIAG_ROW", "0 1 0 2 4 0 3 5 6 0"),
    ],
)
def test_a_matrix_is_read_in_each_of_tsplibs_formats(layout: str, numbers: str, tmp_path: Path) -> None:
    head = f"NAME : m\nTYPE : TSP\nDIMENSION : 4\nEDGE_WEIGHT_TYPE : EXPLICIT\nEDGE_WEIGHT_FORMAT : {layout}\n"
    (tmp_path / "m.tsp").write_text(f"{head}EDGE_WEIGHT_SECTION\n{numbers}\nEOF\n")
    name, distances = read(tmp_path / "m.tsp")
    assert name == "m"
    assert np.array_equal(distances, MATRIX)


@pytest.mark.parametrize(("rule", "expected"), [("EUC_2D", 3), ("CEIL_2D", 3), ("MAN_2D", 4), ("ATT", 1)])
def test_distances_are_rounded_by_their_rule(rule: str, expected: int, tmp_path: Path) -> None:
    head = f"DIMENSION : 3\nEDGE_WEIGHT_TYPE : {rule}\nNODE_COORD_SECTION\n"
    (tmp_path / "r.tsp").write_text(f"{head}2 2.5 1.5\n1 0 0\n3 9 9\n")
    name, distances = read(tmp_path / "r.tsp")
    assert name == "r"
    assert distances[0, 1] == distances[1, 0] == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("TYPE: TSP", "TYPE: ATSP"), "TYPE: expected TSP, found ATSP"),
        (("DIMENSION: 14", "DIMENSION: 15"), "NODE_COORD_SECTION: expected 3 x 15 numbers, found 42"),
        (("DIMENSION: 14", "DIMENSION: x"), "DIMENSION: expected a whole number"),
        (("GEO", "XRAY1"), "EDGE_WEIGHT_TYPE: expected EXPLICIT or one of"),
        (("  14  20", "  13  20"), "expected the cities 1 to 14, each once"),
        (("20.09       94.55", "20.09       north"), "expected numbers in the sections"),
        (("NODE_COORD_SECTION", "COORDS"), "expected KEY : value or a section's name"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.tsp"
    path.write_text(BURMA14.replace(*change))
    with pytest.raises(evo.InstanceError, match=message) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_the_best_knapsack_is_the_best_of_all() -> None:
    problem = Knapsack(items=12, seed=3)
    everything = np.array(list(itertools.product([False, True], repeat=12)))
    found = problem.evaluate(everything)
    fits = np.asarray(found.violations) <= 0
    assert problem.best_known == np.asarray(found.objectives)[fits].max()


def test_a_knapsack_is_packed() -> None:
    problem = Knapsack(items=40)
    assert problem.best_known is not None
    result = evo.maximize(problem, stop=evo.Stop(generations=300))
    assert result.feasible
    assert 0.97 * problem.best_known <= result.objective <= problem.best_known


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("tsp", {"cities": 2}, r"problem\.cities: expected a whole number, at least 3"),
        ("tsp", {"layout": "square"}, r"problem\.layout: expected one of random, circle"),
        ("tsp", {"citys": 5}, r'problem\.citys: unknown key.*did you mean "cities"'),
        ("tsp", {"instance": 5}, r"problem\.instance: expected the path of a TSPLIB file"),
        ("knapsack", {"items": 0}, r"problem\.items: expected a whole number, at least 1"),
        ("knapsack", {"items": 10**9}, r"problem\.items: expected at most"),
    ],
)
def test_a_wrong_parameter_is_refused(name: str, parameters: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(evo.ProblemError, match=message):
        registry.build_problem(name, parameters, tmp_path)


def test_a_worker_gets_the_problem_with_its_two_opt() -> None:
    problem = pickle.loads(pickle.dumps(TSP(cities=8, two_opt=True)))
    assert problem.improve.__self__ is problem
    tours = problem.improve(np.tile(np.arange(8), (2, 1)))
    assert problem.evaluate(tours)[0] <= problem.evaluate(np.arange(8)[None])[0]


def test_a_checkpoint_holds_the_cities(tmp_path: Path) -> None:
    (tmp_path / "burma14.tsp").write_text(BURMA14)
    problem = registry.build_problem("tsp", {"instance": "burma14.tsp", "two_opt": True}, tmp_path)
    options: Any = {"optimizer": {"type": "ga", "population": 6}, "seed": 5}
    whole = evo.minimize(problem, stop=evo.Stop(generations=9), **options)
    evo.minimize(problem, stop=evo.Stop(generations=4), output=tmp_path / "run", **options)
    (tmp_path / "burma14.tsp").unlink()
    assert evo.resume(tmp_path / "run", stop=evo.Stop(generations=9)).digest == whole.digest
