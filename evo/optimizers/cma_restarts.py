"""When a run of CMA-ES has ended, and how large and how wide the next one is: IPOP and BIPOP.

Sources: Auger and Hansen (2005), DOI 10.1109/CEC.2005.1554902 (IPOP: the population doubles); Hansen (2009), DOI
10.1145/1570256.1570333 (BIPOP: in turn with runs of small populations, each regime given the same evaluations).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evo.optimizers.cma_covariance import Covariance, FullCovariance
from evo.optimizers.cma_parameters import StrategyParameters
from evo.optimizers.generational import array_of

MAX_DOUBLINGS = 9
"""The population never grows beyond 2^9 times the default."""
LOOK_EVERY = 5
"""Generations between two looks at the criteria that cost something."""
TOL_X = 1e-12
"""A run has ended when all steps are below this share of the initial one."""
TOL_FUN = 1e-12
"""… or when objectives differ by less than this, or this share of them."""
TOL_UP = 1e3
"""… or when steps are so many boxes long: the objective has no optimum that they would find."""
MAX_CONDITION = 1e14


@dataclass(slots=True)
class Schedule:
    """Which run comes next. A run is `population` wide, starts with steps of `sigma`, ends after `limit` evaluations.

    Parameters
    ----------
    kind
        ``none``, ``ipop`` or ``bipop``.
    smallest
        The population of the first run.
    """

    kind: str
    smallest: int
    first_sigma: float
    population: int = 0
    sigma: float = 0.0
    limit: int | None = None
    restarts: int = 0
    doublings: int = 0
    small: bool = True
    """The regime of the run under way; the first run counts as a small one."""
    spent_small: int = 0
    spent_large: int = 0
    last_large: int = 0

    def __post_init__(self) -> None:
        self.population, self.sigma = self.smallest, self.first_sigma

    def next_run(self, spent: int, rng: np.random.Generator) -> None:
        """The run under way, which took `spent` evaluations, has ended."""
        self.restarts += 1
        if self.small:
            self.spent_small += spent
        else:
            self.spent_large += spent
            self.last_large = spent
        self.small = self.kind == "bipop" and self.spent_small < self.spent_large
        self.sigma, self.limit = self.first_sigma, None
        if self.small:
            ratio = 2.0**self.doublings
            u, v = rng.random(2)
            self.population = int(self.smallest * (0.5 * ratio) ** (u * u))
            self.sigma = self.first_sigma * 10.0 ** (-2.0 * v)
            self.limit = max(self.last_large // 2, 10 * self.population)
        else:
            self.doublings = min(self.doublings + 1, MAX_DOUBLINGS)
            self.population = self.smallest * 2**self.doublings

    def state(self) -> dict[str, Any]:
        """Numbers."""
        return {name: getattr(self, name) for name in _MOVING}

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        for name in _MOVING:
            setattr(self, name, state[name])


_MOVING = (
    "population",
    "sigma",
    "limit",
    "restarts",
    "doublings",
    "small",
    "spent_small",
    "spent_large",
    "last_large",
)


class History:
    """Best and median objectives of the newest generations, in rings of a fixed length.

    Their length is what the criterion of stagnation looks at, 100 + 100 n^1.5 / population generations as in pycma, at
    most 20 000.
    """

    def __init__(self, n: int, population: int) -> None:
        self.length = min(20_000, int(100 + 100 * n**1.5 / population))
        self.short = min(self.length, 10 + math.ceil(30 * n / population))
        self.best = np.zeros(self.length)
        self.median = np.zeros(self.length)
        self.count = 0

    def add(self, best: float, median: float) -> None:
        """One generation more."""
        at = self.count % self.length
        self.best[at], self.median[at] = best, median
        self.count += 1

    def flat(self) -> bool:
        """Whether the best of the newest `short` generations differ by no more than `TOL_FUN`."""
        if self.count < self.short:
            return False
        recent = self.best.take(np.arange(self.count - self.short, self.count), mode="wrap")
        return bool(recent.max() - recent.min() <= TOL_FUN * max(1.0, abs(recent.min())))

    def stagnant(self) -> bool:
        """Whether over the whole length neither the best nor the median got better (medians of the ends compared)."""
        if self.count < self.length:
            return False
        order = np.arange(self.count, self.count + self.length)
        part = max(1, int(0.3 * self.length))
        return all(
            np.median(ring.take(order[-part:], mode="wrap")) >= np.median(ring.take(order[:part], mode="wrap"))
            for ring in (self.best, self.median)
        )

    def state(self) -> dict[str, Any]:
        """The rings."""
        return {"best": self.best, "median": self.median, "count": self.count}

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.best = array_of(state, "best", (self.length,))
        self.median = array_of(state, "median", (self.length,))
        self.count = int(state["count"])


def ended(
    history: History,
    objective: np.ndarray,
    sigma: float,
    first_sigma: float,
    mean: np.ndarray,
    path: np.ndarray,
    covariance: Covariance,
    parameters: StrategyParameters,
) -> str | None:
    """The criterion by which a run has ended (B.3 of arXiv 1604.00772), looked at every `LOOK_EVERY` generations.

    Parameters
    ----------
    objective
        (m,) of the usable samples of the newest generation, from best to worst, m >= 1.
    """
    age, n = history.count, parameters.n
    if age % LOOK_EVERY:
        return None
    largest = float(covariance.D.max())
    steps = sigma * np.sqrt(covariance.variances())
    quarter = objective[min(len(objective) - 1, math.ceil(0.1 + 0.25 * len(objective)))]
    if history.flat() and quarter - objective[0] <= TOL_FUN * max(1.0, abs(objective[0])):
        return "tolfun"
    if (steps < TOL_X * first_sigma).all() and (np.abs(sigma * path) < TOL_X * first_sigma).all():
        return "tolx"
    if sigma * largest > TOL_UP:
        return "tolxup"
    if largest**2 > MAX_CONDITION * float(covariance.D.min()) ** 2:
        return "conditioncov"
    if (mean == mean + 0.2 * steps).any():
        return "noeffectcoord"
    if isinstance(covariance, FullCovariance):
        axis = (age // LOOK_EVERY) % n
        if (mean == mean + 0.1 * sigma * covariance.D[axis] * covariance.B[:, axis]).all():
            return "noeffectaxis"
    if age > 100 + 150 * (n + 3) ** 2 / math.sqrt(parameters.population):
        return "maxiter"
    return "stagnation" if history.stagnant() else None
