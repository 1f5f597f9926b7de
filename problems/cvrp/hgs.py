"""Hybrid genetic search for the CVRP: selection, crossover, survival here; education, its dear part, at the workers.

Source: Vidal (2022), "Hybrid genetic search for the CVRP: open-source implementation and SWAP* neighborhood", DOI
10.1016/j.cor.2021.105643. There, offspring are made and educated one by one; here in generations of a fixed size, with
up to `lookahead` generations under way, so that workers never wait and the result depends on nothing but the rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evo.errors import CheckpointError
from evo.optimizers import checks
from evo.optimizers.base import Best, Candidates, Optimizer, Results
from evo.rng import Purpose, stream

from . import compilation
from .education import NEIGHBOURS, Education
from .kernels_population import Population, absorb, breed, empty_population, rebuild
from .search_data import check_supported, most_routes

if TYPE_CHECKING:
    from evo.distributed.executor import Evaluator

    from .problem import CVRP

PENALTY_LEAST = 1e-3  # in initial penalties
PENALTY_MOST = 10.0  # in longest distances, per unit of load: no detour is that long
PENALTY_WINDOW = 100  # individuals educated between two adaptations of the penalty …
PENALTY_BAND = 0.05  # … which stays while the share of feasible ones is this close to its target
PENALTY_UP, PENALTY_DOWN = 1.2, 0.85
INITIAL_PER_SURVIVOR = 4  # random individuals of a new population, per survivor


class HybridGeneticSearch(Optimizer):
    """Vidal's hybrid genetic search.

    Parameters
    ----------
    population
        Individuals that survive in each of the two subpopulations, >= 1 (the paper's mu).
    offspring
        Individuals by which a subpopulation grows before survivors are selected, >= 1 (lambda).
    elite
        Individuals that the biased fitness protects by their cost, >= 0.
    closest
        Individuals among which the contribution to diversity is measured, >= 1.
    feasible
        Share of educated individuals that the penalty steers to be feasible, in [0, 1].
    neighbours
        Nearest customers that moves are tried with, >= 1 (Gamma).
    restart
        Offspring without an improvement after which a new population is begun, >= 1.
    batch
        Offspring per generation, >= 1; None: by the number of customers.
    """

    name = "hgs"
    lookahead = 1

    def __init__(
        self,
        problem: CVRP,
        seed: int,
        *,
        population: int = 25,
        offspring: int = 40,
        elite: int = 4,
        closest: int = 5,
        feasible: float = 0.2,
        neighbours: int = NEIGHBOURS,
        restart: int = 20_000,
        batch: int | None = None,
    ) -> None:
        instance = problem.instance
        check_supported(instance)
        if batch is None:
            batch = batch_size(instance.customers)
        for name, value, least in (
            ("population", population, 1),
            ("offspring", offspring, 1),
            ("elite", elite, 0),
            ("closest", closest, 1),
            ("neighbours", neighbours, 1),
            ("restart", restart, 1),
            ("batch", batch, 1),
        ):
            checks.whole(name, value, least)
        self.problem = problem
        self.seed = seed
        self.population = population
        self.offspring = offspring
        self.elite = elite
        self.closest = closest
        self.feasible = checks.share("feasible", feasible)
        self.neighbours = neighbours
        self.restart = restart
        self.batch = batch

        self.asked = 0
        self.told = 0
        self.era = 0
        """Populations begun before this one: results of an older one's offspring do not enter it."""
        self.initial = INITIAL_PER_SURVIVOR * population
        """Random individuals still to be asked for in this era."""
        self.penalty = initial_penalty(problem)
        self.penalty_limits = PENALTY_LEAST * self.penalty, PENALTY_MOST * problem.longest_distance()
        self.watched = 0
        """Individuals educated with this penalty so far, and how many of them were feasible."""
        self.watched_feasible = 0
        self.idle = 0
        """Offspring since this era's best individual was found."""
        self.era_best = np.inf
        self.members: Population = empty_population(population + offspring, instance.n, most_routes(instance))
        self._best: Best | None = problem.starting_best

    def parameters(self) -> dict[str, Any]:
        names = ("population", "offspring", "elite", "closest", "feasible", "neighbours", "restart", "batch")
        return {name: getattr(self, name) for name in names}

    def evaluator(self) -> Evaluator:
        return Education(self.problem.instance, block_size(self.batch), self.neighbours)

    def notice(self) -> str | None:
        return compilation.notice("kernels_education", "int32" if self.problem.instance.integral else "float64")

    def warm_up(self) -> None:
        """Compile or load the driver's kernels, on a population of nobody."""
        nobody = empty_population(1, 3, 1)
        breed(nobody, np.empty((0, 8)), 1.0, 4, 5, np.empty((0, 2), np.int32))
        rebuild(nobody)
        self._absorb(nobody, _no_results(), np.empty(0, np.bool_))

    def ask(self, remaining: int | None) -> Candidates:
        count = self.batch if remaining is None else min(self.batch, remaining)
        context = {"seed": self.seed, "generation": self.asked, "penalty": self.penalty, "era": self.era}
        if self.initial > 0 or self.members.size.sum() < 2:
            if self.initial > 0:
                count = min(count, self.initial)
            self.initial = max(self.initial - count, 0)
            rng = stream(self.seed, self.asked, Purpose.SAMPLING)
            tours = np.tile(np.arange(1, self.problem.instance.n, dtype=np.int32), (count, 1))
            tours = rng.permuted(tours, axis=1)
            if self.asked == 0 and self.problem.starting_best is not None:
                tours[0] = self.problem.starting_best.arrays["tour"]
        else:
            tours = np.empty((count, self.problem.instance.customers), np.int32)
            draws = stream(self.seed, self.asked, Purpose.CROSSOVER).random((count, 8))
            breed(self.members, draws, self.penalty, self.elite, self.closest, tours)
        self.asked += 1
        return Candidates({"tour": tours}, context)

    def tell(self, candidates: Candidates, results: Results) -> None:
        found = results.arrays
        usable = ~results.quarantined & np.isfinite(found["distance"][:, 0])
        self.told += 1
        self._keep_best(found, usable)
        if candidates.context["era"] != self.era:
            return
        self._absorb(self.members, found, usable)
        self._watch_era(found, usable)
        if candidates.context["penalty"] == self.penalty:
            self._adapt_penalty(found["excess"][usable, 0] == 0)
        if self.idle >= self.restart:
            self._begin_era()

    def _absorb(self, members: Population, found: Mapping[str, np.ndarray], usable: np.ndarray) -> None:
        absorb(
            members,
            # Own copies: a read-only array is another type for numba, and would be compiled anew.
            np.array(found["tours"], np.int32),
            np.array(found["offsets"], np.int32),
            np.array(found["distance"], np.float64),
            np.array(found["excess"], np.int64),
            np.array(found["repaired"], np.bool_),
            usable,
            float(self.penalty),
            self.population,
            self.elite,
            self.closest,
        )

    def _keep_best(self, found: Mapping[str, np.ndarray], usable: np.ndarray) -> None:
        """The best of all eras: the feasible ones first, then the least excess."""
        if not usable.any():
            return
        excess = np.where(usable[:, None], found["excess"], np.iinfo(np.int64).max)
        row, version = divmod(int(np.lexsort((found["distance"].ravel(), excess.ravel()))[0]), 2)
        champion = Best(
            float(found["distance"][row, version]),
            float(found["excess"][row, version]),
            {"tour": found["tours"][row, version].copy(), "offsets": found["offsets"][row, version].copy()},
        )
        if champion.better_than(self._best):
            self._best = champion

    def _watch_era(self, found: Mapping[str, np.ndarray], usable: np.ndarray) -> None:
        """Count the offspring since the best feasible individual of this era."""
        good = (found["excess"] == 0) & usable[:, None]
        best = float(found["distance"].min(where=good, initial=np.inf))
        if best < self.era_best:
            self.era_best = best
            self.idle = 0
        else:
            self.idle += len(usable)

    def _adapt_penalty(self, feasible: np.ndarray) -> None:
        """Steer the share of feasible individuals; only those that were educated with this very penalty count."""
        self.watched += len(feasible)
        self.watched_feasible += int(feasible.sum())
        if self.watched < PENALTY_WINDOW:
            return
        share = self.watched_feasible / self.watched
        least, most = self.penalty_limits
        if share <= self.feasible - PENALTY_BAND:
            self.penalty = min(self.penalty * PENALTY_UP, most)
        elif share >= self.feasible + PENALTY_BAND:
            self.penalty = max(self.penalty * PENALTY_DOWN, least)
        self.watched = self.watched_feasible = 0

    def _begin_era(self) -> None:
        self.era += 1
        self.initial = INITIAL_PER_SURVIVOR * self.population
        self.idle = 0
        self.era_best = np.inf
        self.members.size[:] = 0

    @property
    def best(self) -> Best | None:
        return self._best

    def summary(self) -> dict[str, float]:
        return {
            "feasible": float(self.members.size[0]),
            "infeasible": float(self.members.size[1]),
            "penalty": self.penalty,
            "restarts": float(self.era),
        }

    def state(self) -> dict[str, Any]:
        members = self.members
        groups = []
        for sub in range(2):
            count = int(members.size[sub])
            group = {name: getattr(members, name)[sub, :count] for name in ("tours", "offsets", "distance", "excess")}
            # Broken pairs are counted from the side of the later comer, and the slots do not tell who that was.
            groups.append({**group, "broken": members.broken[sub, :count, :count]})
        best = self._best
        return {
            **{name: getattr(self, name) for name in _SCALARS},
            "feasible_members": groups[0],
            "infeasible_members": groups[1],
            "best": best and {"objective": best.objective, "violation": best.violation, "arrays": dict(best.arrays)},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        try:
            for name, kind in _SCALARS.items():
                setattr(self, name, kind(state[name]))
            groups = state["feasible_members"], state["infeasible_members"]
            matrices = [group["broken"] for group in groups]
            for sub, group in enumerate(groups):
                count = len(group["tours"])
                for name in ("tours", "offsets", "distance", "excess"):
                    getattr(self.members, name)[sub, :count] = group[name]
                self.members.size[sub] = count
            best = state["best"]
            self._best = best and Best(float(best["objective"]), float(best["violation"]), dict(best["arrays"]))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise CheckpointError(
                f"optimizer.state: expected the state of hgs on this instance, found {error}"
            ) from error
        rebuild(self.members)
        for sub, broken in enumerate(matrices):
            self.members.broken[sub, : len(broken), : len(broken)] = broken


_SCALARS: dict[str, type[int] | type[float]] = {
    "asked": int,
    "told": int,
    "era": int,
    "initial": int,
    "penalty": float,
    "watched": int,
    "watched_feasible": int,
    "idle": int,
    "era_best": float,
}
"""The scalars of the state, and their types."""


def batch_size(customers: int) -> int:
    """Offspring per generation: some tenths of a second's work, fewer where one takes long."""
    return int(np.clip(24_000 // customers, 8, 96))


def block_size(batch: int) -> int:
    """Rows per call of a worker: a generation in eight parts."""
    return max(batch // 8, 1)


def initial_penalty(problem: CVRP) -> float:
    """The cost of one unit of load above the capacity, at first: the longest distance per largest demand."""
    return problem.longest_distance() / max(int(problem.instance.demands.max()), 1)


def _no_results() -> dict[str, np.ndarray]:
    return {
        "tours": np.empty((0, 2, 2), np.int32),
        "offsets": np.empty((0, 2, 2), np.int32),
        "distance": np.empty((0, 2)),
        "excess": np.empty((0, 2), np.int64),
        "repaired": np.empty(0, np.bool_),
    }
