"""One evaluator with many behaviours, named by a batch's context: one start of an executor serves many tests."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from evo.distributed.executor import Batch, InvalidRow
from evo.rng import Purpose, stream

DIMENSION = 30


class ModalEvaluator:
    """``context["mode"]`` says what happens to the rows in ``context["bad"]``; the others get a matrix product."""

    def __init__(self, block: int = 4) -> None:
        self.block = block
        self.warm = False

    def warm_up(self) -> None:
        self.weights = np.random.default_rng(7).normal(size=(DIMENSION, DIMENSION))
        self.warm = True

    def evaluate(self, rows: Any, context: Any) -> dict[str, np.ndarray]:
        assert self.warm
        time.sleep(context.get("sleep", 0.0) * len(rows["row"]))
        objective = (rows["genome"] @ self.weights @ self.weights.T).sum(axis=1)
        results = {"objective": objective, "genome": rows["genome"] * 2.0}
        getattr(self, context.get("mode", "plain"))(rows, context, results)
        return results

    def placeholder(self, rows: Any, context: Any) -> dict[str, np.ndarray]:
        return {"objective": np.full(len(rows["row"]), np.inf), "genome": rows["genome"] * 0.0}

    def plain(self, rows: Any, context: Any, results: Any) -> None:
        pass

    def noisy(self, rows: Any, context: Any, results: Any) -> None:
        for offset, row in enumerate(rows["row"]):
            rng = stream(context["seed"], context["generation"], Purpose.EVALUATION, int(row))
            results["objective"][offset] += rng.normal()

    def raises(self, rows: Any, context: Any, results: Any) -> None:
        for row in rows["row"]:
            if row in context["bad"]:
                raise ValueError(f"row {row} is poison")

    def raises_not_picklable(self, rows: Any, context: Any, results: Any) -> None:
        class Local(Exception):
            def __reduce__(self) -> Any:
                raise TypeError("never")

        if np.isin(rows["row"], context["bad"]).any():
            raise Local("cannot travel")

    def leaves(self, rows: Any, context: Any, results: Any) -> None:
        if np.isin(rows["row"], context["bad"]).any():
            raise SystemExit(3)

    def gives_nan(self, rows: Any, context: Any, results: Any) -> None:
        bad = np.isin(rows["row"], context["bad"])
        if bad.any():
            raise InvalidRow("objective: expected a finite number, found nan", int(np.argmax(bad)))

    def wrong_shape(self, rows: Any, context: Any, results: Any) -> None:
        if len(rows["row"]) > 1 and np.isin(rows["row"], context["bad"]).any():
            results["objective"] = results["objective"][:-1]

    def raises_once(self, rows: Any, context: Any, results: Any) -> None:
        if np.isin(rows["row"], context["bad"]).any() and _first_time(context):
            raise ConnectionError("the licence server is busy")

    def ends_process_once(self, rows: Any, context: Any, results: Any) -> None:
        if np.isin(rows["row"], context["bad"]).any() and _first_time(context):
            os._exit(1)

    def ends_process(self, rows: Any, context: Any, results: Any) -> None:
        if np.isin(rows["row"], context["bad"]).any():
            os._exit(1)

    def segfaults(self, rows: Any, context: Any, results: Any) -> None:
        if np.isin(rows["row"], context["bad"]).any():
            ctypes.string_at(0)

    def hangs_once(self, rows: Any, context: Any, results: Any) -> None:
        if np.isin(rows["row"], context["bad"]).any() and _first_time(context):
            time.sleep(600)

    def hangs(self, rows: Any, context: Any, results: Any) -> None:
        if np.isin(rows["row"], context["bad"]).any():
            time.sleep(600)


def _first_time(context: Any) -> bool:
    """Whether nobody was here before, in any process."""
    try:
        Path(context["mark"]).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def batch(count: int = 50, generation: int = 0, **context: Any) -> Batch:
    rng = np.random.default_rng(100 + generation)
    rows = {"genome": rng.normal(size=(count, DIMENSION)), "row": np.arange(count)}
    return Batch(generation, rows, {"seed": 5, "generation": generation, **context})


def expected(batch: Batch, bad: tuple[int, ...] = (), block: int = 4) -> dict[str, np.ndarray]:
    """A plain loop over the blocks by an evaluator that finds nothing wrong; `bad` rows get the placeholder."""
    evaluator = ModalEvaluator(block)
    evaluator.warm_up()
    mode = batch.context.get("mode", "plain")
    context = {**batch.context, "sleep": 0.0, "mode": mode if mode == "noisy" else "plain"}
    pieces = []
    for at in range(0, len(batch), block):
        rows = {name: array[at : at + block].copy() for name, array in batch.rows.items()}
        pieces.append(evaluator.evaluate(rows, context))
    arrays = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    worst = evaluator.placeholder(batch.rows, context)
    for name, array in arrays.items():
        array[list(bad)] = worst[name][list(bad)]
    return arrays


def assert_same(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    """Bit for bit, dtypes and names included."""
    assert sorted(found) == sorted(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        assert found[name].tobytes() == array.tobytes(), name
