"""Classic continuous test problems, vectorised over the batch, also shifted and rotated."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from evo.errors import ProblemError
from evo.problem import Problem
from evo.rng import Purpose, stream
from evo.spaces import Real

from .multi_objective import at_least


class Continuous(Problem):
    """Base: f(z) with z = R (x - o) + z*, where z* is f's own optimum, o where it is moved to, R a rotation.

    Parameters
    ----------
    dimensions
        >= 1 (>= 2 for Rosenbrock).
    shift
        A seed: o is drawn from the middle four fifths of the box. None: o = z*.
    rotation
        A seed: R is a uniformly random rotation or reflection, which makes the variables depend on each other. None:
        none. A rotated problem's optimum may be better outside of the box; inside, it is the one known.

    Raises
    ------
    ProblemError
        A parameter is not what it may be.
    """

    lower: ClassVar[float]
    upper: ClassVar[float]
    place: ClassVar[float] = 0.0
    """Every coordinate of z*."""
    least: ClassVar[int] = 1
    best_known = 0.0

    def __init__(self, dimensions: int = 30, shift: int | None = None, rotation: int | None = None) -> None:
        size = at_least("dimensions", dimensions, self.least)
        self.space = Real(self.lower, self.upper, shape=size)
        self.optimum = np.full(size, self.place)
        """(dimensions,): where the optimum is."""
        self._rotation: np.ndarray | None = None
        if shift is not None:
            margin = 0.1 * (self.upper - self.lower)
            rng = stream(_seed("shift", shift), 0, Purpose.SAMPLING)
            self.optimum = rng.uniform(self.lower + margin, self.upper - margin, size)
        if rotation is not None:
            # The orthogonal factor of a normal matrix, with the signs that make it uniform (Mezzadri 2007,
            # arXiv math-ph/0609050).
            rng = stream(_seed("rotation", rotation), 1, Purpose.SAMPLING)
            q, r = np.linalg.qr(rng.standard_normal((size, size)))
            self._rotation = q * np.sign(np.diag(r))
        self._moved = shift is not None or rotation is not None

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        if not self._moved:
            return np.asarray(self.value(x))
        z = x - self.optimum
        if self._rotation is not None:
            z = z @ self._rotation.T
        return np.asarray(self.value(z + self.place))

    def value(self, z: np.ndarray) -> np.ndarray:
        """f(z), (batch, dimensions) -> (batch,)."""
        raise NotImplementedError


def _seed(name: str, seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ProblemError(f"problem.{name}: expected a seed, a whole number from 0 on, found {seed!r}")
    return seed


class Sphere(Continuous):
    """``sum(x_i^2)`` on [-5, 5]^dimensions; optimum 0 at the origin."""

    builtin_name = "sphere"
    lower, upper = -5.0, 5.0

    def value(self, z: np.ndarray) -> np.ndarray:
        return np.asarray((z * z).sum(axis=1))


class Ellipsoid(Continuous):
    """``sum(10^(6 (i-1)/(n-1)) x_i^2)`` on [-5, 5]^dimensions, of condition 10^6; optimum 0 at the origin."""

    builtin_name = "ellipsoid"
    lower, upper = -5.0, 5.0

    def value(self, z: np.ndarray) -> np.ndarray:
        weights = 10.0 ** (6.0 * np.arange(z.shape[1]) / max(z.shape[1] - 1, 1))
        return np.asarray((weights * z * z).sum(axis=1))


class Rosenbrock(Continuous):
    """``sum(100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2)`` on [-5, 10]^dimensions; optimum 0 at (1, …, 1).

    Source: Rosenbrock (1960), DOI 10.1093/comjnl/3.3.175.
    """

    builtin_name = "rosenbrock"
    lower, upper, place = -5.0, 10.0, 1.0
    least = 2

    def value(self, z: np.ndarray) -> np.ndarray:
        return np.asarray((100.0 * (z[:, 1:] - z[:, :-1] ** 2) ** 2 + (1.0 - z[:, :-1]) ** 2).sum(axis=1))


class Rastrigin(Continuous):
    """``sum(x_i^2 - 10 cos(2 pi x_i) + 10)`` on [-5.12, 5.12]^dimensions; optimum 0 at the origin."""

    builtin_name = "rastrigin"
    lower, upper = -5.12, 5.12

    def value(self, z: np.ndarray) -> np.ndarray:
        return np.asarray((z * z - 10.0 * np.cos(2.0 * np.pi * z) + 10.0).sum(axis=1))


class Ackley(Continuous):
    """A funnel with many small dents on [-32.768, 32.768]^dimensions; optimum 0 at the origin.

    Source: Ackley (1987), "A connectionist machine for genetic hillclimbing", DOI 10.1007/978-1-4613-1997-9.
    """

    builtin_name = "ackley"
    lower, upper = -32.768, 32.768

    def value(self, z: np.ndarray) -> np.ndarray:
        size, waves = np.sqrt((z * z).mean(axis=1)), np.cos(2.0 * np.pi * z).mean(axis=1)
        return np.asarray(20.0 * -np.expm1(-0.2 * size) - np.exp(waves) + np.e)


class Griewank(Continuous):
    """``sum(x_i^2) / 4000 - prod(cos(x_i / sqrt(i))) + 1`` on [-600, 600]^dimensions; optimum 0 at the origin.

    Source: Griewank (1981), DOI 10.1007/BF00933356.
    """

    builtin_name = "griewank"
    lower, upper = -600.0, 600.0

    def value(self, z: np.ndarray) -> np.ndarray:
        waves = np.cos(z / np.sqrt(1.0 + np.arange(z.shape[1]))).prod(axis=1)
        return np.asarray((z * z).sum(axis=1) / 4000.0 - waves + 1.0)


class Levy(Continuous):
    """Waves on a bowl, on [-10, 10]^dimensions; optimum 0 at (1, …, 1).

    Source: Laguna and Marti (2005), DOI 10.1007/s10898-004-1936-z.
    """

    builtin_name = "levy"
    lower, upper, place = -10.0, 10.0, 1.0

    def value(self, z: np.ndarray) -> np.ndarray:
        w = 1.0 + 0.25 * (z - 1.0)
        first, last = np.sin(np.pi * w[:, 0]) ** 2, w[:, -1]
        middle = (w[:, :-1] - 1.0) ** 2 * (1.0 + 10.0 * np.sin(np.pi * w[:, :-1] + 1.0) ** 2)
        return np.asarray(first + middle.sum(axis=1) + (last - 1.0) ** 2 * (1.0 + np.sin(2.0 * np.pi * last) ** 2))
