"""Constrained problems of mechanical design with known optima. Violations are shares of their limits.

Source of the formulations and optima: Coello Coello (2000), "Use of a self-adaptive penalty approach for engineering
optimization problems", DOI 10.1016/S0166-3615(99)00046-9, as in most comparisons since; optima to more digits: He and
Wang (2007), DOI 10.1016/j.engappai.2006.03.003, and later work.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evo.mixed import Mixed
from evo.problem import Evaluation, Problem
from evo.spaces import Integer, Real
from evo.stopping import Stop


class _Design(Problem):
    """An evaluation costs next to nothing."""

    block = 256

    def default_stop(self) -> Stop:
        return Stop(evaluations=50_000)


class WeldedBeam(_Design):
    """The cheapest welded beam that carries 6000 lb at 14 inches: height h and length l of the weld, height t and
    width b of the beam, all in inches.

    Optimum 1.7248523 at (0.2057296, 3.4704887, 9.0366239, 0.2057296).
    """

    builtin_name = "welded-beam"
    default_optimizer = "l-shade"
    space = Real([0.1, 0.1, 0.1, 0.1], [2.0, 10.0, 10.0, 2.0])
    best_known = 1.724852308597

    def evaluate(self, x: np.ndarray) -> Evaluation:
        h, l, t, b = x.T  # noqa: E741 - the literature's names
        load, length, young, shear_modulus = 6000.0, 14.0, 30e6, 12e6
        cost = 1.10471 * h**2 * l + 0.04811 * t * b * (14.0 + l)
        radius = np.sqrt(0.25 * (l**2 + (h + t) ** 2))
        polar = 2.0 * np.sqrt(2.0) * h * l * (l**2 / 12.0 + 0.25 * (h + t) ** 2)
        direct = load / (np.sqrt(2.0) * h * l)
        twist = load * (length + 0.5 * l) * radius / polar
        shear = np.sqrt(direct**2 + direct * twist * l / radius + twist**2)
        bending = 6.0 * load * length / (b * t**2)
        deflection = 4.0 * load * length**3 / (young * t**3 * b)
        slenderness = 1.0 - 0.5 * t / length * np.sqrt(0.25 * young / shear_modulus)
        buckling = 4.013 * young * t * b**3 / (6.0 * length**2) * slenderness
        violations = (
            shear / 13_600.0 - 1.0,
            bending / 30_000.0 - 1.0,
            h - b,
            (0.10471 * h**2 + 0.04811 * t * b * (14.0 + l)) / 5.0 - 1.0,
            0.125 - h,
            deflection / 0.25 - 1.0,
            1.0 - buckling / load,
        )
        return Evaluation(cost, np.column_stack(violations))


class Spring(_Design):
    """The lightest tension spring: wire diameter d and coil diameter D in inches, active coils N.

    Optimum 0.0126652 at (0.0516891, 0.3567177, 11.2889660).
    """

    builtin_name = "spring"
    default_optimizer = "l-shade"
    space = Real([0.05, 0.25, 2.0], [2.0, 1.3, 15.0])
    best_known = 0.012665232788

    def evaluate(self, x: np.ndarray) -> Evaluation:
        d, D, N = x.T
        with np.errstate(divide="ignore", invalid="ignore"):
            stress = (4.0 * D**2 - d * D) / (12_566.0 * (D * d**3 - d**4)) + 1.0 / (5108.0 * d**2)
        violations = (
            1.0 - D**3 * N / (71_785.0 * d**4),
            # As thick a wire as its coil has no such spring.
            np.where(d < D, stress - 1.0, 1.0 + d),
            1.0 - 140.45 * d / (D**2 * N),
            (d + D) / 1.5 - 1.0,
        )
        return Evaluation((N + 2.0) * D * d**2, np.column_stack(violations))


class PressureVessel(_Design):
    """The cheapest cylindrical vessel of 750 cubic feet: `shell` and `head`, thicknesses in sixteenths of an inch;
    `radius` and `length` in inches.

    Optimum 6059.7143350 at 13, 7, 42.0984456, 176.6365958.
    """

    builtin_name = "pressure-vessel"
    space = Mixed(shell=Integer(1, 99), head=Integer(1, 99), radius=Real(10.0, 200.0), length=Real(10.0, 200.0))
    best_known = 6059.714335048436

    def evaluate(self, x: Any) -> Evaluation:
        shell, head, radius, length = 0.0625 * x["shell"], 0.0625 * x["head"], x["radius"], x["length"]
        cost = 0.6224 * shell * radius * length + 1.7781 * head * radius**2
        cost = cost + 3.1661 * shell**2 * length + 19.84 * shell**2 * radius
        volume = np.pi * radius**2 * (length + 4.0 / 3.0 * radius)
        violations = (
            0.0193 * radius - shell,
            0.00954 * radius - head,
            1.0 - volume / 1_296_000.0,
            length / 240.0 - 1.0,
        )
        return Evaluation(cost, np.column_stack(violations))
