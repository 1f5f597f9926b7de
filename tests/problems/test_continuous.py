"""Continuous test problems: their optima, where they are moved to, and what turning them changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evo
from evo import registry
from evo.problems.continuous import Ackley, Continuous, Ellipsoid, Griewank, Levy, Rastrigin, Rosenbrock, Sphere

every_problem = pytest.mark.parametrize(
    "kind", [Sphere, Ellipsoid, Rosenbrock, Rastrigin, Ackley, Griewank, Levy], ids=lambda kind: kind.__name__
)
MOVES: list[dict[str, Any]] = [{}, {"shift": 3}, {"rotation": 4}, {"shift": 3, "rotation": 4}]


def around(problem: Continuous) -> np.ndarray:
    """Points near the optimum, and anywhere in the box."""
    rng = np.random.default_rng(1)
    near = problem.optimum + 0.05 * rng.standard_normal((300, problem.space.size))
    return np.concatenate((near, problem.space.sample(300, rng)))


@every_problem
@pytest.mark.parametrize("move", MOVES)
def test_nothing_is_better_than_the_known_optimum(kind: type[Continuous], move: dict[str, Any]) -> None:
    problem = kind(6, **move)
    assert problem.space.contains(problem.optimum[None]).all()
    assert problem.evaluate(problem.optimum[None])[0] == pytest.approx(problem.best_known, abs=1e-9)
    assert (problem.evaluate(around(problem)) > problem.best_known + 1e-9).all()


@every_problem
def test_a_shift_moves_everything_and_changes_nothing_else(kind: type[Continuous]) -> None:
    plain, moved = kind(5), kind(5, shift=7)
    z = np.random.default_rng(2).uniform(-1, 1, (50, 5))
    assert np.abs(moved.optimum - plain.optimum).min() > 0
    assert moved.evaluate(moved.optimum + z) == pytest.approx(plain.evaluate(plain.optimum + z))


@every_problem
def test_a_rotation_keeps_distances_from_the_optimum(kind: type[Continuous]) -> None:
    plain, turned = kind(5), kind(5, rotation=7)
    assert turned._rotation is not None
    assert turned._rotation @ turned._rotation.T == pytest.approx(np.eye(5))
    z = np.random.default_rng(2).uniform(-1, 1, (50, 5))
    back = z @ turned._rotation
    assert turned.evaluate(turned.optimum + back) == pytest.approx(plain.evaluate(plain.optimum + z))
    if kind is not Sphere:
        assert not np.allclose(turned.evaluate(turned.optimum + z), plain.evaluate(plain.optimum + z))


def test_values_of_the_literature() -> None:
    x = np.array([[1.0, 2.0]])
    assert Rosenbrock(2).evaluate(x)[0] == 100.0
    assert Rastrigin(2).evaluate(x)[0] == pytest.approx(5.0)
    assert Ellipsoid(2).evaluate(x)[0] == 4_000_001.0
    assert Ackley(2).evaluate(x)[0] == pytest.approx(5.422131717799509)
    assert Griewank(2).evaluate(x)[0] == pytest.approx(5.0 / 4000 - np.cos(1) * np.cos(2 / np.sqrt(2)) + 1)
    assert Levy(1).evaluate(np.array([[1.0]]))[0] == pytest.approx(0.0)


def test_a_file_may_move_and_turn_a_problem() -> None:
    problem = registry.build_problem("ackley", {"dimensions": 4, "shift": 1, "rotation": 2}, Path())
    result = evo.minimize(problem, optimizer="cma-es", stop=evo.Stop(evaluations=6000, target=1e-6))
    assert result.stop_reason == "target"
    again = registry.problem_from_spec(registry.spec_of(problem))  # type: ignore[arg-type]  # it can be built again
    assert np.array_equal(again.evaluate(result.x[None]), problem.evaluate(result.x[None]))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"dimensions": 0}, r"problem\.dimensions: expected a whole number, at least 1"),
        ({"shift": -1}, r"problem\.shift: expected a seed"),
        ({"rotation": "left"}, r"problem\.rotation: expected a seed"),
    ],
)
def test_a_wrong_parameter_is_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(evo.ProblemError, match=message):
        registry.build_problem("sphere", parameters, Path())
