"""The `Executor` contract: where a batch of candidates is evaluated is replaceable at any moment.

An executor knows nothing of problems or optimizers. It is given an `Evaluator` once and then batches of rows; it
promises that the outcome of a batch is a pure function of the evaluator and the batch: not of the number of workers,
the split into chunks, the order of replies, retries, or workers that died.

Blocks. An evaluator names its `block`: rows are always handed to it in the same fixed groups (rows 0..block-1, block..
2*block-1, …, the last one shorter), since a matrix product may differ in the last bit with the batch's shape. An
executor may cut a batch into chunks only at multiples of `block`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

Arrays = Mapping[str, np.ndarray]
"""Named arrays with one row per individual: all have the same length along axis 0."""

Context = Mapping[str, Any]
"""What all rows of a batch share: plain scalars, strings and arrays (seed, generation, penalty weights, …)."""


class Evaluator(Protocol):
    """What runs in a worker: a pure, stateless function of rows. It must survive cloudpickle."""

    block: int
    """Rows per fixed block, >= 1."""

    def warm_up(self) -> None:
        """Compile or load whatever the first evaluation needs. Called once per process."""

    def evaluate(self, rows: Arrays, context: Context) -> dict[str, np.ndarray]:
        """Results of ONE block, arrays with `len(rows)` rows each.

        `rows` always holds the column ``row``: each individual's position in its batch, (n,) int64. Raises `InvalidRow`
        where a result is unusable (NaN, wrong shape), or whatever the user's code raises.
        """

    def placeholder(self, rows: Arrays, context: Context) -> dict[str, np.ndarray]:
        """The results that stand for quarantined rows: the worst there is, same names, dtypes and row shapes."""


class InvalidRow(Exception):
    """An evaluator's word that a result is unusable; `offset` is the row within the block, None if not known."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message, offset)
        self.message = message
        self.offset = offset

    def __str__(self) -> str:
        return self.message


class Interrupted(Exception):
    """The caller's `should_stop` said so while a batch was awaited; the batch is dropped, its rows are lost."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A generation's candidates, or those of them that are not known yet, as an executor sees them.

    The column ``row`` is for the evaluator; an executor goes by a row's position in the batch.
    """

    generation: int
    rows: Arrays
    context: Context

    def __len__(self) -> int:
        return len(self.rows["row"])


@dataclass(frozen=True, slots=True)
class RowFailure:
    """One individual that was given up: its position in the batch, and what was seen."""

    row: int
    kind: str
    """A `FailureType` value: ``evaluation_error``, ``invalid_result``, ``task_timeout``, ``worker_crash``, …"""
    error: str
    """One line: the exception's type and text."""
    traceback: str = ""


@dataclass(slots=True)
class ChunkResult:
    """What a chunk gave: `arrays` have its rows in order; `failures` name rows by their position among those."""

    arrays: dict[str, np.ndarray]
    failures: list[RowFailure] = field(default_factory=list)
    retries: int = 0
    seconds: float = 0.0

    def shifted(self, by: int) -> ChunkResult:
        """The same, as part of something larger that has so many rows before it."""
        if by and self.failures:
            self.failures = [replace(failure, row=failure.row + by) for failure in self.failures]
        return self


@dataclass(slots=True)
class Outcome:
    """What became of a batch. `arrays` and `failures` are pure; the rest is accounting and may differ between runs."""

    arrays: dict[str, np.ndarray]
    failures: list[RowFailure] = field(default_factory=list)
    evaluated_by: dict[str, int] = field(default_factory=dict)
    """Rows by where they were evaluated: ``in_process``, ``ray``."""
    retries: int = 0
    work_seconds: float = 0.0
    """Seconds of evaluation, summed over the workers."""


Listener = Callable[[str, dict[str, Any]], None]
"""Told of what happens: an event's kind (``executor``, ``failure``, ``retry``, ``node``, …) and its fields."""


class Delivered(Protocol):
    """Told of whatever becomes known of a batch, as soon as it does, by the thread that uses the executor."""

    def __call__(self, generation: int, rows: Sequence[int], result: ChunkResult) -> None:
        """Take what is known of some rows of the batch of a generation.

        Parameters
        ----------
        rows
            Positions in the batch, ascending: whole blocks with their results, or, where `result.arrays` is empty,
            rows that were given up since they cannot be survived, before the rest of their block has results.
        result
            Its failures name rows by their position in the batch.
        """


def ignore(generation: int, rows: Sequence[int], result: ChunkResult) -> None:
    """A `Delivered` that has no use for it."""


@runtime_checkable
class Executor(Protocol):
    """Evaluates batches somewhere. One thread uses it, in the order submit … collect; see the module's promise."""

    name: str

    def start(self, evaluator: Evaluator, listener: Listener, delivered: Delivered = ignore) -> None:
        """Take the evaluator; called once, before the first `submit`. May return before workers are ready.

        `delivered` is told of every row of every batch that `collect` returns, and maybe of some more than once.
        """

    def submit(self, batch: Batch) -> None:
        """Accept a batch; returns at once. Several may be under way; they are collected in the order submitted."""

    def collect(self, should_stop: Callable[[], bool]) -> Outcome:
        """Wait for the oldest batch. Polls `should_stop` at least every 0.2 s where it can, and raises `Interrupted`.

        After `Interrupted` or any other exception every batch under way is dropped.
        """

    def workers_alive(self) -> int:
        """How many processes can evaluate right now (1 for in-process)."""

    def settled(self) -> bool:
        """Whether nothing is being started that would change how fast batches are evaluated."""

    def report(self) -> dict[str, Any]:
        """What was counted and who was there: ``metrics``, ``workers``, ``nodes``; empty where nothing is to be told.

        Plain values; moments are Unix time. May be asked at any time, also after `close`.
        """

    def close(self) -> None:
        """Free everything: no process or thread is left. Idempotent; also called after errors."""
