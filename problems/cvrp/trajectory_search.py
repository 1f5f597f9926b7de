"""Trajectory search for the CVRP: a population of adaptive local searches, run on in epochs at the workers.

An individual is a trajectory: a solution under search, its best, and what its search has learnt. A generation runs a
cohort of them on by one epoch. In between, here, a trajectory that fell behind is replaced by a copy of the leader, and
each gets another one's best solution as its guide, routes of which it imposes on its own.

Sources: Máximo, Cordeau, Nascimento (2022), arXiv 2205.12082, for the trajectory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evo.errors import CheckpointError, SettingsError
from evo.optimizers import checks
from evo.optimizers.base import Best, Candidates, Optimizer, Results
from evo.rng import Purpose, stream

from . import compilation
from .search_data import check_supported, most_routes
from .trajectory import STATE, Course, TrajectoryEpoch, metric_name, new_individuals

if TYPE_CHECKING:
    from evo.distributed.executor import Evaluator

    from .problem import CVRP

COHORTS = 2
"""Parts of the population that take turns, so that workers have the next one's work while this one's is awaited."""
ITERATIONS = 3000
"""Iterations of an epoch: 0.3 to 0.6 s of work."""
SEVERAL_BELOW = 400
"""Customers from which on the population is as small as it can be."""
FIRST_COURSE = 32
"""Epochs of a trajectory's first course where no horizon is given; each next one is twice as long."""


