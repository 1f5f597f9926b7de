"""The independent checker finds everything that may be wrong with a solution, and nothing in one that is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo.errors import SolutionError, UsageError
from evo.problems.cvrp.checker import check, check_file
from evo.problems.cvrp.generator import generate
from evo.problems.cvrp.instance import Instance
from evo.problems.cvrp.solution import Solution, write_sol
from evo.problems.cvrp.vrplib_file import write_vrp

# depot at the origin, four customers at a distance of 5, one of 10
POINTS = [[0, 0], [3, 4], [-3, 4], [3, -4], [-3, -4], [6, 8]]


def make(**changes: Any) -> Instance:
    fields: dict[str, Any] = {"name": "small", "demands": [0, 1, 2, 3, 4, 5], "capacity": 9, "coordinates": POINTS}
    return Instance(**(fields | changes))


RIGHT = [[1, 5], [2, 4, 3]]  # 5 + 5 + 10, 5 + 8 + 6 + 5


def test_a_right_solution_passes() -> None:
    check(make(), Solution(RIGHT, 44))
    check(make(), Solution(RIGHT, 44.0))
    check(make(max_vehicles=2, max_duration=24), Solution(RIGHT, 44))


@pytest.mark.parametrize(
    ("changes", "routes", "cost", "message"),
    [
        ({}, [[1, 5], [2, 4]], 40, "customer 3 is not visited"),
        ({}, [], 0, "customer 1 is not visited; customer 2 is not visited"),
        ({}, [[1, 5], [2, 4, 3, 3]], 44, "customer 3 is visited 2 times"),
        ({}, [[1, 5, 3], [2, 4, 3]], 44, "customer 3 is visited 2 times"),
        ({}, [[1, 5], [2, 4, 3, 6]], 44, r"customer 6 does not exist \(1 to 5 do\)"),
        ({}, [[0, 1, 5], [2, 4, 3]], 44, "customer 0 does not exist"),
        ({}, [[-1, 1, 5], [2, 4, 3]], 44, "customer -1 does not exist"),
        ({"capacity": 8}, RIGHT, 44, "route 2 carries 9, above the capacity 8"),
        ({"max_vehicles": 2}, [[1, 5], [2, 4], [3]], 44, "3 routes, but only 2 vehicles"),
        ({"max_duration": 23}, RIGHT, 44, "route 2 takes 24.*, above the limit 23"),
        ({"max_duration": 24, "service_times": [0, 0, 0, 0.5, 0, 0]}, RIGHT, 44, "route 2 takes 24.5"),
        ({}, RIGHT, 43, "cost is given as 43, but is 44"),
        ({}, RIGHT, 44.0000001, "cost is given as 44.0000001, but is 44"),
        ({"rounding": "none"}, RIGHT, 44.0001, "cost is given as 44.0001, but is 44.0"),
        ({"rounding": "none"}, RIGHT, float("nan"), "cost is given as nan"),
    ],
)
def test_every_violation_is_named(changes: dict[str, Any], routes: list[list[int]], cost: float, message: str) -> None:
    with pytest.raises(SolutionError, match=rf"^instance 'small': wrong solution: .*{message}"):
        check(make(**changes), Solution(routes, cost))


def test_all_violations_are_named_at_once_and_many_are_counted() -> None:
    with pytest.raises(SolutionError, match=r"1 is visited 2 times; route 1 carries 11.*; the cost is given as 0"):
        check(make(), Solution([[1, 5, 4, 1], [2, 3]], 0))
    instance = generate(30, seed=1)
    with pytest.raises(SolutionError, match=r"customer 10 is not visited; and 20 more$"):
        check(instance, Solution([], 0))


@pytest.mark.parametrize(("rounding", "cost"), [("nearest", 2), ("ceil", 4), ("none", 2 * 1.4000000000000001)])
def test_the_cost_follows_the_rounding(rounding: Any, cost: float) -> None:
    instance = Instance("one", [0, 1], 1, coordinates=[[0, 0], [1.4, 0]], rounding=rounding)
    check(instance, Solution([[1]], cost))


def test_an_explicit_matrix_is_judged_by_its_entries() -> None:
    distances = np.array([[0, 7, 9], [7, 0, 2], [9, 2, 0]])
    instance = Instance("three", [0, 1, 1], 2, coordinates=[[0, 0]] * 3, distances=distances)
    check(instance, Solution([[1, 2]], 18))
    with pytest.raises(SolutionError, match="but is 18"):
        check(instance, Solution([[1, 2]], 0))


@given(st.integers(1, 30), st.integers(0, 10**6), st.sampled_from(["nearest", "ceil", "none"]), st.randoms())
def test_the_checker_and_the_matrix_agree(customers: int, seed: int, rounding: Any, random: Any) -> None:
    made = generate(customers, seed=seed)
    instance = Instance(**(made.to_spec() | {"rounding": rounding, "capacity": int(made.demands.sum())}))
    route = list(range(1, customers + 1))
    random.shuffle(route)
    matrix = instance.distance_matrix()
    cost = sum(matrix[i, j].item() for i, j in zip([0, *route], [*route, 0], strict=True))
    check(instance, Solution([route], cost))


def test_files_are_checked_without_the_reader_of_instances(tmp_path: Path) -> None:
    instance = make(max_vehicles=2, max_duration=60)
    write_vrp(tmp_path / "small.vrp", instance)
    write_sol(tmp_path / "small.sol", Solution(RIGHT, 44))
    assert check_file(tmp_path / "small.vrp", tmp_path / "small.sol") == 44
    write_sol(tmp_path / "small.sol", Solution([[1, 5], [2, 4], [3]], 54))
    with pytest.raises(SolutionError, match=r"small\.sol: wrong solution: 3 routes, but only 2 vehicles; the cost"):
        check_file(tmp_path / "small.vrp", tmp_path / "small.sol")


def test_service_times_by_customer_count_in_files_too(tmp_path: Path) -> None:
    write_vrp(tmp_path / "small.vrp", make(max_duration=24, service_times=[0, 0, 0, 0.5, 0, 0]))
    write_sol(tmp_path / "small.sol", Solution(RIGHT, 44))
    with pytest.raises(SolutionError, match=r"route 2 takes 24\.5, above the limit 24"):
        check_file(tmp_path / "small.vrp", tmp_path / "small.sol")


def test_files_of_a_kind_that_the_small_reader_does_not_know_are_refused(tmp_path: Path) -> None:
    write_vrp(tmp_path / "m.vrp", Instance("m", [0, 1], 1, distances=np.array([[0, 1], [1, 0]])))
    write_sol(tmp_path / "m.sol", Solution([[1]], 2))
    with pytest.raises(UsageError, match="expected EUC_2D or CEIL_2D and depot 1, found EXPLICIT"):
        check_file(tmp_path / "m.vrp", tmp_path / "m.sol")
