"""What the workers of hybrid genetic search run: the education of a block of giant tours."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from .compilation import mark_cached
from .instance import Instance
from .search_data import SearchData

if TYPE_CHECKING:
    from evo.distributed.executor import Arrays, Context

NEIGHBOURS = 20  # Vidal (2022): the granular search's parameter Gamma


class Education:
    """An `Evaluator`: a pure function of each row's tour and position and of the generation's penalty and key.

    Rows hold ``tour``, ``(batch, n - 1)`` int32; the context holds ``seed``, ``generation``, ``penalty``. The results
    are `kernels_education.educate`'s: ``tours``, ``offsets``, ``distance``, ``excess``, ``repaired``.
    """

    def __init__(self, instance: Instance, block: int, neighbours: int = NEIGHBOURS) -> None:
        self.instance = instance
        self.block = block
        self.neighbours = neighbours

    def __reduce__(self) -> tuple[Any, ...]:
        # The matrix and neighbours are made where they are used: they are many times the instance's size.
        return Education, (self.instance, self.block, self.neighbours)

    @functools.cached_property
    def data(self) -> SearchData:
        return SearchData.of(self.instance, self.neighbours)

    def warm_up(self) -> None:
        """Compile or load the kernels for this instance's type of distance, and make the arrays."""
        dtype = self.data.matrix.dtype
        matrix = np.array([[0, 2, 2, 2], [2, 0, 1, 1], [2, 1, 0, 1], [2, 1, 1, 0]], dtype)
        demands = np.array([0, 1, 1, 1])
        tiny = Education(Instance(name="tiny", demands=demands, capacity=2, distances=matrix), 1)
        rows: dict[str, np.ndarray] = {"tour": np.array([[1, 2, 3]], np.int32), "row": np.zeros(1, np.int64)}
        tiny.evaluate(rows, {"seed": 0, "generation": 0, "penalty": 1.0})
        mark_cached("kernels_education", dtype.name)

    def evaluate(self, rows: Arrays, context: Context) -> dict[str, np.ndarray]:
        from .kernels_education import educate, education_room

        data = self.data
        # Own copies: a read-only or strided array is another type for numba, and would be compiled anew.
        tours = np.array(rows["tour"], np.int32, order="C")
        results = _empty_results(len(tours), data)
        educate(
            tours,
            np.array(rows["row"], np.int64),
            np.uint64(context["seed"]),
            int(context["generation"]),
            float(context["penalty"]),
            data.matrix,
            data.capacity,
            data.neighbours,
            data.coordinates,
            data.tolerance,
            education_room(data.matrix, data.demand, data.routes),
            results["tours"],
            results["offsets"],
            results["distance"],
            results["excess"],
            results["repaired"],
        )
        return results

    def placeholder(self, rows: Arrays, context: Context) -> dict[str, np.ndarray]:
        results = _empty_results(len(rows["tour"]), self.data)
        results["distance"][:] = np.inf
        return results


def _empty_results(batch: int, data: SearchData) -> dict[str, np.ndarray]:
    return {
        "tours": np.zeros((batch, 2, data.n - 1), np.int32),
        "offsets": np.zeros((batch, 2, data.routes + 1), np.int32),
        "distance": np.zeros((batch, 2)),
        "excess": np.zeros((batch, 2), np.int64),
        "repaired": np.zeros(batch, np.bool_),
    }
