"""ZDT and DTLZ: their formulas at points worked out by hand, and fronts that nothing dominates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import evo
from evo.dominance import pareto_ranks
from evo.indicators import hypervolume, igd_plus
from evo.problems.multi_objective import MultiObjective, lattice
from evo.registry import PROBLEMS, build_problem

NAMES = [name for name in PROBLEMS if name.startswith(("zdt", "dtlz"))]
ON_THE_FRONT = {"zdt4": 0.0, "dtlz6": 0.0, "dtlz7": 0.0, "zdt1": 0.0, "zdt2": 0.0, "zdt3": 0.0, "zdt6": 0.0}
"""The value of all variables that measure the distance from the front; others: 0.5."""


def build(name: str, **parameters: int) -> MultiObjective:
    problem = build_problem(name, parameters, Path())
    assert isinstance(problem, MultiObjective)
    return problem


def optimal(name: str, count: int) -> np.ndarray:
    """Random genomes on the front's surface."""
    problem, rng = build(name), np.random.default_rng(1)
    x = problem.space.sample(count, rng)
    if name == "zdt5":
        x[:, 30:] = True
        return x
    places = len(problem.directions) - 1
    x[:, places:] = ON_THE_FRONT.get(name, 0.5)
    return x


@pytest.mark.parametrize("name", NAMES)
def test_no_point_of_the_front_dominates_another(name: str) -> None:
    front = build(name).front(300)
    assert 30 < len(front) < 500
    assert (pareto_ranks(front, np.zeros(len(front))) == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_front_is_that_of_the_optimal_genomes(name: str) -> None:
    problem = build(name)
    found = np.asarray(problem.evaluate(optimal(name, 4000)))
    front = problem.front(300)
    rank = pareto_ranks(np.concatenate((front, found + 1e-9)), np.zeros(len(front) + len(found)))
    assert (rank[: len(front)] == 0).all(), "an optimal genome dominates the front"
    if name != "zdt5":  # whose front's ends are all but never drawn
        assert igd_plus(found, front) < 0.06


@pytest.mark.parametrize("name", NAMES)
def test_no_random_genome_is_better_than_the_front(name: str) -> None:
    problem = build(name)
    front = problem.front(300)
    found = np.asarray(problem.evaluate(problem.space.sample(2000, np.random.default_rng(2))))
    rank = pareto_ranks(np.concatenate((front, found)), np.zeros(len(front) + len(found)))
    assert (rank[: len(front)] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_point_lies_beyond_the_front(name: str) -> None:
    problem = build(name)
    assert problem.reference is not None
    front = problem.front(300)
    assert (front < np.array(problem.reference)).all()
    assert hypervolume(front, problem.reference) > 0.1


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("zdt1", [0.25, 0.5, 0.5], (0.25, 5.5 * (1 - (0.25 / 5.5) ** 0.5))),
        ("zdt2", [0.5, 1.0, 0.0], (0.5, 5.5 * (1 - (0.5 / 5.5) ** 2))),
        ("zdt3", [0.25, 0.0, 0.0], (0.25, 0.25)),
        ("zdt4", [0.25, 0.0, 0.5], (0.25, 1.25 * (1 - 0.2**0.5))),
        ("zdt6", [0.0, 0.0, 0.0], (1.0, 0.0)),
        ("dtlz1", [0.0, 0.5, 0.5, 0.5], (0.0, 0.0, 0.5)),
        ("dtlz2", [0.0, 0.0, 1.0, 0.5], (1.25, 0.0, 0.0)),
        ("dtlz3", [1.0, 0.0, 0.5, 0.5], (0.0, 0.0, 1.0)),
        ("dtlz4", [0.5, 0.5, 0.5, 0.5], (1.0, 0.0, 0.0)),
        ("dtlz5", [1.0, 0.3, 0.5, 0.5], (0.0, 0.0, 1.0)),
        ("dtlz6", [0.0, 0.3, 0.0, 0.0], (0.5**0.5, 0.5**0.5, 0.0)),
        ("dtlz7", [0.0, 0.0, 0.0, 0.0], (0.0, 0.0, 6.0)),
    ],
)
def test_objectives_are_as_worked_out_by_hand(name: str, x: list[float], expected: tuple[float, ...]) -> None:
    found = np.asarray(build(name, dimensions=len(x)).evaluate(np.array([x])))[0]
    assert found == pytest.approx(expected, abs=1e-12)


def test_deceptive_words_are_best_with_all_ones_and_next_with_none() -> None:
    problem = build("zdt5", words=2)
    x = np.zeros((3, 35), dtype=np.bool_)
    x[1, 30:], x[2, 30:34] = True, True
    assert np.asarray(problem.evaluate(x)).tolist() == [[1.0, 2.0], [1.0, 1.0], [1.0, 6.0]]


def test_a_lattice_is_spread_evenly_over_the_simplex() -> None:
    points = lattice(3, 91)
    assert points.shape == (91, 3)
    assert points.sum(axis=1) == pytest.approx(np.ones(91))
    assert len(np.unique(points.round(9), axis=0)) == 91


def test_more_objectives_are_named_in_the_file_and_have_no_reference_point_when_that_is_dear() -> None:
    assert build("dtlz2", objectives=5).space.size == 14
    assert build("dtlz2", objectives=6).reference is None
    with pytest.raises(evo.ProblemError, match=r"problem\.objectives: expected a whole number, at least 2, found 1"):
        build("dtlz2", objectives=1)
    with pytest.raises(evo.ProblemError, match=r"problem\.dimensions: expected a whole number, at least 2, found 1"):
        build("zdt1", dimensions=1)
