"""What the workers of the trajectory search run: an epoch, about a thousand iterations, of each solution of a block."""

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

SOLUTION = ("tour", "offsets", "memory")
"""The columns of a row that the kernel runs on; see `TrajectoryEpoch` for shapes."""


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
    """An `Evaluator`: a pure function of a solution, of what its search has learnt, of its guide and a random key.

    A row is a solution, or a part of one that is searched as if there was nothing else. Columns, for a batch whose
    longest row visits `most` customers, in the instance's numbers, and with up to R routes:

    ``tour``, ``offsets``
        ``(batch, most)`` and ``(batch, R + 1)`` int32: route r visits ``tour[offsets[r]:offsets[r + 1]]``. A row
        without customers (all of ``offsets`` zero) begins at the savings solution of the whole instance.
    ``limit``
        ``(batch,)`` int64: routes that it may have.
    ``memory``
        ``(batch, MEMORY)`` float64; all zero: its search has not begun.
    ``guide_tour``, ``guide_offsets``, ``guided``
        Another solution of the same customers, and whether there is one.
    ``begin``, ``end``
        ``(batch,)`` float64, shares of the course.

    The context holds ``seed`` and ``generation``. The results are ``tour``, ``offsets``, ``memory`` as they then are;
    ``best_tour`` and ``best_offsets``, the best that was found; ``costs``, ``(batch, 2)`` float64, of the two;
    ``overload``, ``(batch,)`` int64, the first one's load above the capacity (where there is any, the best is no
    better); and ``statistics``.
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
        rows: dict[str, np.ndarray] = {
            "tour": np.zeros((1, self.data.n - 1), np.int32),
            "offsets": np.zeros((1, self.data.routes + 1), np.int32),
            "memory": np.zeros((1, MEMORY)),
            "limit": np.array([self.data.routes], np.int64),
            **no_guides(1),
            "begin": np.zeros(1),
            "end": np.zeros(1),
            "row": np.zeros(1, np.int64),
        }
        self._run(rows, {"seed": 0, "generation": 0}, iterations=1)
        mark_cached("kernels_trajectory", metric_name(self.instance))

    def evaluate(self, rows: Arrays, context: Context) -> dict[str, np.ndarray]:
        return self._run(rows, context, self.course.iterations)

    def _run(self, rows: Arrays, context: Context, iterations: int) -> dict[str, np.ndarray]:
        from .kernels_trajectory import STATISTICS, run_trajectories, trajectory_room

        data = self.data
        found = {name: np.array(rows[name], order="C") for name in SOLUTION}
        batch = len(found["tour"])
        found["tour"] = data.number[found["tour"]]
        for i in np.flatnonzero(found["offsets"][:, -1] == 0):
            found["tour"][i], found["offsets"][i] = data.start
        for memory in found["memory"]:
            if not memory.any():
                self._begin(memory)
        found["best_tour"] = np.zeros_like(found["tour"])
        found["best_offsets"] = np.zeros_like(found["offsets"])
        found["costs"] = np.zeros((batch, 2))
        found["overload"] = np.zeros(batch, np.int64)
        found["statistics"] = np.zeros((batch, STATISTICS), np.int64)
        run_trajectories(
            np.array(rows["row"], np.int64),
            np.uint64(context["seed"]),
            int(context["generation"]),
            iterations,
            np.array(rows["begin"], np.float64),
            np.array(rows["end"], np.float64),
            self._parameters(),
            data.metric,
            data.neighbours,
            data.neighbour_distance,
            SEARCHED,
            data.capacity,
            data.tolerance,
            trajectory_room(data.demand, found["offsets"].shape[1] - 1, data.integral),
            np.array(rows["limit"], np.int64),
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
            found["statistics"],
        )
        for name in ("tour", "best_tour"):
            found[name] = data.order[found[name]]
        return found

    def placeholder(self, rows: Arrays, context: Context) -> dict[str, np.ndarray]:
        from .kernels_trajectory import STATISTICS

        batch = len(rows["tour"])
        return {
            **{name: np.array(rows[name]) for name in SOLUTION},
            "best_tour": np.array(rows["tour"]),
            "best_offsets": np.array(rows["offsets"]),
            "costs": np.full((batch, 2), np.inf),
            "overload": np.zeros(batch, np.int64),
            "statistics": np.zeros((batch, STATISTICS), np.int64),
        }

    def _begin(self, memory: np.ndarray) -> None:
        """Nothing is known yet."""
        from . import kernels_trajectory as kernels

        memory[kernels.WEIGHT] = self.data.longest / max(int(self.data.demand.max()), 1)
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


def no_guides(count: int) -> dict[str, np.ndarray]:
    """The guides' columns where nobody has one."""
    return {
        "guide_tour": np.zeros((count, 0), np.int32),
        "guide_offsets": np.zeros((count, 0), np.int32),
        "guided": np.zeros(count, np.bool_),
    }


def metric_name(instance: Instance) -> str:
    """Which kind of metric the kernels are compiled for."""
    from .trajectory_data import MATRIX_LIMIT

    if instance.distances is None and instance.n > MATRIX_LIMIT:
        return instance.rounding
    return "int32" if instance.integral else "float64"