class TrajectorySearch(Optimizer):
    """A population of trajectories with guided recombination.

    Parameters
    ----------
    population
        Trajectories, an even number >= 2; None: by the number of customers.
    iterations
        Iterations of an epoch, >= 1.
    horizon
        Generations over which acceptance goes from open to strict; after them it stays strict. None: courses of
        doubling length, so that a run of any length ends in or soon after the strict part of one.
    exchange
        Epochs after which a cohort's worst trajectory is replaced by a copy of the leader, >= 1.
    guided
        Share of iterations that impose a route of the guide's, in [0, 1].
    """

    name = "trajectories"
    lookahead = COHORTS - 1

    def __init__(
        self,
        problem: CVRP,
        seed: int,
        *,
        population: int | None = None,
        iterations: int = ITERATIONS,
        horizon: int | None = None,
        exchange: int = 8,
        guided: float = 0.05,
    ) -> None:
        check_supported(problem.instance)
        if population is None:
            population = population_size(problem.instance.customers)
        for name, value, least in (
            ("population", population, COHORTS),
            ("iterations", iterations, 1),
            ("exchange", exchange, 1),
            ("horizon", horizon, 1),
        ):
            if value is None and name == "horizon":
                continue
            checks.whole(name, value, least)
        if population % COHORTS != 0:
            raise SettingsError(f"optimizer.population: expected a multiple of {COHORTS}, found {population}")
        self.problem = problem
        self.seed = seed
        self.population = population
        self.iterations = iterations
        self.horizon = horizon
        self.exchange = exchange
        self.guided = checks.share("guided", guided)

        self.asked = 0
        self.told = 0
        self.members = new_individuals(population, problem.instance.n, most_routes(problem.instance))
        self._best: Best | None = None

    def parameters(self) -> dict[str, Any]:
        names = ("population", "iterations", "horizon", "exchange", "guided")
        return {name: getattr(self, name) for name in names}

    def notice(self) -> str | None:
        return compilation.notice("kernels_trajectory", metric_name(self.problem.instance))

    def evaluator(self) -> Evaluator:
        return TrajectoryEpoch(self.problem.instance, Course(self.iterations, guided=self.guided))

    # -- generations ------------------------------------------------------------------------------------------------

    def cohort(self, generation: int) -> np.ndarray:
        """The members that a generation runs on."""
        return np.arange(generation % COHORTS, self.population, COHORTS)

    def course(self, generation: int) -> tuple[float, float]:
        """Between which shares of their course the generation's trajectories stand."""
        if self.horizon is not None:
            return min(generation / self.horizon, 1.0), min((generation + COHORTS) / self.horizon, 1.0)
        epoch, length = generation // COHORTS, FIRST_COURSE
        while epoch >= length:
            epoch -= length
            length *= 2
        return epoch / length, (epoch + 1) / length

    def ask(self, remaining: int | None) -> Candidates:
        chosen = self.cohort(self.asked)
        if remaining is not None:
            chosen = chosen[:remaining]
        rows = {name: self.members[name][chosen] for name in STATE}
        rng = stream(self.seed, self.asked, Purpose.SELECTION)
        guides = (chosen + rng.integers(1, self.population, len(chosen))) % self.population
        begin, end = self.course(self.asked)
        rows |= {
            "guide_tour": self.members["best_tour"][guides],
            "guide_offsets": self.members["best_offsets"][guides],
            "guided": (self.members["best_offsets"][guides, -1] > 0) & (self.guided > 0),
            "begin": np.full(len(chosen), begin),
            "end": np.full(len(chosen), end),
        }
        context = {"seed": self.seed, "generation": self.asked}
        self.asked += 1
        return Candidates(rows, context)

    def tell(self, candidates: Candidates, results: Results) -> None:
        chosen = self.cohort(self.told)[: len(candidates)]
        usable = ~results.quarantined & np.isfinite(results.arrays["costs"]).all(axis=1)
        for name in STATE:
            self.members[name][chosen[usable]] = results.arrays[name][usable]
        for i in chosen[usable]:
            self._keep_best(i)
        self.told += 1
        epoch = self.told // COHORTS
        if epoch % self.exchange == 0 and len(chosen) == self.population // COHORTS:
            self._replace_worst(chosen)

    def _keep_best(self, i: int) -> None:
        members = self.members
        champion = Best(
            float(members["costs"][i, 1]),
            float(members["overload"][i]),
            {"tour": members["best_tour"][i].copy(), "offsets": members["best_offsets"][i].copy()},
        )
        if champion.better_than(self._best):
            self._best = champion

    def _replace_worst(self, chosen: np.ndarray) -> None:
        """Copy the leader over the cohort's worst, if that is another."""
        members = self.members
        rank = np.lexsort((members["costs"][:, 1], members["overload"]))
        leader = int(rank[0])
        worst = next(int(i) for i in rank[::-1] if i in chosen)
        if worst == leader or not np.isfinite(members["costs"][leader, 1]):
            return
        for name in STATE:
            members[name][worst] = members[name][leader]

    @property
    def best(self) -> Best | None:
        return self._best

    def summary(self) -> dict[str, float]:
        costs = self.members["costs"][:, 1]
        costs = costs[np.isfinite(costs)]
        return {"mean": float(costs.mean()), "worst": float(costs.max())} if len(costs) else {}

    # -- state ------------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        best = self._best
        return {
            "asked": self.asked,
            "told": self.told,
            "members": dict(self.members),
            "best": best and {"objective": best.objective, "violation": best.violation, "arrays": dict(best.arrays)},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        try:
            self.asked, self.told = int(state["asked"]), int(state["told"])
            for name in STATE:
                self.members[name][...] = state["members"][name]
            best = state["best"]
            self._best = best and Best(float(best["objective"]), float(best["violation"]), dict(best["arrays"]))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise CheckpointError(
                f"optimizer.state: expected the state of {self.name} on this instance, found {error}"
            ) from error


def population_size(customers: int) -> int:
    """Trajectories by default. In a minute's work on many customers one alone comes further than several.

    Gaps measured at 20 s of one core: on 246 customers 0.14 % for one trajectory, 0.10 % for four; on 640 and on 1000
    customers 0.25 and 0.54 % for one, 0.38 and 0.62 % for two, 0.43 and 0.73 % for four.
    """
    return 4 if customers < SEVERAL_BELOW else 2
