"""CMA-ES: evolution strategy with covariance matrix adaptation, its separable form, and restarts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evo.errors import SettingsError
from evo.optimizers import checks
from evo.optimizers.box import SPACES, Box
from evo.optimizers.cma_bounds import folded, into_box, out_of_box
from evo.optimizers.cma_covariance import Covariance, DiagonalCovariance, FullCovariance
from evo.optimizers.cma_margin import Margin
from evo.optimizers.cma_parameters import StrategyParameters, default_population
from evo.optimizers.cma_restarts import History, Schedule, ended
from evo.optimizers.first_population import given_points
from evo.optimizers.generational import Generational, Told, array_of
from evo.rng import Purpose, stream

if TYPE_CHECKING:
    from evo.problem import Problem


class CMAES(Generational):
    """The (mu/mu_w, lambda)-CMA-ES with active covariance update.

    Equation numbers are those of Hansen (2016), "The CMA evolution strategy: a tutorial", arXiv 1604.00772. Bounds are
    kept by a smooth map (`cma_bounds`), so that every sample is inside and none is repaired. Integers and bits are
    rounded, with a margin that keeps every one of them alive (`cma_margin`). Constraints rank before the objective (Deb
    2000). An individual that `Problem.improve` changed is injected with bounded length (Hansen 2011, arXiv 1110.4181).

    Parameters
    ----------
    population
        Samples per generation of the first run, lambda >= 4; None: 4 + floor(3 ln n).
    sigma
        Initial standard deviation as a share of the bounds' width, above 0, at most 1.
    start
        Initial mean, one point of the space (`Result.x`); None: uniform at random, as restarts always are.
    active
        Whether bad samples shorten the distribution in their direction (Jastrebski and Arnold 2006, DOI
        10.1109/CEC.2006.1688662).
    restarts
        What follows when a run has converged: ``bipop`` (large and small populations in turn), ``ipop`` (the population
        doubles), ``none`` (it goes on where it is).
    """

    name = "cma-es"
    spaces = SPACES
    separable = False

    def __init__(
        self,
        problem: Problem,
        seed: int,
        *,
        population: int | None = None,
        sigma: float = 0.3,
        start: Any = None,
        active: bool = True,
        restarts: str = "bipop",
    ) -> None:
        super().__init__(problem, seed)
        self.box = Box(problem.space)
        self.n = self.box.size
        self.size = default_population(self.n) if population is None else checks.whole("population", population, 4)
        self.sigma_0 = checks.number("sigma", sigma, 0.0, 1.0)
        if not isinstance(active, bool):
            raise SettingsError(f"optimizer.active: expected true or false, found {active!r}")
        self.active = active
        self.restarts = checks.choice("restarts", restarts, ("bipop", "ipop", "none"))
        given, self._start = given_points(self.space, start)
        if len(given) > 1:
            raise SettingsError(f"optimizer.start: expected one point, the initial mean, found {len(given)}")
        self.start = given[0].astype(np.float64) if len(given) else None
        self.schedule = Schedule(self.restarts, self.size, self.sigma_0)
        self._begin()

    def parameters(self) -> dict[str, Any]:
        return {
            "population": self.size,
            "sigma": self.sigma_0,
            "start": self._start,
            "active": self.active,
            "restarts": self.restarts,
        }

    # One run of the strategy -------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Start the run that `schedule` names: everything but the mean, which is drawn when it is first needed."""
        n, population = self.n, self.schedule.population
        self.strategy = StrategyParameters.of(n, population, active=self.active, separable=self.separable)
        self.covariance: Covariance = DiagonalCovariance(n) if self.separable else FullCovariance(n)
        self.margin = Margin(self.box, population) if self.box.rounded else None
        self.history = History(n, population)
        self.sigma = self.schedule.sigma
        self.mean: np.ndarray | None = None
        """(n,) in the coordinates of `cma_bounds`."""
        self.path_sigma = np.zeros(n)
        self.path_c = np.zeros(n)
        self.age = 0
        """Generations that this run has learnt from."""
        self.spent = 0
        """Evaluations of this run."""

    def _first_mean(self) -> np.ndarray:
        if self.start is not None and self.schedule.restarts == 0:
            return out_of_box(self._unit(self.start))
        return stream(self.seed, self.asked, Purpose.RESTART).random(self.n) - 0.5

    def _unit(self, points: np.ndarray) -> np.ndarray:
        """Points of the space as points of [-1/2, 1/2]ⁿ; dimensions without width are 0."""
        width = np.where(self.box.width > 0.0, self.box.width, 1.0)
        return np.asarray((points - 0.5 * (self.box.lower + self.box.upper)) / width)

    def _points(self, z: np.ndarray) -> np.ndarray:
        """Samples in the space, before rounding: x = m + sigma y, equation 40."""
        y = self.covariance.coloured(z)
        if self.margin is not None:
            y = y * self.margin.scale
        assert self.mean is not None
        x = into_box(self.mean + self.sigma * y) * self.box.width + 0.5 * (self.box.lower + self.box.upper)
        return np.asarray(np.clip(x, self.box.lower, self.box.upper))

    def _ask(self, remaining: int | None) -> dict[str, np.ndarray]:
        if self.mean is None:
            self.mean = self._first_mean()
        self.covariance.prepare(self.strategy)
        population = self.strategy.population
        z = stream(self.seed, self.asked, Purpose.SAMPLING).standard_normal((population, self.n))
        z = z if remaining is None else z[:remaining]
        return {"genome": self.box.genomes(self._points(z)), "z": z}

    def _tell(self, told: Told) -> None:
        self.spent += len(told)
        usable = int(np.count_nonzero(told.usable()))
        if len(told) < self.strategy.population or usable == 0:
            return  # the budget's last, cut short; or nothing to learn from
        order = told.ranked()
        self._learn(self._told_z(told)[order], usable)
        merit = (told.objective + told.violation)[order[:usable]]
        self.history.add(float(merit[0]), float(merit[usable // 2]))
        if self.restarts != "none" and self._has_ended(merit):
            self.schedule.next_run(self.spent, stream(self.seed, self.told, Purpose.RESTART))
            self._begin()

    def _told_z(self, told: Told) -> np.ndarray:
        """The samples, (m, n); improved ones by the coordinates that they would have been drawn with."""
        z = told.rows["z"]
        if told.genome is told.rows["genome"]:
            return z
        changed = np.flatnonzero((told.genome != told.rows["genome"]).any(axis=1))
        if not len(changed):
            return z
        assert self.mean is not None
        y = (out_of_box(self._unit(told.genome[changed].astype(np.float64))) - self.mean) / self.sigma
        if self.margin is not None:
            y = y / self.margin.scale
        injected = self.covariance.whitened(y)
        length = np.sqrt((injected**2).sum(axis=1, keepdims=True))
        longest = math.sqrt(self.n) + 2.0 * self.n / (self.n + 2.0)
        z = z.copy()
        z[changed] = injected * np.minimum(1.0, longest / np.maximum(length, 1e-300))
        return z

    def _learn(self, z: np.ndarray, usable: int) -> None:
        """Move mean, paths, covariance and step size; `z` is sorted from best to worst, the last rows unusable."""
        p, C = self.strategy, self.covariance
        assert self.mean is not None
        best, mu_eff = p.weights[: p.mu], p.mu_eff
        weights = p.weights
        if usable < p.mu:  # what failed never pulls the mean
            best = best[:usable] / best[:usable].sum()
            mu_eff = 1.0 / float(best @ best)
            weights = np.concatenate((best, np.zeros(p.mu - usable), weights[p.mu :]))
        z_w = best @ z[: len(best)]
        y = C.coloured(z)
        y_w = best @ y[: len(best)]
        step = y_w if self.margin is None else y_w * self.margin.scale
        self.mean = self.mean + self.sigma * step  # (42) with c_m = 1
        # Step-size control, (43) to (44).
        c = p.c_sigma
        self.path_sigma = (1.0 - c) * self.path_sigma + math.sqrt(c * (2.0 - c) * mu_eff) * C.rotated(z_w)
        length = math.sqrt(self.path_sigma @ self.path_sigma)
        self.age += 1
        short = length / math.sqrt(1.0 - (1.0 - c) ** (2 * self.age)) < (1.4 + 2.0 / (self.n + 1.0)) * p.chi
        # Covariance, (45) to (47).
        self.path_c = (1.0 - p.c_c) * self.path_c
        if short:
            self.path_c += math.sqrt(p.c_c * (2.0 - p.c_c) * mu_eff) * y_w
        lost = 0.0 if short else p.c_c * (2.0 - p.c_c)
        bad = weights[p.mu :] * (self.n / np.maximum((z[p.mu :] ** 2).sum(axis=1), 1e-300))  # (46)
        keep = 1.0 + p.c_1 * lost - p.c_1 - p.c_mu * float(weights.sum())
        C.update(keep, p.c_1, self.path_c, p.c_mu, np.concatenate((weights[: p.mu], bad)), y)
        self.sigma *= math.exp(min(1.0, (c / p.d_sigma) * (length / p.chi - 1.0)))
        self.sigma = min(max(self.sigma, 1e-150), 1e150)
        self.mean, signs = folded(self.mean)
        if signs.min() < 0.0:  # the same distribution of points, seen in the mirror that the mean went behind
            self.path_sigma, self.path_c = self.path_sigma * signs, self.path_c * signs
            C.mirror(signs)
        if self.margin is not None:
            self.mean = self.margin.keep(self.mean, self.sigma, C.variances())

    def _has_ended(self, merit: np.ndarray) -> bool:
        assert self.mean is not None
        limit = self.schedule.limit
        if limit is not None and self.spent >= limit:
            return True
        first = self.schedule.sigma
        found = ended(self.history, merit, self.sigma, first, self.mean, self.path_c, self.covariance, self.strategy)
        return found is not None

    # What outlives the process ------------------------------------------------------------------------------------

    def summary(self) -> dict[str, float]:
        return {
            "sigma": self.sigma,
            "axis_ratio": float(self.covariance.D.max() / self.covariance.D.min()),
            "population": self.strategy.population,
            "restarts": self.schedule.restarts,
        }

    def _state(self) -> dict[str, Any]:
        return {
            "schedule": self.schedule.state(),
            "mean": self.mean,
            "sigma": self.sigma,
            "path_sigma": self.path_sigma,
            "path_c": self.path_c,
            "covariance": self.covariance.state(),
            "scale": None if self.margin is None else self.margin.scale,
            "history": self.history.state(),
            "age": self.age,
            "spent": self.spent,
        }

    def _load(self, state: Mapping[str, Any]) -> None:
        n = self.n
        self.schedule.load(state["schedule"])
        self._begin()
        self.mean = None if state["mean"] is None else array_of(state, "mean", (n,))
        self.sigma = float(state["sigma"])
        self.path_sigma, self.path_c = array_of(state, "path_sigma", (n,)), array_of(state, "path_c", (n,))
        self.covariance.load(state["covariance"])
        if self.margin is not None:
            self.margin.scale = array_of(state, "scale", (n,))
        self.history.load(state["history"])
        self.age, self.spent = int(state["age"]), int(state["spent"])


class SeparableCMAES(CMAES):
    """sep-CMA-ES: variances alone, O(n) a sample, for many dimensions or separable objectives.

    Source: Ros and Hansen (2008), DOI 10.1007/978-3-540-87700-4_30. Parameters as in `CMAES`.
    """

    name = "sep-cma-es"
    separable = True
