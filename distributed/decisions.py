"""What the `FaultToleranceManager` and an executor say to each other: a `Chunk` of rows, and a `Decision` about it.

The executor's loop is this, for a manager `m` with slots that it was told of (`m.slot_added`, `m.worker_started`)::

    m.batch_started(batch.generation, len(batch))
    queue = [Chunk(batch.generation, (first, …, last)), …]            # whole blocks of the evaluator
    until every row of the batch has a result:
        for chunk in queue:                                           # in order; stop when no slot is idle
            slot = m.place(chunk, idle)                               # None: not due yet, or no slot may take it now
            if slot: send it; m.chunk_started(chunk, slot)            # deadline = cost * m.patience(chunk)
        on a reply:    decision = m.chunk_delivered(chunk, slot)
        on a failure:  decision = m.chunk_failed(chunk, FailureType, slot=…, error=…, suspects=…)
        on a death with no chunk under way:  m.worker_lost(slot, FailureType, error)
        follow(decision):
            GIVE_UP → raise ExecutorError(decision.reason)
            rows in decision.quarantined get the evaluator's placeholder
            queue = [*decision.parts, *queue]                         # in place of the chunk
        for slot in m.due_restarts(): start an actor; m.worker_started(slot, pid)
        if m.hopeless: raise ExecutorError(m.hopeless)
    m.batch_finished(batch.generation)

A delivered chunk fills its rows, save those in `Chunk.excluded`; a delivered *probe* fills nothing: it only shows that
its row is innocent, and the manager asks for the whole block again, so that no row's result ever comes from a batch of
another shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .executor import RowFailure


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows that are sent to a worker together; equal chunks are the same piece of work."""

    batch: int
    """The batch's generation."""
    rows: tuple[int, ...]
    """Positions in the batch, ascending: whole blocks, or one row of a block when `probe`."""
    excluded: tuple[int, ...] = ()
    """Those of `rows` that are quarantined: an innocent row of the same block stands in for each."""
    probe: bool = False
    """True: a row alone, evaluated only to see whether it fails; its result is not used."""

    @property
    def active(self) -> tuple[int, ...]:
        """The rows that are evaluated for themselves."""
        return tuple(row for row in self.rows if row not in self.excluded) if self.excluded else self.rows


class Action(StrEnum):
    """What becomes of a chunk."""

    DONE = "done"
    """Nothing more to do for it."""
    RETRY = "retry"
    """Again, as it is; `FaultToleranceManager.place` knows when and where."""
    SPLIT = "split"
    """In parts."""
    QUARANTINE = "quarantine"
    """At least one row is given up; `parts` holds what is left to do."""
    GIVE_UP = "give_up"
    """The run cannot go on."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now: `parts` take the place of the chunk in the queue."""

    action: Action
    parts: tuple[Chunk, ...] = ()
    quarantined: tuple[RowFailure, ...] = ()
    due: float = 0.0
    """Not before this time of the manager's clock, in seconds (`place` obeys it)."""
    avoid_slots: frozenset[str] = frozenset()
    """Slots where it failed (`place` avoids them while another one may work)."""
    avoid_nodes: frozenset[str] = frozenset()
    reason: str = ""
    """One line, for events and errors."""


DONE = Decision(Action.DONE)


def intolerable(kind: str, error: str, generation: int, row: int) -> str:
    """Why a run ends that tolerates no failure, in one line."""
    return (
        f"generation {generation}, row {row}: {kind}: {error}; it is the first failure, and "
        f"fault_tolerance.enable_fault_tolerance is false"
    )
