"""Trajectory search for the CVRP: adaptive local searches, run on in epochs at the workers.

An individual is a trajectory: a solution under search, its best, and what its search has learnt. A generation runs
solutions on by one epoch; a large one is searched in parts, at several workers. In between, here, the parts are put
together and cut anew. Where there are several individuals, one that fell behind is replaced by a copy of the leader,
and each gets another one's best solution as its guide, routes of which it imposes on its own.

Sources: Máximo, Cordeau, Nascimento (2022), arXiv 2205.12082, for the trajectory.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evo.errors import CheckpointError, SettingsError
from evo.optimizers import checks
from evo.optimizers.base import Best, Candidates, Optimizer, Results
from evo.rng import Purpose, stream

from . import compilation
from .decomposition import barycentres, bisected, limits
from .search_data import check_supported, most_routes
from .trajectory import MEMORY, SOLUTION, Course, TrajectoryEpoch, metric_name, no_guides

if TYPE_CHECKING:
    from evo.distributed.executor import Evaluator

    from .problem import CVRP

COHORTS = 2
"""Groups of individuals that take turns, so that workers have the next one's work while this one's is awaited."""
ITERATIONS = 1500
"""Iterations of an epoch of a part …"""
GENERATION_ITERATIONS = 12_000
"""… and of all parts together, at least a quarter thousand each."""
SEVERAL_BELOW = 400
"""Customers from which on there is one individual."""
PART_CUSTOMERS = 1000
"""Customers of a part. With fewer, too many of its routes lie at a cut: two parts of 500 customers ended a minute on
one core at 0.6 %, the whole at 0.3 %. Six parts of 500 or 1000 cost nothing at 3000 and 6000 customers."""
MOST_PARTS = 64
QUICKENING = 1.08
"""By how much an iteration is quicker in the mean of a course than at its beginning, where the speed is measured: it
changes less. Measured: 1.05 to 1.2 on instances of 247 to 6000 customers; a course that is cut short costs more than
the beginning of another one."""
FIRST_COURSE = 32
"""Epochs of the first course where no horizon is given; each next one is twice as long."""


class TrajectorySearch(Optimizer):
    """Trajectories, each in parts; several of them with guided recombination.

    Parameters
    ----------
    population
        Individuals: 1, or an even number; None: by the number of customers.
    parts
        Parts that each solution is searched in, >= 1; None: by the number of customers.
    iterations
        Iterations of an epoch of each part, >= 1; None: by the number of parts.
    horizon
        Generations over which acceptance goes from open to strict; then again and again, from half open to strict, in
        half as many. None: as many as the run is to have, where that is known; else courses of doubling length.
    opening
        Generations before the course over the horizon begins, >= 0, as if there was none: a run that is limited by time
        measures its speed in them.
    exchange
        Epochs after which a cohort's worst individual is replaced by a copy of the leader, >= 1.
    guided
        Share of iterations that impose a route of the guide's, in [0, 1].
    """

    name = "trajectories"
    planned_parameters = ("horizon", "opening")

    def __init__(
        self,
        problem: CVRP,
        seed: int,
        *,
        population: int | None = None,
        parts: int | None = None,
        iterations: int | None = None,
        horizon: int | None = None,
        opening: int = 0,
        exchange: int = 8,
        guided: float = 0.05,
    ) -> None:
        instance = problem.instance
        check_supported(instance)
        if population is None:
            population = 2 * COHORTS if instance.customers < SEVERAL_BELOW else 1
        checks.whole("population", population, 1)
        if population > 1 and population % COHORTS != 0:
            raise SettingsError(f"optimizer.population: expected 1 or a multiple of {COHORTS}, found {population}")
        if parts is None:
            parts = number_of_parts(instance.customers) if instance.coordinates is not None else 1
        checks.whole("parts", parts, 1)
        if parts > 1 and instance.coordinates is None:
            raise SettingsError(f"optimizer.parts: expected 1 for an instance without coordinates, found {parts}")
        if iterations is None:
            iterations = min(ITERATIONS, max(GENERATION_ITERATIONS // parts, 250)) if parts > 1 else 2 * ITERATIONS
        if horizon is not None:
            checks.whole("horizon", horizon, 1)
        self.problem = problem
        self.seed = seed
        self.population = population
        self.parts = parts
        self.iterations = checks.whole("iterations", iterations, 1)
        self.horizon = horizon
        self.opening = checks.whole("opening", opening, 0)
        self.exchange = checks.whole("exchange", exchange, 1)
        self.guided = checks.share("guided", guided)

        self.cohorts = COHORTS if population > 1 else 1
        self.lookahead = self.cohorts - 1
        self.asked = 0
        self.told = 0
        start = problem.starting_best
        most = most_routes(instance) if start is None else max(most_routes(instance), len(start.arrays["offsets"]) - 1)
        self.members = new_members(population, instance.n, most)
        if start is not None:
            offsets = start.arrays["offsets"]
            self.members["tour"][:] = start.arrays["tour"]
            self.members["offsets"][:] = offsets[-1]  # the routes that are left are empty
            self.members["offsets"][:, : len(offsets)] = offsets
        self._best: Best | None = start

    def parameters(self) -> dict[str, Any]:
        names = ("population", "parts", "iterations", "horizon", "opening", "exchange", "guided")
        return {name: getattr(self, name) for name in names}

    def notice(self) -> str | None:
        return compilation.notice("kernels_trajectory", metric_name(self.problem.instance))

    def evaluator(self) -> Evaluator:
        course = Course(self.iterations, guided=self.guided)
        # Acceptance rules how far a solution may stand above its lowest cost of late, and here each part may by itself:
        # in two parts at the same threshold the whole would stand twice as far above it, and comes down no more.
        first, last = course.eta_first / self.parts, course.eta_last / self.parts
        return TrajectoryEpoch(self.problem.instance, replace(course, eta_first=first, eta_last=last))

    # -- the course -------------------------------------------------------------------------------------------------

    @property
    def wants_horizon(self) -> bool:
        return self.horizon is None

    def plan(self, generations: int) -> None:
        self.opening = self.asked
        rest = generations - self.opening
        self.horizon = max(rest if self.asked == 0 else round(QUICKENING * rest), 1)

    def course(self, generation: int) -> tuple[float, float]:
        """Between which shares of their course the generation's trajectories stand."""
        if self.horizon is None or generation < self.opening:
            epoch, length = generation // self.cohorts, FIRST_COURSE
            while epoch >= length:
                epoch -= length
                length *= 2
            return epoch / length, (epoch + 1) / length
        return self.share_of_course(generation), self.share_of_course(generation + self.cohorts)

    def share_of_course(self, generation: int) -> float:
        """What share of its course is behind a trajectory at a generation's beginning."""
        assert self.horizon is not None
        gone = (generation - self.opening) / self.horizon
        # After the first course: shorter ones, the second halves of it. At the end of one it is 1, not 1/2.
        return gone if gone <= 1.0 else 1.0 - (1.0 - gone) % 0.5

    # -- generations ------------------------------------------------------------------------------------------------

    def cohort(self, generation: int) -> npt.NDArray[np.int64]:
        """The members that a generation runs on."""
        return np.arange(generation % self.cohorts, self.population, self.cohorts)

    def ask(self, remaining: int | None) -> Candidates:
        chosen = self.cohort(self.asked)
        parts = self.parts if remaining is None else min(self.parts, remaining)
        if remaining is not None:
            chosen = chosen[: remaining // parts]
        rows = self._solutions(chosen, parts)
        count = len(rows["tour"])
        begin, end = self.course(self.asked)
        rows |= {"begin": np.full(count, begin), "end": np.full(count, end)}
        context = {"seed": self.seed, "generation": self.asked}
        self.asked += 1
        return Candidates(rows, context)

    def _solutions(self, chosen: npt.NDArray[np.int64], parts: int) -> dict[str, np.ndarray]:
        """The rows of some members: their solutions, in parts as soon as all of them have begun."""
        members = self.members
        begun = members["offsets"][chosen, -1] > 0
        if parts > 1 and begun.all():
            return self._parts(chosen, parts)
        rows = {name: members[name][chosen] for name in SOLUTION}
        rows["limit"] = np.full(len(chosen), members["offsets"].shape[1] - 1)
        rows["member"] = chosen
        if self.population == 1 or self.guided == 0.0 or parts > 1:
            return rows | no_guides(len(chosen))
        rng = stream(self.seed, self.asked, Purpose.SELECTION)
        guides = (chosen + rng.integers(1, self.population, len(chosen))) % self.population
        return rows | {
            "guide_tour": members["best_tour"][guides],
            "guide_offsets": members["best_offsets"][guides],
            "guided": members["best_offsets"][guides, -1] > 0,
        }

    def _parts(self, chosen: npt.NDArray[np.int64], parts: int) -> dict[str, np.ndarray]:
        members, coordinates = self.members, self.problem.instance.coordinates
        assert coordinates is not None  # __init__ sees to it
        rng = stream(self.seed, self.asked, Purpose.SELECTION)
        solutions: list[list[np.ndarray]] = []
        allowed: list[int] = []
        owners: list[int] = []
        for member in chosen:
            tour, offsets = members["tour"][member], members["offsets"][member].astype(np.int64)
            offsets = np.concatenate([offsets[:1], offsets[1:][np.diff(offsets) > 0]])
            sizes = np.diff(offsets)
            routes = np.split(tour, offsets[1:-1])
            groups = bisected(barycentres(coordinates, tour, offsets), sizes, parts, rng)
            solutions += [[routes[r] for r in group] for group in groups]
            used = np.array([len(group) for group in groups])
            allowed += limits(members["offsets"].shape[1] - 1, used, self.asked).tolist()
            owners += [int(member)] * len(groups)
        most = max(sum(map(len, routes)) for routes in solutions)
        rows = {
            "tour": np.zeros((len(solutions), most), np.int32),
            "offsets": np.zeros((len(solutions), max(allowed) + 1), np.int32),
            "memory": members["memory"][owners],
            "limit": np.array(allowed),
            "member": np.array(owners),
            **no_guides(len(solutions)),
        }
        for i, routes in enumerate(solutions):
            _lay_out(routes, rows["tour"][i], rows["offsets"][i])
        return rows

    def tell(self, candidates: Candidates, results: Results) -> None:
        rows, arrays = candidates.rows, results.arrays
        usable = ~results.quarantined & np.isfinite(arrays["costs"]).all(axis=1)
        for member in np.unique(rows["member"]):
            self._take(int(member), np.flatnonzero(rows["member"] == member), usable, rows, arrays)
        self.told += 1
        epoch = self.told // self.cohorts
        if self.population > 1 and epoch % self.exchange == 0:
            self._replace_worst(np.unique(rows["member"]))

    def _take(
        self,
        member: int,
        parts: npt.NDArray[np.int64],
        usable: npt.NDArray[np.bool_],
        rows: Mapping[str, np.ndarray],
        arrays: Mapping[str, np.ndarray],
    ) -> None:
        """Put a member together of its parts' solutions; one that could not be searched stays as it was."""
        members = self.members
        if not usable[parts].all() and (len(parts) == 1 or not usable[parts].any()):
            return
        current: list[np.ndarray] = []
        best: list[np.ndarray] = []
        for i in parts:
            source = arrays if usable[i] else rows
            current += _routes(source["tour"][i], source["offsets"][i])
            prefix = "best_" if usable[i] else ""
            best += _routes(source[f"{prefix}tour"][i], source[f"{prefix}offsets"][i])
        _lay_out(current, members["tour"][member], members["offsets"][member])
        good = parts[usable[parts]]
        members["memory"][member] = arrays["memory"][good].mean(axis=0)
        if len(good) < len(parts):
            return  # what the whole costs is not known: the best must wait for a generation that all parts came through
        costs = arrays["costs"][parts].sum(axis=0)
        overload = arrays["overload"][parts].sum()
        members["costs"][member, 0] = costs[0]
        if (overload, costs[1]) < (members["overload"][member], members["costs"][member, 1]):
            members["overload"][member], members["costs"][member, 1] = overload, costs[1]
            _lay_out(best, members["best_tour"][member], members["best_offsets"][member])
            self._keep_best(member)

    def _keep_best(self, i: int) -> None:
        members = self.members
        champion = Best(
            float(members["costs"][i, 1]),
            float(members["overload"][i]),
            {"tour": members["best_tour"][i].copy(), "offsets": members["best_offsets"][i].copy()},
        )
        if champion.better_than(self._best):
            self._best = champion

    def _replace_worst(self, chosen: npt.NDArray[np.int64]) -> None:
        """Copy the leader over the cohort's worst, if that is another."""
        members = self.members
        rank = np.lexsort((members["costs"][:, 1], members["overload"]))
        leader = int(rank[0])
        worst = next(int(i) for i in rank[::-1] if i in chosen)
        if worst == leader or not np.isfinite(members["costs"][leader, 1]):
            return
        for column in members.values():
            column[worst] = column[leader]

    @property
    def best(self) -> Best | None:
        return self._best

    # -- state --------------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Counters, the members' columns (see `new_members`), and the best solution."""
        best = self._best
        return {
            "asked": self.asked,
            "told": self.told,
            "horizon": self.horizon,
            "opening": self.opening,
            "members": dict(self.members),
            "best": None if best is None else {"objective": best.objective, "violation": best.violation, **best.arrays},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        try:
            members = {name: np.asarray(state["members"][name]) for name in self.members}
            for name, column in self.members.items():
                if members[name].shape != column.shape or members[name].dtype != column.dtype:
                    raise CheckpointError(
                        f"state of trajectories: members.{name}: expected {column.shape} {column.dtype}, "
                        f"found {members[name].shape} {members[name].dtype}"
                    )
            asked, told = int(state["asked"]), int(state["told"])
            horizon, opening = state["horizon"], int(state["opening"])
            best = state["best"]
            self._best = None
            if best is not None:
                arrays = {name: np.array(best[name]) for name in ("tour", "offsets")}
                self._best = Best(float(best["objective"]), float(best["violation"]), arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"state of trajectories: expected another form: {error!r}") from error
        self.members = {name: members[name].copy() for name in members}
        self.asked, self.told = asked, told
        self.horizon, self.opening = None if horizon is None else int(horizon), opening

    def summary(self) -> dict[str, float]:
        costs = self.members["costs"][:, 1]
        known = costs[np.isfinite(costs)]
        if not len(known):
            return {}
        return {"mean": float(known.mean()), "course": self.course(self.told)[0]}


def number_of_parts(customers: int) -> int:
    """Parts that a solution is searched in."""
    return min(max(customers // PART_CUSTOMERS, 1), MOST_PARTS)


def new_members(count: int, n: int, routes: int) -> dict[str, np.ndarray]:
    """Individuals that have not begun.

    ``tour``, ``offsets``
        ``(count, n - 1)`` and ``(count, R + 1)`` int32, the solution under search; all of ``offsets`` zero: not begun.
    ``best_tour``, ``best_offsets``
        The same: its best.
    ``costs``
        ``(count, 2)`` float64, of the two.
    ``overload``
        ``(count,)`` int64, load above the capacity in the best solution.
    ``memory``
        ``(count, MEMORY)`` float64, what the search has learnt.
    """
    return {
        "tour": np.zeros((count, n - 1), np.int32),
        "offsets": np.zeros((count, routes + 1), np.int32),
        "best_tour": np.zeros((count, n - 1), np.int32),
        "best_offsets": np.zeros((count, routes + 1), np.int32),
        "costs": np.full((count, 2), np.inf),
        "overload": np.full(count, np.iinfo(np.int64).max),
        "memory": np.zeros((count, MEMORY)),
    }


def _routes(tour: np.ndarray, offsets: np.ndarray) -> list[np.ndarray]:
    """The routes that are not empty."""
    return [tour[begin:end] for begin, end in itertools.pairwise(offsets.tolist()) if end > begin]


def _lay_out(routes: list[np.ndarray], tour: np.ndarray, offsets: np.ndarray) -> None:
    """Write routes into room for a solution; what is left of the room is empty routes."""
    laid = np.concatenate(routes)
    tour[: len(laid)] = laid
    offsets[0] = 0
    offsets[1 : len(routes) + 1] = np.cumsum([len(route) for route in routes])
    offsets[len(routes) + 1 :] = len(laid)
