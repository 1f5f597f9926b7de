"""`InProcessExecutor`: evaluates in this process, lazily at `collect`, block by block."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any

from evo.errors import ExecutorError

from .blocks import block_starts, contiguous, evaluate_block, join
from .decisions import intolerable
from .executor import Batch, ChunkResult, Delivered, Evaluator, Interrupted, Listener, Outcome, ignore
from .threads import OneThread

_evaluating = 0


def evaluating() -> bool:
    """Whether this process is inside an evaluation: a signal handler may then raise `Interrupted` to leave it."""
    return _evaluating > 0


class InProcessExecutor:
    """The plainest executor. It protects from exceptions; from hangs and crashes only workers do.

    Parameters
    ----------
    tolerant
        False: the first failure ends the run, with `ExecutorError`.
    """

    name = "in_process"

    def __init__(self, *, tolerant: bool = True) -> None:
        self._tolerant = tolerant
        self._evaluator: Evaluator | None = None
        self._threads: OneThread | None = None
        self._batches: deque[Batch] = deque()
        self._delivered: Delivered = ignore

    def start(self, evaluator: Evaluator, listener: Listener, delivered: Delivered = ignore) -> None:
        self._threads = OneThread()
        evaluator.warm_up()
        self._evaluator = evaluator
        self._delivered = delivered
        listener("executor", {"name": self.name, "state": "ready", "workers": 1})

    def submit(self, batch: Batch) -> None:
        self._batches.append(contiguous(batch))

    def collect(self, should_stop: Callable[[], bool]) -> Outcome:
        batch = self._batches.popleft()
        try:
            result = self._evaluated(batch, should_stop)
        except BaseException:
            self._batches.clear()
            raise
        return Outcome(
            result.arrays,
            result.failures,
            {self.name: len(batch)},
            result.retries,
            result.seconds,
        )

    def _evaluated(self, batch: Batch, should_stop: Callable[[], bool]) -> ChunkResult:
        global _evaluating
        evaluator, rows, context = self._evaluator, batch.rows, batch.context
        if evaluator is None:
            raise RuntimeError("start() comes before collect()")
        block = evaluator.block
        results = []
        began = perf_counter()
        for at in block_starts(len(batch), block):
            if should_stop():
                raise Interrupted
            piece = {name: array[at : at + block] for name, array in rows.items()}
            before = _evaluating  # user code may itself run evo
            start = perf_counter()
            try:
                _evaluating = before + 1
                found = evaluate_block(evaluator, piece, context, tolerant=self._tolerant).shifted(at)
            finally:
                _evaluating = before
            if found.failures and not self._tolerant:
                first = found.failures[0]
                raise ExecutorError(intolerable(first.kind, first.error, batch.generation, first.row))
            found.seconds = perf_counter() - start
            results.append(found)
            self._delivered(batch.generation, range(at, at + len(piece["row"])), found)
        joined = join(results)
        joined.seconds = perf_counter() - began
        return joined

    def workers_alive(self) -> int:
        return 1

    def settled(self) -> bool:
        return True

    def report(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        self._batches.clear()
        if self._threads is not None:
            self._threads.release()
            self._threads = None
