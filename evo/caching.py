"""`CachingExecutor`: of exact copies one is evaluated, and all have its results.

It stands next to the executor that evaluates, within the journal: the journal sees whole generations, so that what it
kept fits a resumed run, which begins with an empty cache. The cache is no part of a run's state, for it changes no
result: it is used only where a row's results depend on the row alone. With noise they do not, nor in blocks of several
rows, where a matrix product's last bit depends on the whole block. So the condition is `Problem.block` = 1, which dear
evaluations have anyway; in larger blocks a lookup would cost as much as a cheap evaluation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, Literal

import numpy as np

from evo.distributed.executor import Batch, ChunkResult, Delivered, Evaluator, Executor, Listener, Outcome, ignore
from evo.errors import SettingsError
from evo.evaluation import ProblemEvaluator

WHERE = "cache"
"""Among the places where rows were evaluated, those whose results were known."""
MEMORY = 64e6
"""Bytes that a cache takes at most, roughly."""
OVERHEAD = 300
"""Bytes of one entry beside its genome and its results, roughly."""


def wanted(setting: bool | Literal["auto"], evaluator: Evaluator) -> bool:
    """Whether a run has a cache. Raises `SettingsError` where one is asked for and would change results."""
    found = ""
    if not isinstance(evaluator, ProblemEvaluator):
        found = "an optimizer with an evaluation of its own"
    elif evaluator.problem.noisy:
        found = "a noisy problem"
    elif evaluator.block > 1:
        found = f"block = {evaluator.block}, in which a row's last bit may depend on the others"
    if setting is True and found:
        raise SettingsError(f"evaluation.cache: expected a deterministic problem with block = 1, found {found}")
    return not found and setting is not False


@dataclass(slots=True)
class _Waiting:
    """A batch that is to be collected."""

    batch: Batch
    keys: list[bytes]
    asked: list[int]
    """Positions of the rows that are evaluated."""
    source: np.ndarray
    """(n,) for each row its place among `asked`, or -1 where its results are known."""
    known: list[tuple[int, _Cell]]


_Cell = tuple[dict[str, np.ndarray], int, float]
"""A generation's results, the row's place in them, and the seconds that it took."""


class CachingExecutor:
    """Another executor with a memory in front of it; the oldest entries are forgotten first."""

    def __init__(self, executor: Executor) -> None:
        self.name = executor.name
        self._executor = executor
        self._cells: dict[bytes, _Cell] = {}
        self._most = 0
        self._waiting: deque[_Waiting] = deque()
        self._delivered: Delivered = ignore

    def start(self, evaluator: Evaluator, listener: Listener, delivered: Delivered = ignore) -> None:
        self._delivered = delivered
        self._executor.start(evaluator, listener, ignore if delivered is ignore else self._take)

    def submit(self, batch: Batch) -> None:
        genome = np.ascontiguousarray(batch.rows["genome"])
        width = genome.dtype.itemsize * int(np.prod(genome.shape[1:]))
        memory = genome.tobytes()
        keys = [memory[at : at + width] for at in range(0, len(memory), width)]
        first: dict[bytes, int] = {}
        asked: list[int] = []
        known: list[tuple[int, _Cell]] = []
        source: list[int] = []
        for row, (key, cell) in enumerate(zip(keys, map(self._cells.get, keys), strict=True)):
            if cell is not None:
                known.append((row, cell))
                source.append(-1)
                continue
            place = first.setdefault(key, len(asked))
            source.append(place)
            if place == len(asked):
                asked.append(row)
        self._waiting.append(_Waiting(batch, keys, asked, np.array(source), known))
        if len(asked) == len(batch):
            self._executor.submit(batch)
        elif asked:
            rows = {name: array[asked] for name, array in batch.rows.items()}
            self._executor.submit(Batch(batch.generation, rows, batch.context))

    def collect(self, should_stop: Callable[[], bool]) -> Outcome:
        outcome = Outcome({})
        try:
            if self._waiting[0].asked:
                outcome = self._executor.collect(should_stop)
        except BaseException:
            self._waiting.clear()
            raise
        waiting = self._waiting.popleft()
        self._remember(waiting, outcome)
        return outcome if len(waiting.asked) == len(waiting.batch) else self._completed(waiting, outcome)

    def _remember(self, waiting: _Waiting, outcome: Outcome) -> None:
        if not waiting.asked:
            return
        seconds = outcome.work_seconds / len(waiting.asked)
        cells, arrays, keys = self._cells, outcome.arrays, [waiting.keys[row] for row in waiting.asked]
        cells.update(zip(keys, zip(repeat(arrays), range(len(keys)), repeat(seconds)), strict=False))
        for failure in outcome.failures:  # is evaluated again: what took a worker with it need not do so twice
            del cells[keys[failure.row]]
        if not self._most:
            result = sum(array[:1].nbytes for array in arrays.values())
            self._most = int(MEMORY / (OVERHEAD + len(waiting.keys[0]) + result))
        while len(cells) > self._most:
            del cells[next(iter(cells))]

    def _completed(self, waiting: _Waiting, outcome: Outcome) -> Outcome:
        """The outcome of the whole batch; what was not evaluated for it is delivered."""
        count, source = len(waiting.batch), waiting.source
        found = outcome.arrays or waiting.known[0][1][0]
        whole = {name: np.empty((count, *array.shape[1:]), array.dtype) for name, array in found.items()}
        evaluated = np.flatnonzero(source >= 0)
        for name, array in whole.items():
            if len(evaluated):
                array[evaluated] = found[name][source[evaluated]]
            for row, (arrays, place, _) in waiting.known:
                array[row] = arrays[name][place]
        by_place = {failure.row: failure for failure in outcome.failures}
        failures = [replace(by_place[place], row=row) for row, place in enumerate(source.tolist()) if place in by_place]
        copied = np.ones(count, dtype=np.bool_)
        copied[waiting.asked] = False
        rows = np.flatnonzero(copied)
        seconds = sum(cell[2] for _, cell in waiting.known)
        if waiting.asked:
            seconds += outcome.work_seconds / len(waiting.asked) * (len(evaluated) - len(waiting.asked))
        result = ChunkResult(
            {name: array[rows] for name, array in whole.items()},
            [failure for failure in failures if copied[failure.row]],
            0,
            seconds,
        )
        self._delivered(waiting.batch.generation, rows.tolist(), result)
        places = {**outcome.evaluated_by, WHERE: len(rows)}
        return Outcome(whole, failures, places, outcome.retries, outcome.work_seconds)

    def _take(self, generation: int, rows: Sequence[int], result: ChunkResult) -> None:
        """Pass on what was delivered of the rows asked, as of the whole batch."""
        waiting = next(each for each in self._waiting if each.batch.generation == generation)
        if len(waiting.asked) == len(waiting.batch):
            self._delivered(generation, rows, result)
            return
        failures = [replace(failure, row=waiting.asked[failure.row]) for failure in result.failures]
        self._delivered(generation, [waiting.asked[row] for row in rows], replace(result, failures=failures))

    def workers_alive(self) -> int:
        return self._executor.workers_alive()

    def settled(self) -> bool:
        return self._executor.settled()

    def report(self) -> dict[str, Any]:
        return self._executor.report()

    def close(self) -> None:
        self._waiting.clear()
        self._executor.close()
