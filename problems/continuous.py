"""Classic continuous test problems, vectorised over the batch."""

from __future__ import annotations

import numpy as np

from evo.problem import Problem
from evo.spaces import Real


class Sphere(Problem):
    """``sum(x_i^2)`` on [-5, 5]^dimensions; optimum 0 at the origin."""

    builtin_name = "sphere"
    best_known = 0.0

    def __init__(self, dimensions: int = 30) -> None:
        self.space = Real(-5.0, 5.0, shape=dimensions)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.asarray((x * x).sum(axis=1))


class Rosenbrock(Problem):
    """``sum(100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2)`` on [-5, 10]^dimensions; optimum 0 at (1, …, 1).

    Source: Rosenbrock (1960), DOI 10.1093/comjnl/3.3.175.
    """

    builtin_name = "rosenbrock"
    best_known = 0.0

    def __init__(self, dimensions: int = 30) -> None:
        self.space = Real(-5.0, 10.0, shape=dimensions)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.asarray((100.0 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1.0 - x[:, :-1]) ** 2).sum(axis=1))


class Rastrigin(Problem):
    """``sum(x_i^2 - 10 cos(2 pi x_i) + 10)`` on [-5.12, 5.12]^dimensions; optimum 0 at the origin."""

    builtin_name = "rastrigin"
    best_known = 0.0

    def __init__(self, dimensions: int = 30) -> None:
        self.space = Real(-5.12, 5.12, shape=dimensions)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.asarray((x * x - 10.0 * np.cos(2.0 * np.pi * x) + 10.0).sum(axis=1))
