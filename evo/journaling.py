"""`JournalingExecutor`: keeps what is evaluated, as it comes, and evaluates nothing that was kept.

An evaluation is pure, so what it gave once holds for ever: for the same candidates of the same problem, which a digest
tells. A run that is killed in the middle of a generation of hours loses only the evaluations that were under way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from evo import checkpoints
from evo.checkpoints.journal import Journal
from evo.distributed.executor import (
    Batch,
    ChunkResult,
    Delivered,
    Evaluator,
    Executor,
    Listener,
    Outcome,
    RowFailure,
    ignore,
)
from evo.distributed.known import KnownRows
from evo.errors import CheckpointError

DEAR_SECONDS = 0.05
"""Seconds of one row's evaluation from which on it is kept, unless the settings say always or never."""


class JournalingExecutor:
    """Another executor with a journal around it.

    Parameters
    ----------
    kept
        Records of a journal, by `to_come`: what they hold of the batches to come is not evaluated again.
    identity
        Tells this problem from any other.
    always
        Whether cheap evaluations are kept too.
    copy
        Whether `kept` comes from another journal than this one, and must be written to it.
    warn
        Told, in one line each, what the journal cannot do.
    """

    def __init__(
        self,
        executor: Executor,
        journal: Journal,
        *,
        kept: Iterable[Mapping[str, Any]],
        identity: str,
        always: bool,
        copy: bool,
        warn: Callable[[str], object],
    ) -> None:
        self.name = executor.name
        self._executor = executor
        self._journal = journal
        self._identity = identity
        self._always = always
        self._warn = warn
        self._entries: dict[int, list[Mapping[str, Any]]] = {}
        """By generation, of those that are still to be collected."""
        for record in kept:
            self._entries.setdefault(record["generation"], []).append(record)
        self._known: deque[KnownRows] = deque()
        self._waits: dict[int, KnownRows] = {}
        self._digests: dict[int, str] = {}
        if copy:
            self._write_all()

    def start(self, evaluator: Evaluator, listener: Listener, delivered: Delivered = ignore) -> None:
        self._evaluator = evaluator
        self._executor.start(evaluator, listener, self._take)

    def submit(self, batch: Batch) -> None:
        known = self._kept_of(batch) if batch.generation in self._entries else KnownRows(batch, self._evaluator)
        self._known.append(known)
        rest = known.rest()
        if rest is not None:
            self._waits[batch.generation] = known
            self._executor.submit(rest)

    def _kept_of(self, batch: Batch) -> KnownRows:
        known, generation = KnownRows(batch, self._evaluator), batch.generation
        ours = [entry for entry in self._entries[generation] if entry.get("batch") == self._digest(batch)]
        if len(ours) < len(self._entries[generation]):
            self._warn(f"the journal's generation {generation} is of other candidates: it is evaluated again")
            self._entries[generation] = ours
        try:
            for entry in ours:
                known.add(*_rows_of(entry), str(entry["where"]))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            self._warn(f"the journal's generation {generation} cannot be used ({error}): it is evaluated again")
            del self._entries[generation]
            return KnownRows(batch, self._evaluator)
        return known

    def collect(self, should_stop: Callable[[], bool]) -> Outcome:
        known = self._known.popleft()
        generation = known.batch.generation
        outcome = None
        if generation in self._waits:
            try:
                outcome = self._executor.collect(should_stop)
            except BaseException:
                self._known.clear()
                self._waits.clear()
                raise
            del self._waits[generation]
        self._entries.pop(generation, None)
        self._digests.pop(generation, None)
        return known.joined(outcome)

    def workers_alive(self) -> int:
        return self._executor.workers_alive()

    def settled(self) -> bool:
        return self._executor.settled()

    def report(self) -> dict[str, Any]:
        return self._executor.report()

    def close(self) -> None:
        self._known.clear()
        self._waits.clear()
        try:
            self._executor.close()
        finally:
            self._journal.close()

    def state_taken(self, generation: int) -> None:
        """The state of a generation is about to be saved: what is kept of later ones goes to a new segment."""
        if not self._journal.begin(generation):
            return
        for other in [other for other in self._entries if other < generation]:
            del self._entries[other]
        self._write_all()

    def state_saved(self, generation: int) -> None:
        """The state of a generation is safe; called by the thread that saved it."""
        try:
            self._journal.discard_before(generation)
        except OSError as error:
            self._warn(f"{self._journal.folder}: the old journal cannot be removed: {error.strerror or error}")

    def _take(self, generation: int, rows: Sequence[int], result: ChunkResult) -> None:
        dear = not result.arrays or result.seconds >= DEAR_SECONDS * len(rows)
        if not dear and not self._always:
            return
        known = self._waits[generation]
        positions, found = known.outward(rows, result)
        if not result.arrays:  # a row that was given up, named by the failure that `outward` would leave out
            positions = [row for row in positions if any(failure.row == row for failure in found.failures)]
            if not positions:
                return
        try:
            entry = _entry_of(generation, self._digest(known.batch), positions, found, self._executor.name)
            self._entries.setdefault(generation, []).append(entry)
            self._journal.append(entry)
        except CheckpointError as error:
            self._complain(error)

    def _write_all(self) -> None:
        try:
            for generation in sorted(self._entries):
                for entry in self._entries[generation]:
                    self._journal.append(entry)
        except CheckpointError as error:
            self._complain(error)

    def _complain(self, error: CheckpointError) -> None:
        self._warn(f"{error}; the run goes on without a journal until the next checkpoint")

    def _digest(self, batch: Batch) -> str:
        """What a batch's results depend on, as a short hash."""
        found = self._digests.get(batch.generation)
        if found is None:
            content = {"rows": batch.rows, "context": batch.context, "block": self._evaluator.block}
            found = self._digests[batch.generation] = checkpoints.digest({**content, "problem": self._identity})
        return found


def to_come(records: Iterable[Mapping[str, Any]], generation: int) -> list[Mapping[str, Any]]:
    """The records that may say something of a generation or of a later one."""
    return [
        record
        for record in records
        if record.get("kind") == "rows"
        and isinstance(record.get("generation"), int)
        and record["generation"] >= generation
        and isinstance(record.get("rows"), np.ndarray)
        and record["rows"].ndim == 1
    ]


def _entry_of(generation: int, batch: str, rows: Sequence[int], result: ChunkResult, where: str) -> dict[str, Any]:
    return {
        "kind": "rows",
        "generation": generation,
        "batch": batch,
        "rows": np.asarray(rows, dtype=np.int64),
        "arrays": result.arrays,
        "failures": [
            {"row": f.row, "kind": f.kind, "error": f.error, "traceback": f.traceback} for f in result.failures
        ],
        "retries": result.retries,
        "seconds": result.seconds,
        "where": where,
    }


def _rows_of(entry: Mapping[str, Any]) -> tuple[list[int], ChunkResult]:
    failures = [RowFailure(f["row"], f["kind"], f["error"], f["traceback"]) for f in entry["failures"]]
    return entry["rows"].tolist(), ChunkResult(dict(entry["arrays"]), failures, entry["retries"], entry["seconds"])
