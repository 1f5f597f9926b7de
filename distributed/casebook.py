"""`Casebook`: what happened to every chunk, and what follows: retry, split, quarantine, or the end of the run.

The rules, in order:

1. A lost message, and a deadline that is only measured (no `evaluation_timeout`), never speak against an individual:
   the chunk is moved, with more patience.
2. Out of memory: a chunk of several blocks is halved at once.
3. A chunk that failed twice is split; at once, where one row is known to have exceeded `evaluation_timeout`. Where it
   is known which rows were under way, those are evaluated alone first, and the other blocks go on as they are; else
   every row is evaluated alone, all at once.
4. A row that fails alone is quarantined after `max_retries` failures. The loss of a process or a machine counts only
   where the row was alone; what else its chunk failed of counts too; the same exception twice is enough, and so is
   `evaluation_timeout` exceeded twice by a row that was known.
5. A block whose rows were all examined is evaluated again whole, with a stand-in for each quarantined row; so a fault
   that was transient leaves no trace. A block that goes on failing, though twice no row of it failed alone, is itself
   the poison, and is given up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .decisions import DONE, Action, Chunk, Decision
from .executor import RowFailure
from .failures import DETERMINISTIC, LOSSES, NEVER_THE_ROW, FailureEvent, FailureType
from .fault_tolerance_config import FaultToleranceConfig

STRIKES_TO_SPLIT = 2
STRIKES_OF_ONE_EXCEPTION = 2
"""A deterministic exception gets one more try."""
ACQUITTALS = 2
"""Times that all rows of a block may be found innocent before the block itself is given up."""
LEAST_JUDGED = 10
"""Individuals that a verdict on the whole run is based on, at least."""
_PATIENCE_DOUBLINGS = 16


@dataclass(slots=True)
class Record:
    """The failures of one chunk."""

    case: int
    """What binds a chunk, its parts and the blame for them together."""
    strikes: list[FailureEvent] = field(default_factory=list)
    """Failures that may be the chunk's own."""
    inherited: int = 0
    """Strikes of the chunk that this one is a part of, see `_evidence`."""
    overran: int = 0
    """Those of them in which the one row of this part was known to have exceeded `evaluation_timeout`."""
    moves: int = 0
    """Failures that were certainly not its own."""
    expiries: int = 0
    """Measured deadlines that passed: patience doubles with each."""
    suspect: bool = False
    """A part of a chunk that was split: its failures do not use up restarts."""
    due: float = 0.0
    slots: dict[str, None] = field(default_factory=dict)
    """Where it failed, oldest first."""
    nodes: dict[str, None] = field(default_factory=dict)

    @property
    def failures(self) -> int:
        """How often it failed, of whatever cause."""
        return len(self.strikes) + self.moves


@dataclass(slots=True)
class _Inquest:
    """A block of which rows are being evaluated alone."""

    block: Chunk
    case: int
    pending: set[int]
    guilty: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Batch:
    size: int
    block: int
    quarantined: set[int] = field(default_factory=set)


