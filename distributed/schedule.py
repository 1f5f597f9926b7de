"""`Schedule`: which chunk is under way on which slot, and what is still to be done; it reads no clock and knows no Ray.

It is the mechanism that obeys a `FaultToleranceManager`, in the loop that `decisions` describes. Batches are cut into
chunks when a slot is free for them, by measured cost; a call is one attempt of one chunk on one slot; the first reply
per chunk counts. How a chunk is cut, where it runs and how often never shows in the results: chunks hold whole blocks,
and every row's result is put where the row was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .costs import CostModel
from .decisions import Action, Chunk, Decision
from .executor import ChunkResult, RowFailure
from .failures import FailureType
from .fault_tolerance import FaultToleranceManager

QUEUED_PER_SLOT = 2
"""One call runs, one waits: the slot need not wait for this process between them."""
STRAGGLER = 2.0
"""Times its expected seconds after which an idle slot duplicates a chunk …"""
STRAGGLER_SECONDS = 0.5
"""… but never earlier than this."""
UNMEASURED_SECONDS = 600.0
"""A chunk's deadline while nothing is known of its cost and the user has set no `evaluation_timeout`."""


@dataclass(eq=False, slots=True)
class Call:
    """One attempt of a chunk."""

    chunk: Chunk
    slot: str
    submitted: float
    since: float | None
    """When it came to the head of its slot's queue, the earliest that it can be running; None while it waits there."""
    number: int = 0
    """Of the call; no two have the same."""


@dataclass(slots=True)
class _Open:
    """A chunk that has no result yet."""

    copies: int = 0
    """Calls under way."""
    failed: bool = False
    examined: bool = False
    """Its rows were evaluated alone: each of them may take as long as the user allows one evaluation."""


@dataclass(slots=True)
class _Progress:
    """A batch under way."""

    filled: np.ndarray
    """Rows that have a result or were given up, (n,) bool."""
    blocks: int
    """Blocks not yet cut into chunks …"""
    pieces: int = 0
    """… and into how many more chunks they are to be cut, …"""
    cost: float | None = None
    """… as planned at this cost."""
    planned: bool = False
    results: list[tuple[tuple[int, ...], ChunkResult]] = field(default_factory=list)
    given_up: list[RowFailure] = field(default_factory=list)
    retries: int = 0


@dataclass(slots=True)
class Finished:
    """A batch's results: `arrays` hold all its rows, except that those in `given_up` were never evaluated."""

    arrays: dict[str, np.ndarray]
    """Empty where every row was given up."""
    given_up: list[RowFailure]
    """Rows that killed or hung their workers, ascending."""
    failures: list[RowFailure]
    """All failures, ascending by row: those, and the ones that workers saw and survived."""
    retries: int
    seconds: float


class GivenUp(Exception):
    """The manager's word that the run cannot go on."""


