"""`CVRP`: the capacitated vehicle routing problem as a `Problem`."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from evo.errors import ProblemError, SolutionError
from evo.problem import Evaluation, Problem
from evo.spaces import Permutation

from .checker import check, cost_of
from .instance import Instance
from .search_data import SearchData, check_supported
from .solution import Solution, read_sol, write_sol

if TYPE_CHECKING:
    from evo.optimizers.base import Best
    from evo.stopping import Stop


TRAJECTORIES_FROM = 240
"""Customers from which on the trajectory search is the better one (measured on X-n101 to X-n376, 15 s on one core)."""


class CVRP(Problem):
    """Serve every customer once, each route within the vehicle's capacity, at the least total distance.

    A genome is a giant tour, an order of the customers; `evaluate` cuts it into routes at least cost (Split). That
    serves the generic optimizers; the defaults work on routes: ``hgs`` below `TRAJECTORIES_FROM` customers,
    ``trajectories`` from there on.

    Parameters
    ----------
    instance
        What is to be solved.
    start
        Routes to begin with, each a sequence of customers: a solution of the instance. The optimizers ``hgs`` and
        ``trajectories`` begin with it; the result is never worse.

    Raises
    ------
    ProblemError
        `start` is no solution of the instance.
    """

    builtin_name = "cvrp"
    optimizers: ClassVar[Mapping[str, str]] = {
        "hgs": "evo.problems.cvrp.hgs:HybridGeneticSearch",
        "trajectories": "evo.problems.cvrp.trajectory_search:TrajectorySearch",
    }
    solution_file = "solution.sol"

    def __init__(self, instance: Instance, start: Sequence[Sequence[int]] | None = None) -> None:
        if not isinstance(instance, Instance):
            raise ProblemError(f"instance: expected an Instance, such as cvrp.read_instance(path), found {instance!r}")
        check_supported(instance)
        self.instance = instance
        self.space = Permutation(instance.customers)
        self.best_known = instance.best_known
        self.default_optimizer = "hgs" if instance.customers < TRAJECTORIES_FROM else "trajectories"
        self.start: list[list[int]] | None = None
        self.starting_best: Best | None = None
        """The solution to begin with, as an optimizer's best so far."""
        if start is not None:
            self._take_start(start)

    def _take_start(self, start: Sequence[Sequence[int]]) -> None:
        from evo.optimizers.base import Best

        try:
            cost = cost_of(self.instance, start)
        except SolutionError as error:
            raise ProblemError(f"start: expected a solution of the instance: {error}") from error
        self.start = [[int(customer) for customer in route] for route in start if len(route)]
        offsets = np.cumsum([0, *map(len, self.start)]).astype(np.int32)
        tour = np.concatenate(self.start).astype(np.int32)
        self.starting_best = Best(float(cost), 0.0, {"tour": tour, "offsets": offsets})

    @classmethod
    def from_settings(cls, parameters: Mapping[str, Any], folder: Path) -> Self:
        from .vrplib_file import read

        known = ("instance", "round", "best_known", "start")
        for key in parameters:
            if key not in known:
                from evo.suggestion import suggestion

                raise ProblemError(f"problem.{key}: unknown key, expected {', '.join(known)}{suggestion(key, known)}")
        path = parameters.get("instance")
        if not isinstance(path, str):
            raise ProblemError(f"problem.instance: expected the path of a VRPLIB file, found {path!r}")
        round = parameters.get("round", True)
        if not isinstance(round, bool):
            raise ProblemError(f"problem.round: expected true or false, found {round!r}")
        best_known = parameters.get("best_known")
        if best_known is not None and (isinstance(best_known, bool) or not isinstance(best_known, (int, float))):
            raise ProblemError(f"problem.best_known: expected a number, found {best_known!r}")
        start = parameters.get("start")
        if start is not None and not isinstance(start, str):
            raise ProblemError(f"problem.start: expected the path of a .sol file, found {start!r}")
        instance = read(folder / path, round=round, best_known=best_known)
        if start is None:
            return cls(instance)
        try:
            return cls(instance, read_sol(folder / start).routes)
        except ProblemError as error:
            raise ProblemError(f"{folder / start}: {error}") from error

    def to_spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = {"instance": self.instance.to_spec()}
        if self.starting_best is not None:
            arrays = self.starting_best.arrays
            spec["start"] = {"tour": arrays["tour"], "lengths": np.diff(arrays["offsets"])}
        return spec

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        instance, start = Instance.from_spec(spec["instance"]), spec.get("start")
        if start is None:
            return cls(instance)
        routes = np.split(start["tour"], np.cumsum(start["lengths"])[:-1])
        return cls(instance, [route.tolist() for route in routes])

    def describe(self) -> str:
        instance = self.instance
        fleet = "" if instance.max_vehicles is None else f", at most {instance.max_vehicles} vehicles"
        return f"{instance.name}: {instance.customers} customers, capacity {instance.capacity}{fleet}"

    def default_stop(self) -> Stop:
        from evo.stopping import Stop

        return Stop(time=60)

    # -- giant tours ----------------------------------------------------------------------------------------------

    @functools.cached_property
    def _data(self) -> SearchData:
        return SearchData.of(self.instance, near=0)

    def evaluate(self, x: np.ndarray) -> Evaluation:
        """Distances of giant tours, cut by Split; a violation is the load above the capacity (limited fleets only).

        Parameters
        ----------
        x
            ``(batch, n - 1)``, orders of 0 … n - 2; customer c is number c - 1.
        """
        distance, excess, _ = self._split(np.asarray(x) + 1)
        return Evaluation(distance, excess)

    def _split(self, tours: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distance, excess and offsets of each tour at a penalty that no distance outweighs."""
        from .kernels_split import split_tours

        data = self._data
        most_routes = self.instance.max_vehicles or self.instance.customers
        offsets = np.zeros((len(tours), min(most_routes, self.instance.customers) + 1), np.int32)
        distance, excess = np.zeros(len(tours)), np.zeros(len(tours), np.int64)
        penalty = 3.0 * self.longest_distance() + 3.0
        split_tours(
            np.array(tours, np.int32, order="C"),
            data.matrix,
            data.demand,
            data.capacity,
            penalty,
            offsets,
            distance,
            excess,
        )
        return distance, excess, offsets

    def longest_distance(self) -> float:
        """A bound of every distance, as a unit of cost: the longest one, or the area's diagonal; 1 where that is 0."""
        instance = self.instance
        if instance.distances is not None:
            return float(instance.distances.max()) or 1.0
        assert instance.coordinates is not None  # an instance has one or the other
        return float(np.hypot(*np.ptp(instance.coordinates, axis=0))) or 1.0

    # -- solutions ------------------------------------------------------------------------------------------------

    def solution(self, best: Best) -> Solution:
        if "tour" in best.arrays:
            tour, offsets = best.arrays["tour"], best.arrays["offsets"]
        else:
            tour = best.arrays["genome"] + 1
            offsets = self._split(tour[None])[2][0]
        routes = [tour[start:end].tolist() for start, end in itertools.pairwise(offsets)]
        cost = best.objective
        return Solution(routes, round(cost) if self.instance.integral else cost)

    def write_solution(self, path: Path, best: Best) -> None:
        """Write a `.sol` file, after the independent checker; `SolutionError` where the solution does not hold."""
        solution = self.solution(best)
        check(self.instance, solution)
        write_sol(path, solution)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.instance, self.start)  # without the matrix: it is made again where it is used


def read(
    path: str | os.PathLike[str],
    *,
    round: bool = True,
    best_known: float | None = None,
    start: str | os.PathLike[str] | None = None,
) -> CVRP:
    """Read a VRPLIB file as a problem, and a `.sol` file to begin with; see `vrplib_file.read`.

    Raises
    ------
    InstanceError
        The instance cannot be used.
    UsageError, ProblemError
        `start` cannot be read, or is no solution of the instance.
    """
    from .vrplib_file import read as read_instance

    return CVRP(
        read_instance(path, round=round, best_known=best_known), None if start is None else read_sol(start).routes
    )
