"""Mechanical design: the known optima are feasible, have the known costs, and are found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import evo
from evo.problems.engineering import PressureVessel, Spring, WeldedBeam

VESSEL = {"shell": [13], "head": [7], "radius": [0.8125 / 0.0193], "length": [176.6365958]}
OPTIMA = [
    (WeldedBeam(), np.array([[0.20572964, 3.47048867, 9.03662391, 0.20572964]])),
    (Spring(), np.array([[0.05168906, 0.35671774, 11.28896595]])),
    (PressureVessel(), {name: np.array(value) for name, value in VESSEL.items()}),
]


@pytest.mark.parametrize(("problem", "x"), OPTIMA)
def test_the_known_optimum_is_feasible_and_costs_what_is_known(problem: evo.Problem, x: Any) -> None:
    found = problem.evaluate(x)
    assert np.asarray(found.violations).max() <= 1e-6
    assert found.objectives[0] == pytest.approx(problem.best_known, rel=1e-6)


@pytest.mark.parametrize(("problem", "gap"), [(WeldedBeam(), 1e-6), (Spring(), 1e-3), (PressureVessel(), 0.05)])
def test_it_is_found(problem: evo.Problem, gap: float) -> None:
    result = evo.minimize(problem, stop=evo.Stop(evaluations=20_000), seed=1)
    assert problem.best_known is not None
    assert result.feasible
    assert problem.best_known * (1 - 1e-6) <= result.objective <= problem.best_known * (1 + gap)


@pytest.mark.parametrize(("problem", "x"), OPTIMA)
def test_every_point_of_the_space_can_be_evaluated(problem: evo.Problem, x: Any) -> None:
    genomes = problem.space.sample(5000, np.random.default_rng(1))
    found = problem.evaluate(problem.space.shaped(genomes))
    assert np.isfinite(found.objectives).all()
    assert np.isfinite(found.violations).all()