class Schedule:
    """See the module.

    Parameters
    ----------
    block
        The evaluator's rows per block.
    given_up
        Told of a batch's number and the rows that are given up, as soon as they are.
    """

    def __init__(
        self,
        manager: FaultToleranceManager,
        block: int,
        given_up: Callable[[int, Sequence[RowFailure]], None] = lambda batch, failures: None,
    ) -> None:
        self.cost = CostModel()
        self._manager = manager
        self._block = block
        self._given_up = given_up
        self._batches: dict[int, _Progress] = {}
        self._again: deque[Chunk] = deque()
        """What is to be tried again, parts of what was split, and what was cut before a slot could take it."""
        self._open: dict[Chunk, _Open] = {}
        self._queues: dict[str, deque[Call]] = {}

    # ---- batches

    def add(self, batch: int, count: int) -> None:
        """Accept a batch of `count` rows; batches are served in the order added."""
        self._manager.batch_started(batch, count, self._block)
        self._batches[batch] = _Progress(np.zeros(count, dtype=np.bool_), -(-count // self._block))

    def complete(self, batch: int) -> bool:
        """Whether every row has a result or was given up."""
        return bool(self._batches[batch].filled.all())

    def take(self, batch: int) -> Finished:
        """A complete batch's results; it is forgotten here."""
        progress = self._batches.pop(batch)
        self._manager.batch_finished(batch)
        failures = [*progress.given_up, *(f for _, result in progress.results for f in result.failures)]
        return Finished(
            _assembled(progress.results, len(progress.filled)),
            sorted(progress.given_up, key=lambda failure: failure.row),
            sorted(failures, key=lambda failure: failure.row),
            progress.retries + sum(result.retries for _, result in progress.results),
            sum(result.seconds for _, result in progress.results),
        )

    def drop_batches(self) -> None:
        """Forget every batch; calls under way end unheeded."""
        for batch in self._batches:
            self._manager.batch_finished(batch)
        self._batches.clear()
        self._again.clear()
        self._open.clear()

    # ---- slots

    def add_slot(self, slot: str) -> None:
        """The slot's worker is ready, its queue empty."""
        self._queues[slot] = deque()

    def lose_slot(
        self, slot: str, kind: FailureType, error: str, detail: str = "", suspects: Sequence[int] = ()
    ) -> None:
        """The slot's worker is gone. The chunk that it was at has failed; what waited behind it goes elsewhere.

        `suspects` are the rows that it is known to have been at, by their position in the batch.

        Raises `GivenUp` where that ends the run.
        """
        queue = self._queues.pop(slot, None)
        head = queue.popleft() if queue else None
        for call in queue or ():
            self._manager.chunk_dropped(call.chunk, slot)
            self._withdraw(call)
            self._requeue(call.chunk)
        if head is None:
            self._manager.worker_lost(slot, kind, detail or error)
        elif self._withdraw(head):
            decision = self._manager.chunk_failed(
                head.chunk,
                kind,
                slot=slot,
                error=error,
                traceback=detail,
                suspects=suspects,
                worker_ended=True,
            )
            self._follow_failure(head.chunk, decision)
        else:
            self._manager.chunk_dropped(head.chunk, slot)
            self._manager.worker_lost(slot, kind, detail or error)

    # ---- calls

    def next_call(self, now: float) -> Call | None:
        """The next call to make, if there is work and a slot for it; the caller makes it."""
        idle = [slot for slot, queue in self._queues.items() if not queue]
        if idle:
            return self._again_on(idle, now) or self._fresh_on(idle, now) or self._double_on(idle, now)
        return self._queued(now) if self._queues and self._is_plenty() else None

    def delivered(self, call: Call, result: ChunkResult, now: float) -> bool:
        """A reply has come. False: its chunk was done already, by another copy or since its batch was dropped.

        Raises `GivenUp` where it ends the run.
        """
        self._leave(call, now)
        chunk = call.chunk
        if not result.retries:  # repetitions and examinations are no measure of a row
            self.cost.observe(len(chunk.active), result.seconds)
        if not self._withdraw(call):
            self._manager.chunk_dropped(chunk, call.slot)
            return False
        del self._open[chunk]
        if not chunk.probe:
            progress = self._batches[chunk.batch]
            progress.results.append((chunk.rows, result))
            progress.filled[list(chunk.rows)] = True
        self._follow(
            chunk,
            self._manager.chunk_delivered(chunk, call.slot, given_up=result.failures, seconds=result.seconds),
        )
        return True

    def failed(self, call: Call, now: float, kind: FailureType, error: str, detail: str = "") -> None:
        """The call failed and its worker lives. Raises `GivenUp` where that ends the run."""
        self._leave(call, now)
        if not self._withdraw(call):
            self._manager.chunk_dropped(call.chunk, call.slot)
            return
        decision = self._manager.chunk_failed(
            call.chunk, kind, slot=call.slot, error=error, traceback=detail, worker_ended=False
        )
        self._follow_failure(call.chunk, decision)

    def running(self) -> list[Call]:
        """The call that each busy slot is at."""
        return [queue[0] for queue in self._queues.values() if queue and queue[0].since is not None]

    def running_on(self, slot: str) -> Call | None:
        """The call that the slot is at."""
        queue = self._queues.get(slot)
        return queue[0] if queue and queue[0].since is not None else None

    def depth(self) -> int:
        """Chunks that wait for a slot, as planned now."""
        return len(self._again) + sum(p.pieces if p.planned else p.blocks for p in self._batches.values() if p.blocks)

    def overdue(self, now: float) -> list[str]:
        """Slots whose running call is beyond its deadline."""
        return [
            call.slot
            for call in self.running()
            if call.since is not None and now - call.since > self.allowance(call.chunk)
        ]

    def allowance(self, chunk: Chunk) -> float:
        """Seconds that a call of this chunk may run."""
        rows, timeout = len(chunk.active), self._manager.config.evaluation_timeout
        expected = self.cost.expected(rows)
        known = self._open.get(chunk)
        extra = 0.0
        if timeout is not None and (expected is None or (known is not None and known.examined)):
            extra = timeout * (rows - 1)
        if expected is None:
            expected = 0.0 if timeout is not None else UNMEASURED_SECONDS / self._manager.config.deadline_factor
        return self._manager.deadline(chunk, expected) + extra

    def calls(self) -> Iterator[Call]:
        """Every call under way."""
        for queue in self._queues.values():
            yield from queue

    # ---- handing out

    def _again_on(self, idle: list[str], now: float) -> Call | None:
        for chunk in self._again:
            slot = self._manager.place(chunk, idle)
            if slot is not None:
                self._again.remove(chunk)
                return self._call(chunk, slot, now)
        return None

    def _fresh_on(self, slots: list[str], now: float) -> Call | None:
        chunk = self._cut()
        if chunk is None:
            return None
        slot = self._manager.place(chunk, slots)
        if slot is None:  # every one of them is barred
            self._again.append(chunk)
            return None
        return self._call(chunk, slot, now)

    def _queued(self, now: float) -> Call | None:
        """A call that waits in its slot's queue while so much is left that no slot will want it soon."""
        short = [slot for slot, queue in self._queues.items() if len(queue) < QUEUED_PER_SLOT]
        if not short or self._again:
            return None
        return self._fresh_on(short, now)

    def _double_on(self, idle: list[str], now: float) -> Call | None:
        """A second copy of the most overdue chunk of the oldest batch that has one."""
        late = [(self._batch_order(call.chunk.batch), -waited, call) for call, waited in self._stragglers(now)]
        for _, _, call in sorted(late, key=lambda entry: entry[:2]):
            slot = self._manager.place(call.chunk, idle)
            if slot is not None:
                return self._call(call.chunk, slot, now)
        return None

    def _stragglers(self, now: float) -> Iterator[tuple[Call, float]]:
        for call in self.calls():
            known, expected = self._open.get(call.chunk), self.cost.expected(len(call.chunk.active))
            if known is None or known.copies > 1 or known.failed or expected is None:
                continue
            waited = now - (call.submitted if call.since is None else call.since)
            if waited > max(STRAGGLER_SECONDS, STRAGGLER * expected):
                yield call, waited

    def _batch_order(self, batch: int) -> int:
        return list(self._batches).index(batch)

    def _call(self, chunk: Chunk, slot: str, now: float) -> Call:
        queue = self._queues[slot]
        call = Call(chunk, slot, now, None if queue else now)
        queue.append(call)
        self._open[chunk].copies += 1
        self._manager.chunk_started(chunk, slot)
        return call

    # ---- cutting

    def _cut(self) -> Chunk | None:
        """The next chunk of the oldest batch that has uncut blocks."""
        for batch, progress in self._batches.items():
            if progress.blocks:
                self._plan(progress)
                blocks = -(-progress.blocks // progress.pieces)
                count = len(progress.filled)
                first = -(-count // self._block) - progress.blocks
                progress.blocks -= blocks
                progress.pieces -= 1
                rows = range(first * self._block, min(count, (first + blocks) * self._block))
                chunk = Chunk(batch, tuple(rows))
                self._open[chunk] = _Open()
                return chunk
        return None

    def _plan(self, progress: _Progress) -> None:
        if progress.planned and not self.cost.differs_from(progress.cost):
            return
        rows = min(len(progress.filled), progress.blocks * self._block)
        progress.pieces = self.cost.pieces(rows, progress.blocks, max(1, len(self._queues)))
        progress.cost = self.cost.seconds_per_row
        progress.planned = True

    def _is_plenty(self) -> bool:
        uncut = 0
        for progress in self._batches.values():
            if progress.blocks:
                self._plan(progress)
                uncut += progress.pieces
        return uncut > len(self._queues)

    # ---- endings

    def _leave(self, call: Call, now: float) -> None:
        """The slot is done with the call: the next one in its queue runs."""
        queue = self._queues[call.slot]
        queue.remove(call)
        if queue and queue[0].since is None:
            queue[0].since = now

    def _withdraw(self, call: Call) -> bool:
        """One copy less is under way. Whether the chunk still wants a result."""
        known = self._open.get(call.chunk)
        if known is None:
            return False
        known.copies -= 1
        return True

    def _requeue(self, chunk: Chunk) -> None:
        known = self._open.get(chunk)
        if known is not None and known.copies == 0:
            self._again.appendleft(chunk)

    def _follow_failure(self, chunk: Chunk, decision: Decision) -> None:
        self._batches[chunk.batch].retries += 1
        known = self._open[chunk]
        known.failed = True
        if chunk in decision.parts:  # once more, unless another copy is under way: then that one decides
            self._raise_if_over(decision)
            self._requeue(chunk)
        else:
            del self._open[chunk]
            self._follow(chunk, decision)

    def _follow(self, chunk: Chunk, decision: Decision) -> None:
        self._raise_if_over(decision)
        if decision.quarantined:
            progress = self._batches[chunk.batch]
            progress.given_up += decision.quarantined
            progress.filled[[failure.row for failure in decision.quarantined]] = True
            self._given_up(chunk.batch, decision.quarantined)
        for part in reversed(decision.parts):
            self._open[part] = _Open(failed=True, examined=chunk.probe)
            self._again.appendleft(part)

    def _raise_if_over(self, decision: Decision) -> None:
        if decision.action is Action.GIVE_UP:
            raise GivenUp(decision.reason)


def _assembled(results: Iterable[tuple[tuple[int, ...], ChunkResult]], count: int) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for rows, result in results:
        index: slice | list[int] = list(rows)
        if rows[-1] - rows[0] == len(rows) - 1:
            index = slice(rows[0], rows[-1] + 1)
        for name, array in result.arrays.items():
            if name not in arrays:
                arrays[name] = np.empty((count, *array.shape[1:]), dtype=array.dtype)
            arrays[name][index] = array
    return arrays


def put_placeholders(
    arrays: Mapping[str, np.ndarray],
    given_up: list[RowFailure],
    placeholder: Callable[[list[int]], Mapping[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """`arrays` with the worst results in the rows that were given up.

    Parameters
    ----------
    placeholder
        Gives the results that stand for the rows at some positions.
    """
    if not given_up:
        return dict(arrays)
    rows = [failure.row for failure in given_up]
    worst = placeholder(rows)
    if not arrays:  # every row was given up
        return dict(worst)
    for name, array in arrays.items():
        array[rows] = worst[name]
    return dict(arrays)
