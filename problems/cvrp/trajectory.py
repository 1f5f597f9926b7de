"""What the workers of the trajectory search run: an epoch, some thousand iterations, of each trajectory of a block."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .compilation import mark_cached
from .instance import Instance
from .trajectory_data import TrajectoryData

if TYPE_CHECKING:
    from evo.distributed.executor import Arrays, Context

NEIGHBOURS = 100  # near customers that are kept, for ruin …
SEARCHED = 12  # … and that the local search looks at

STATE = ("tour", "offsets", "best_tour", "best_offsets", "costs", "overload", "memory")
"""The columns that make an individual. See `kernels_trajectory.run_trajectories` for shapes."""


@dataclass(frozen=True)
class Course:
    """The parameters of a trajectory; see `TrajectorySearch` for their meaning."""

    iterations: int
    gamma: float = 30.0
    eta_first: float = 0.3
    eta_last: float = 0.01
    changed_first: float = 30.0
    changed_last: float = 15.0
    feasible: float = 0.98
    weight_step: float = 0.1
    guided: float = 0.05


class TrajectoryEpoch:
    """An `Evaluator`: a pure function of an individual's state, its guide, and a random key.

    Rows hold the columns of `STATE`; ``guide_tour``, ``guide_offsets``, ``guided``, as the kernel's; and ``begin`` and
    ``end``, (batch,) float64, shares of the course. Tours are in the instance's numbers. An individual whose ``tour``
    is empty (all of ``offsets`` zero) begins at the savings solution. The context holds ``seed`` and ``generation``.
    The results are the columns of `STATE`, and ``statistics``.
    """

    block = 1

    def __init__(self, instance: Instance, course: Course) -> None:
        self.instance = instance
        self.course = course

    def __reduce__(self) -> tuple[Any, ...]:
        # The metric and neighbours are made where they are used: they are many times the instance's size.
        return TrajectoryEpoch, (self.instance, self.course)

    @functools.cached_property
    def data(self) -> TrajectoryData:
        return TrajectoryData.of(self.instance, NEIGHBOURS)

    def warm_up(self) -> None:
        """Compile or load the kernels for this instance's metric, and make the arrays."""
        empty = new_individuals(1, self.data.n, self.data.routes)
        rows = {**empty, **no_guides(empty), "begin": np.zeros(1), "end": np.zeros(1), "row": np.zeros(1, np.int64)}
        TrajectoryEpoch.evaluate(self, rows, {"seed": 0, "generation": 0}, iterations=1)
        mark_cached("kernels_trajectory", metric_name(self.instance))

    def evaluate(self, rows: Arrays, context: Context, iterations: int | None = None) -> dict[str, np.ndarray]:
        from .kernels_trajectory import STATISTICS, run_trajectories, trajectory_room

        data, course = self.data, self.course
        found = {name: np.array(rows[name], order="C") for name in STATE}
        for name in ("tour", "best_tour"):
            found[name] = data.number[found[name]]
        for i in np.flatnonzero(found["offsets"][:, -1] == 0):
            self._begin(found, int(i))
        statistics = np.zeros((len(found["tour"]), STATISTICS), np.int64)
        run_trajectories(
            np.array(rows["row"], np.int64),
            np.uint64(context["seed"]),
            int(context["generation"]),
            course.iterations if iterations is None else iterations,
            np.array(rows["begin"], np.float64),
            np.array(rows["end"], np.float64),
            self._parameters(),
            data.metric,
            data.neighbours,
            data.neighbour_distance,
            SEARCHED,
            data.capacity,
            data.tolerance,
            trajectory_room(data.demand, data.routes, data.integral),
            found["tour"],
            found["offsets"],
            found["best_tour"],
            found["best_offsets"],
            data.number[rows["guide_tour"]],
            np.array(rows["guide_offsets"], np.int32, order="C"),
            np.array(rows["guided"], np.bool_),
            found["costs"],
            found["overload"],
            found["memory"],
            statistics,
        )
        for name in ("tour", "best_tour"):
            found[name] = data.order[found[name]]
        return {**found, "statistics": statistics}

    def placeholder(self, rows: Arrays, context: Context) -> dict[str, np.ndarray]:
        from .kernels_trajectory import STATISTICS

        unchanged = {name: np.array(rows[name]) for name in STATE}
        return {**unchanged, "statistics": np.zeros((len(rows["tour"]), STATISTICS), np.int64)}

    def _begin(self, found: dict[str, np.ndarray], i: int) -> None:
        """Put an individual at the savings solution, with an open mind."""
        from . import kernels_trajectory as kernels

        data = self.data
        tour, offsets = data.start
        found["tour"][i] = found["best_tour"][i] = tour
        found["offsets"][i] = found["best_offsets"][i] = offsets
        found["costs"][i] = kernels.solution_distance(data.metric, data.n, tour, offsets)
        loads = np.add.reduceat(np.append(data.demand[tour], 0), offsets[:-1]) * (np.diff(offsets) > 0)
        found["overload"][i] = np.maximum(loads - data.capacity, 0).sum()
        memory = found["memory"][i]
        memory[:] = 0.0
        memory[kernels.WEIGHT] = data.longest / max(int(data.demand.max()), 1)
        memory[kernels.OMEGA : kernels.OMEGA + 2] = self.course.changed_first / 2
        memory[kernels.LOWEST] = memory[kernels.WINDOW_LOWEST] = np.inf

    def _parameters(self) -> np.ndarray:
        from . import kernels_trajectory as kernels

        course = self.course
        parameters = np.zeros(kernels.PARAMETERS)
        parameters[kernels.GAMMA] = course.gamma
        parameters[kernels.ETA_FIRST] = course.eta_first
        parameters[kernels.ETA_LAST] = course.eta_last
        parameters[kernels.CHANGED_FIRST] = course.changed_first
        parameters[kernels.CHANGED_LAST] = course.changed_last
        parameters[kernels.FEASIBLE] = course.feasible
        parameters[kernels.WEIGHT_STEP] = course.weight_step
        # One unit of overload costs more than any detour can save.
        parameters[kernels.WEIGHT_MOST] = 4.0 * self.data.longest
        parameters[kernels.GUIDED] = course.guided
        return parameters


MEMORY = 12
"""Numbers that a trajectory remembers: `kernels_trajectory.ADAPTIVE`, which cannot be imported without the kernels."""


def new_individuals(count: int, n: int, routes: int) -> dict[str, np.ndarray]:
    """Individuals that have not begun: the columns of `STATE`, empty tours."""
    return {
        "tour": np.zeros((count, n - 1), np.int32),
        "offsets": np.zeros((count, routes + 1), np.int32),
        "best_tour": np.zeros((count, n - 1), np.int32),
        "best_offsets": np.zeros((count, routes + 1), np.int32),
        "costs": np.full((count, 2), np.inf),
        "overload": np.zeros(count, np.int64),
        "memory": np.zeros((count, MEMORY)),
    }


def no_guides(individuals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The guides' columns where nobody has one."""
    return {
        "guide_tour": np.zeros_like(individuals["tour"]),
        "guide_offsets": np.zeros_like(individuals["offsets"]),
        "guided": np.zeros(len(individuals["tour"]), np.bool_),
    }


def metric_name(instance: Instance) -> str:
    """Which kind of metric the kernels are compiled for."""
    from .trajectory_data import MATRIX_LIMIT

    if instance.distances is None and instance.n > MATRIX_LIMIT:
        return instance.rounding
    return "int32" if instance.integral else "float64"