class Casebook:
    """Histories of the chunks under way. Knows nothing of workers; reads no clock."""

    def __init__(self, config: FaultToleranceConfig) -> None:
        self._config = config
        self._batches: dict[int, _Batch] = {}
        self._judged: deque[tuple[int, int]] = deque()  # (size, quarantined) of the batches just finished
        self._records: dict[Chunk, Record] = {}
        self._inquests: dict[tuple[int, int], _Inquest] = {}  # by (batch, row under examination)
        self._innocent: dict[tuple[int, int], set[int]] = {}  # by (batch, first row of the block)
        self._acquittals: dict[tuple[int, int], int] = {}
        self._cases = 0
        self._first_error: FailureEvent | RowFailure | None = None

    # ---- batches

    def batch_started(self, batch: int, size: int, block: int) -> None:
        """A batch of `size` rows, evaluated in blocks of `block`."""
        self._batches[batch] = _Batch(size, block)

    def batch_finished(self, batch: int) -> None:
        """Forget its chunks; a reply that comes later means nothing."""
        done = self._batches.pop(batch, None)
        if done is None:
            return
        self._judged.append((done.size, len(done.quarantined)))
        while sum(size for size, _ in self._judged) - self._judged[0][0] >= LEAST_JUDGED:
            self._judged.popleft()
        self._records = {chunk: record for chunk, record in self._records.items() if chunk.batch != batch}
        self._inquests = {key: value for key, value in self._inquests.items() if key[0] != batch}
        self._innocent = {key: value for key, value in self._innocent.items() if key[0] != batch}
        self._acquittals = {key: value for key, value in self._acquittals.items() if key[0] != batch}

    def knows(self, chunk: Chunk) -> bool:
        """Whether the chunk's batch is under way."""
        return chunk.batch in self._batches

    def record(self, chunk: Chunk) -> Record | None:
        """Its failures; None where there were none."""
        return self._records.get(chunk)

    def opened(self, chunk: Chunk) -> Record:
        """Its failures, as a record that can be written to."""
        if chunk not in self._records:
            self._cases += 1
            self._records[chunk] = Record(self._cases)
        return self._records[chunk]

    def due_times(self) -> Iterable[float]:
        """When the chunks that failed may be tried again."""
        return (record.due for record in self._records.values())

    def patience(self, chunk: Chunk) -> float:
        """By what its measured deadline is to be multiplied: 1, 2, 4, …"""
        record = self._records.get(chunk)
        return 1.0 if record is None else 2.0 ** min(record.expiries, _PATIENCE_DOUBLINGS)

    # ---- what follows

    def delivered(self, chunk: Chunk, given_up: Sequence[RowFailure]) -> Decision:
        """A result came; `given_up` are the rows that the worker itself found to fail alone."""
        self._records.pop(chunk, None)
        if chunk.batch not in self._batches:
            return DONE
        if chunk.probe:
            if given_up and (chunk.batch, chunk.rows[0]) in self._inquests:
                return self._quarantine(chunk, given_up[:1])
            return self._innocent_row(chunk)
        if self._inquests:  # a double of a chunk that was split meanwhile
            for row in chunk.rows:
                self._inquests.pop((chunk.batch, row), None)
        return self._too_many(chunk.batch, given_up) or DONE

    def failed(self, chunk: Chunk, event: FailureEvent) -> Decision:
        """A failure was seen. The decision's time and place are the manager's."""
        if chunk.probe and (chunk.batch, chunk.rows[0]) not in self._inquests:  # a late double
            self._records.pop(chunk, None)
            return DONE
        record = self.opened(chunk)
        if self._is_nobodys(event):
            record.moves += 1
            record.expiries += event.kind is FailureType.TASK_TIMEOUT
            return Decision(Action.RETRY, (chunk,), reason=f"{event.kind}: moved")
        record.strikes.append(event)
        if self._first_error is None:
            self._first_error = event
        active = chunk.active
        if len(active) == 1:
            return self._failed_alone(chunk, record, event)
        block = self._batches[chunk.batch].block
        if event.kind is FailureType.OUT_OF_MEMORY and len(chunk.rows) > block:
            return self._halved(chunk, record, block)
        if len(record.strikes) < min(STRIKES_TO_SPLIT, self._config.max_retries) and not _is_slow(event):
            return Decision(Action.RETRY, (chunk,), reason=f"{event.kind}: one more try elsewhere")
        return self._split(chunk, record, event)

    def _is_nobodys(self, event: FailureEvent) -> bool:
        measured = event.kind is FailureType.TASK_TIMEOUT and self._config.evaluation_timeout is None
        return measured or event.kind in NEVER_THE_ROW

    def _failed_alone(self, chunk: Chunk, record: Record, event: FailureEvent) -> Decision:
        limit = self._config.max_retries
        same = sum(strike.kind is event.kind and strike.error == event.error for strike in record.strikes)
        inherited = 0 if event.kind in LOSSES else record.inherited
        if event.kind is FailureType.TASK_TIMEOUT:  # the user's own limit: measured ones were nobody's
            certain = len(record.strikes) + record.overran >= STRIKES_OF_ONE_EXCEPTION and record.overran > 0
        else:
            certain = event.kind in DETERMINISTIC and same >= STRIKES_OF_ONE_EXCEPTION
        if not certain and len(record.strikes) + inherited < limit:
            return Decision(Action.RETRY, (chunk,), reason=f"{event.kind} of a row alone: try again")
        failure = RowFailure(chunk.active[0], event.kind.value, event.error, event.traceback)
        return self._quarantine(chunk, [failure])

    def _halved(self, chunk: Chunk, record: Record, block: int) -> Decision:
        blocks = -(-len(chunk.rows) // block)
        middle = (blocks // 2) * block
        halves = tuple(self._part(chunk, rows) for rows in (chunk.rows[:middle], chunk.rows[middle:]))
        for half in halves:
            self._inherit(half, record, suspect=False)
        del self._records[chunk]
        return Decision(Action.SPLIT, halves, reason="out of memory: halved")

    # ---- splitting, and the inquest on a block

    def _split(self, chunk: Chunk, record: Record, event: FailureEvent) -> Decision:
        suspects = _suspects(chunk, record.strikes)
        parts: list[Chunk] = []
        unsuspected: list[int] = []
        given_up: list[RowFailure] = []
        for rows in self._blocks(chunk):
            block = self._part(chunk, rows)
            accused = self._accused(block, suspects & set(block.active))
            if accused is None:
                unsuspected += rows
            elif not accused:  # every row was found innocent, more than once: the block itself fails
                given_up += [RowFailure(row, event.kind.value, event.error, event.traceback) for row in block.active]
            elif len(block.active) == 1:
                parts.append(block)
            else:
                inquest = _Inquest(block, record.case, set(accused))
                for row in accused:
                    self._inquests[chunk.batch, row] = inquest
                    parts.append(Chunk(chunk.batch, (row,), probe=True))
        for part in parts:
            self._inherit(part, record, suspect=True)
        if unsuspected:
            parts.append(self._part(chunk, tuple(unsuspected)))
        del self._records[chunk]
        reason = f"{event.kind}, twice: split"
        if given_up:
            ended = self._too_many(chunk.batch, given_up)
            return ended or Decision(Action.QUARANTINE, tuple(parts), tuple(given_up), reason=reason)
        return Decision(Action.SPLIT, tuple(parts), reason=reason)

    def _accused(self, block: Chunk, suspects: set[int]) -> list[int] | None:
        """Rows of the block to be evaluated alone; none of them: it is given up; None: it is not under suspicion."""
        if not suspects:
            return None
        key = block.batch, block.rows[0]
        innocent = self._innocent.get(key, set())
        for accused in (suspects - innocent, set(block.active) - innocent):
            if accused:
                return sorted(accused)
        self._acquittals[key] = self._acquittals.get(key, 0) + 1
        if self._acquittals[key] >= ACQUITTALS:
            return []
        self._innocent.pop(key, None)
        return sorted(block.active)

    def _innocent_row(self, chunk: Chunk) -> Decision:
        (row,) = chunk.rows
        inquest = self._inquests.pop((chunk.batch, row), None)
        if inquest is None:  # a late double
            return DONE
        self._innocent.setdefault((chunk.batch, inquest.block.rows[0]), set()).add(row)
        inquest.pending.discard(row)
        part = self._closed(inquest)
        return DONE if part is None else Decision(Action.RETRY, (part,), reason="its rows were examined: again whole")

    def _closed(self, inquest: _Inquest) -> Chunk | None:
        """The block that is to be evaluated again once nothing is pending; None before, and where no row is left."""
        if inquest.pending:
            return None
        block = inquest.block
        if not inquest.guilty:
            return block
        key = block.batch, block.rows[0]
        self._innocent.pop(key, None)
        self._acquittals.pop(key, None)
        again = Chunk(block.batch, block.rows, tuple(sorted({*block.excluded, *inquest.guilty})))
        return again if again.active else None

    def _quarantine(self, chunk: Chunk, failures: Sequence[RowFailure]) -> Decision:
        self._records.pop(chunk, None)
        ended = self._too_many(chunk.batch, failures)
        if ended:
            return ended
        parts: tuple[Chunk, ...] = ()
        inquest = self._inquests.pop((chunk.batch, chunk.rows[0]), None) if chunk.probe else None
        if inquest is not None:
            inquest.pending.discard(chunk.rows[0])
            inquest.guilty.append(chunk.rows[0])
            again = self._closed(inquest)
            parts = () if again is None else (again,)
        rows = ", ".join(str(failure.row) for failure in failures)
        return Decision(
            Action.QUARANTINE, parts, tuple(failures), reason=f"row {rows} fails alone: {failures[0].error}"
        )

    # ---- the whole run

    def _too_many(self, batch: int, failures: Sequence[RowFailure]) -> Decision | None:
        """Count quarantined rows; the end of the run where almost everything fails.

        The share is taken over whole batches, so that it does not depend on the order in which rows fail.
        """
        if not failures:
            return None
        ledger = self._batches[batch]
        ledger.quarantined.update(failure.row for failure in failures)
        if self._first_error is None:
            self._first_error = failures[0]
        size, quarantined = ledger.size, len(ledger.quarantined)
        for earlier_size, earlier_quarantined in reversed(self._judged):
            if size >= LEAST_JUDGED:
                break
            size, quarantined = size + earlier_size, quarantined + earlier_quarantined
        if size < LEAST_JUDGED or quarantined <= self._config.max_quarantined * size:
            return None
        error = self._first_error
        share = f"{quarantined} of {size} individuals failed"
        return Decision(
            Action.GIVE_UP,
            quarantined=tuple(failures),
            reason=f"{share}, more than max_quarantined = {self._config.max_quarantined:g} allows; the first error: "
            f"{error.kind}: {error.error}",
        )

    # ---- parts

    def _part(self, chunk: Chunk, rows: tuple[int, ...]) -> Chunk:
        inside = set(rows)
        return Chunk(chunk.batch, rows, tuple(row for row in chunk.excluded if row in inside))

    def _blocks(self, chunk: Chunk) -> list[tuple[int, ...]]:
        block = self._batches[chunk.batch].block
        return [chunk.rows[at : at + block] for at in range(0, len(chunk.rows), block)]

    def _inherit(self, part: Chunk, record: Record, *, suspect: bool) -> None:
        """Open the part's record, with what its chunk's failures say against it."""
        self._records[part] = Record(
            record.case,
            inherited=record.inherited + _evidence(part.active[0], record.strikes) if suspect else 0,
            overran=sum(_is_slow(s) and s.suspects == part.active for s in record.strikes) if suspect else 0,
            expiries=record.expiries,
            suspect=suspect,
            slots=dict(record.slots),
            nodes=dict(record.nodes),
        )


def _is_slow(event: FailureEvent) -> bool:
    """Whether one row is known to have exceeded what the user allows one: that is as good as a raised exception."""
    return event.kind is FailureType.TASK_TIMEOUT and len(event.suspects) == 1


def _evidence(row: int, strikes: Sequence[FailureEvent]) -> int:
    """What the failures of a row's chunk count against it: each that points at this row, and one for all the others.

    The loss of a process counts nothing. Others count only once: they point at some row, but most likely not at this.
    """
    own = [strike for strike in strikes if strike.kind not in LOSSES]
    pointing = sum(strike.suspects == (row,) for strike in own)
    vague = any(not strike.suspects or (row in strike.suspects and len(strike.suspects) > 1) for strike in own)
    return pointing + vague


def _suspects(chunk: Chunk, strikes: Sequence[FailureEvent]) -> set[int]:
    """Rows that may be the cause: those under way every time; failing that, at any time; failing that, all."""
    active = set(chunk.active)
    known = [set(strike.suspects) & active for strike in strikes]
    if not all(known):
        known = [rows for rows in known[-1:] if rows]
    if not known:
        return active
    return set.intersection(*known) or set.union(*known)
