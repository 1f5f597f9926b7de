"""`KnownRows`: what is known of a batch before it is evaluated, and what is then left to evaluate.

What is left is made of whole blocks, in order: the grid of blocks, and with it every bit of the results, is that of the
whole batch. A row that was given up while its block has no results yet is stood in for by an innocent row of the block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .executor import Batch, ChunkResult, Evaluator, Outcome, RowFailure


class KnownRows:
    """Results of a batch as far as they have come.

    Parameters
    ----------
    batch
        The whole batch.
    evaluator
        Names the block, and gives the results that stand for rows that were given up.
    """

    def __init__(self, batch: Batch, evaluator: Evaluator) -> None:
        self.batch = batch
        self._evaluator = evaluator
        self._arrays: dict[str, np.ndarray] = {}
        self._filled = np.zeros(len(batch), dtype=np.bool_)
        self._failures: dict[int, RowFailure] = {}
        self._given_up: dict[int, str] = {}
        """Rows that nobody survives, and where that was found out."""
        self._evaluated_by: dict[str, int] = {}
        self._retries = 0
        self._seconds = 0.0
        self._before: tuple[dict[str, int], int, float] = ({}, 0, 0.0)
        """Places, retries and seconds when `rest` was asked: what comes after is counted by its outcome."""
        self._left: np.ndarray | None = None
        """Positions of the rows that `rest` gave, (m,); None: all of them, or it was not asked."""

    def add(self, rows: Sequence[int], result: ChunkResult, where: str) -> None:
        """Take what an executor called `where` has delivered: see `executor.Delivered`. Twice does no harm."""
        self._failures.update({failure.row: failure for failure in result.failures})
        if not result.arrays:
            self._given_up.update(dict.fromkeys(rows, where))
            return
        index = np.asarray(rows)
        fresh = int((~self._filled[index]).sum())
        self._evaluated_by[where] = self._evaluated_by.get(where, 0) + fresh
        if fresh:
            self._retries += result.retries
            self._seconds += result.seconds
        self._put(index, result.arrays)
        self._filled[index] = True

    def rest(self) -> Batch | None:
        """What is left to evaluate; None: nothing."""
        if not self._given_up and not self._filled.any():
            self._left = None
            return self.batch
        block, index = self._evaluator.block, np.arange(len(self.batch))
        left = []
        for at in range(0, len(index), block):
            positions = index[at : at + block]
            if self._filled[positions].all():
                continue
            innocent = [row for row in positions.tolist() if row not in self._given_up]
            if innocent:
                left.append(positions)
                index[[row for row in positions.tolist() if row in self._given_up]] = innocent[0]
            else:
                self._put(positions, self._worst(positions.tolist()))
                self._filled[positions] = True
                for row in positions.tolist():
                    where = self._given_up[row]
                    self._evaluated_by[where] = self._evaluated_by.get(where, 0) + 1
        self._before = dict(self._evaluated_by), self._retries, self._seconds
        if not left:
            return None
        self._left = np.concatenate(left)
        taken = index[self._left]
        rows = {name: array[taken] for name, array in self.batch.rows.items()}
        return Batch(self.batch.generation, rows, self.batch.context)

    def outward(self, rows: Sequence[int], result: ChunkResult) -> tuple[Sequence[int], ChunkResult]:
        """What was delivered of `rest`, as of the whole batch."""
        left = self._left
        if left is None:
            return rows, result
        named = ((int(left[failure.row]), failure) for failure in result.failures)
        failures = [replace(failure, row=row) for row, failure in named if row not in self._given_up]
        return left[list(rows)].tolist(), replace(result, failures=failures)

    def joined(self, outcome: Outcome | None) -> Outcome:
        """The outcome of the whole batch, from that of `rest` (None where nothing was left)."""
        if outcome is not None and self._left is None:
            return outcome
        failures, evaluated_by = dict(self._failures), dict(self._evaluated_by)
        retries, seconds = self._retries, self._seconds
        if outcome is not None:
            assert self._left is not None
            evaluated_by, retries, seconds = dict(self._before[0]), *self._before[1:]
            self._put(self._left, outcome.arrays)
            rows = ((int(self._left[failure.row]), failure) for failure in outcome.failures)
            failures |= {row: replace(failure, row=row) for row, failure in rows if row not in self._given_up}
            for where, count in outcome.evaluated_by.items():
                evaluated_by[where] = evaluated_by.get(where, 0) + count
            retries, seconds = retries + outcome.retries, seconds + outcome.work_seconds
        if self._given_up:
            rows_given_up = sorted(self._given_up)
            self._put(np.asarray(rows_given_up), self._worst(rows_given_up))
        ordered = [failures[row] for row in sorted(failures)]
        return Outcome(self._arrays, ordered, evaluated_by, retries, seconds)

    def _put(self, index: np.ndarray, arrays: dict[str, np.ndarray]) -> None:
        for name, array in arrays.items():
            if name not in self._arrays:
                self._arrays[name] = np.empty((len(self.batch), *array.shape[1:]), dtype=array.dtype)
            self._arrays[name][index] = array

    def _worst(self, rows: list[int]) -> dict[str, np.ndarray]:
        return self._evaluator.placeholder({n: a[rows] for n, a in self.batch.rows.items()}, self.batch.context)
