"""`Schedule`: which chunk goes to which slot, and what becomes of it; a pure state machine with an injected clock.

It knows nothing of Ray. Slots are numbers; a call is one attempt of one chunk on one slot. The first reply per chunk
counts. How a chunk is cut, where it runs and how often never shows in the results: chunks hold whole blocks, and
results are put together in the batch's order.

Poison. A chunk that was lost with two workers is split into its blocks, and a block into single rows that are only
probed. A row that is lost alone time and again is given up; then the block is evaluated again in its original shape
with stand-ins in the guilty places (see `blocks`). A deadline that was merely guessed never condemns: it doubles.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count as counter

from .blocks import ChunkResult
from .costs import CostModel
from .executor import RowFailure

QUEUED_PER_SLOT = 2
"""One call runs, one waits: the slot need not wait for this process between them."""
LOSSES_BEFORE_SPLIT = 2
"""A chunk lost with this many workers is suspected itself."""
STRAGGLER = 2.0
"""Times its expected seconds after which an idle slot duplicates a chunk …"""
STRAGGLER_SECONDS = 0.5
"""… but never earlier than this."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a chunk may take, in seconds, and how often a row may be lost alone."""

    floor: float = 10.0
    """No deadline is shorter: machines stall."""
    multiple: float = 10.0
    """Deadline over the expected cost."""
    unmeasured: float = 600.0
    """The deadline while no chunk was ever delivered."""
    evaluation_timeout: float | None = None
    """What the user allows one evaluation."""
    max_retries: int = 3
    """A row lost alone this many times is given up."""


@dataclass(eq=False, slots=True)
class Chunk:
    """Rows ``start <= row < stop`` of a batch, evaluated by one call."""

    batch: int
    start: int
    stop: int
    losses: int = 0
    timeouts: int = 0
    lost_on: set[int] = field(default_factory=set)
    copies: int = 0
    """Calls under way."""
    done: bool = False
    block: Chunk | None = None
    """For a single row that is only probed: the block that it is of."""
    probes: int = 0
    """For a block whose rows are being probed: how many are still open."""
    guilty: dict[int, RowFailure] = field(default_factory=dict)
    """For a block whose rows were probed: those that were given up, by position in the batch."""
    probed: bool = False

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(eq=False, slots=True)
class Call:
    """One attempt. `since` is when it came to the head of its slot's queue, the earliest that it can be running."""

    id: int
    chunk: Chunk
    slot: int
    submitted: float
    since: float | None


@dataclass(slots=True)
class _Progress:
    count: int
    blocks: int
    """Blocks not yet cut into chunks …"""
    pieces: int = 0
    """… and into how many more chunks they are to be cut, …"""
    cost: float | None = None
    """… as planned at this cost."""
    planned: bool = False
    open: int = 0
    """Chunks cut and not done."""
    results: list[tuple[int, ChunkResult]] = field(default_factory=list)
    retries: int = 0


class Schedule:
    """See the module.

    Parameters
    ----------
    block
        The evaluator's rows per block.
    placeholder
        ``placeholder(batch, start, stop, failures)``: the results that stand for rows given up.
    """

    def __init__(
        self,
        block: int,
        placeholder: Callable[[int, int, int, list[RowFailure]], ChunkResult],
        limits: Limits | None = None,
    ) -> None:
        self.cost = CostModel()
        self.cleared: set[int] = set()
        """Slots that were lost with a chunk that turned out to be guilty itself; the reader empties it."""
        self._block = block
        self._placeholder = placeholder
        self._limits = limits or Limits()
        self._batches: dict[int, _Progress] = {}
        self._again: deque[Chunk] = deque()
        self._queues: dict[int, deque[Call]] = {}
        self._ids = counter()

    # Batches

    def add(self, batch: int, count: int) -> None:
        """Accept a batch of `count` rows; batches are served in the order added."""
        self._batches[batch] = _Progress(count, -(-count // self._block))

    def complete(self, batch: int) -> bool:
        progress = self._batches[batch]
        return progress.blocks == 0 and progress.open == 0

    def take(self, batch: int) -> tuple[list[ChunkResult], int]:
        """A complete batch's results in the order of its rows, and how many retries it took."""
        progress = self._batches.pop(batch)
        progress.results.sort(key=lambda found: found[0])
        return [result for _, result in progress.results], progress.retries

    def drop_batches(self) -> None:
        """Forget every batch; calls under way end unheeded."""
        for chunk in [call.chunk for queue in self._queues.values() for call in queue]:
            chunk.done = True
        self._batches.clear()
        self._again.clear()

    # Slots

    def add_slot(self, slot: int) -> None:
        """From now on `slot` may be given calls."""
        self._queues[slot] = deque()

    def slots(self) -> list[int]:
        return list(self._queues)

    def lose_slot(self, slot: int, now: float, kind: str, error: str) -> Chunk | None:
        """The slot's worker is gone. What waited there goes elsewhere; the chunk at the head, returned, is to blame.

        Parameters
        ----------
        kind
            A `FailureType` value: ``worker_crash``, ``task_timeout``, …
        """
        queue = self._queues.pop(slot, None)
        if not queue:
            return None
        head = queue.popleft()
        for call in queue:
            self._end(call)
            self._requeue(call.chunk)
        self._end(head)
        self._lost(head.chunk, slot, kind, error)
        return head.chunk

    # Calls

    def next_call(self, now: float) -> Call | None:
        """The next call to make, if there is work and a slot for it; the caller makes it."""
        for slot, queue in sorted(self._queues.items(), key=lambda item: (len(item[1]), item[0])):
            if not queue:
                chunk = self._retry_for(slot) or self._cut() or self._straggler(slot, now)
            elif len(queue) < QUEUED_PER_SLOT and self._plenty():
                chunk = self._cut()
            else:
                return None
            if chunk is not None:
                call = Call(next(self._ids), chunk, slot, now, None if queue else now)
                queue.append(call)
                chunk.copies += 1
                return call
        return None

    def delivered(self, call: Call, result: ChunkResult, now: float) -> bool:
        """A reply has come. False: its chunk was done already, by another copy or since the batch was dropped."""
        self._leave(call, now)
        self._end(call)
        chunk = call.chunk
        if not result.retries:  # tries and probes are no measure of a row
            self.cost.observe(len(chunk), result.seconds)
        if chunk.done:
            return False
        chunk.done = True
        if chunk.block is not None:
            self._probe_ends(chunk.block)
        else:
            self._finish(chunk, result)
        return True

    def failed(self, call: Call, now: float, kind: str, error: str) -> None:
        """The call failed and its worker lives."""
        self._leave(call, now)
        self._end(call)
        self._lost(call.chunk, call.slot, kind, error)

    def overdue(self, now: float) -> list[int]:
        """Slots whose running call is beyond its deadline."""
        late = []
        for slot, queue in self._queues.items():
            if queue:
                head = queue[0]
                assert head.since is not None
                if now - head.since > self.allowance(head.chunk):
                    late.append(slot)
        return late

    def allowance(self, chunk: Chunk) -> float:
        """Seconds that a call of this chunk may run."""
        limits, rows = self._limits, len(chunk)
        timeout = limits.evaluation_timeout
        if timeout is not None and rows == 1:
            return timeout
        expected = self.cost.expected(rows)
        if expected is None:
            return limits.unmeasured * 2.0**chunk.timeouts if timeout is None else limits.floor + timeout * rows
        guess = max(limits.floor, limits.multiple * expected) * 2.0**chunk.timeouts
        if timeout is None:
            return guess
        # One evaluation may use up the user's timeout; once suspected, every one may.
        return guess + timeout * (rows if chunk.probed or chunk.timeouts else 1)

    def calls(self) -> Iterator[Call]:
        for queue in self._queues.values():
            yield from queue

    # Cutting

    def _cut(self) -> Chunk | None:
        """The next chunk of the oldest batch that has uncut blocks."""
        for number, progress in self._batches.items():
            if progress.blocks:
                self._plan(progress)
                blocks = -(-progress.blocks // progress.pieces)
                total = -(-progress.count // self._block)
                first = total - progress.blocks
                progress.blocks -= blocks
                progress.pieces -= 1
                progress.open += 1
                return Chunk(number, first * self._block, min(progress.count, (first + blocks) * self._block))
        return None

    def _plan(self, progress: _Progress) -> None:
        if progress.planned and not self.cost.differs_from(progress.cost):
            return
        rows = min(progress.count, progress.blocks * self._block)
        progress.pieces = self.cost.pieces(rows, progress.blocks, len(self._queues))
        progress.cost = self.cost.seconds_per_row
        progress.planned = True

    def _plenty(self) -> bool:
        """Whether so many chunks are uncut that one may wait in a slot's queue without another slot wanting it soon."""
        uncut = 0
        for progress in self._batches.values():
            if progress.blocks:
                self._plan(progress)
                uncut += progress.pieces
        return uncut > len(self._queues)

    def _retry_for(self, slot: int) -> Chunk | None:
        """A chunk to try again, one that was not lost on this slot where there is a choice."""
        for chunk in self._again:
            if slot not in chunk.lost_on or chunk.lost_on.issuperset(self._queues):
                self._again.remove(chunk)
                return chunk
        return None

    def _straggler(self, slot: int, now: float) -> Chunk | None:
        """The longest overdue chunk of the oldest batch that has one and no second copy yet."""
        for number in self._batches:
            worst, longest = None, 0.0
            for call in self.calls():
                chunk = call.chunk
                if chunk.batch != number or chunk.done or chunk.copies > 1 or call.slot == slot or chunk.losses:
                    continue
                expected = self.cost.expected(len(chunk))
                waited = now - (call.submitted if call.since is None else call.since)
                if expected is not None and waited > max(STRAGGLER_SECONDS, STRAGGLER * expected) and waited > longest:
                    worst, longest = chunk, waited
            if worst is not None:
                return worst
        return None

    # Endings

    def _leave(self, call: Call, now: float) -> None:
        queue = self._queues[call.slot]
        queue.remove(call)
        if queue and queue[0].since is None:
            queue[0].since = now

    def _end(self, call: Call) -> None:
        call.chunk.copies -= 1

    def _finish(self, chunk: Chunk, result: ChunkResult) -> None:
        progress = self._batches[chunk.batch]
        if chunk.guilty:
            result.failures = sorted([*result.failures, *chunk.guilty.values()], key=lambda failure: failure.row)
        progress.results.append((chunk.start, result))
        progress.open -= 1

    def _requeue(self, chunk: Chunk) -> None:
        if not chunk.done and chunk.copies == 0:
            self._again.append(chunk)

    def _lost(self, chunk: Chunk, slot: int, kind: str, error: str) -> None:
        if chunk.done:
            return
        self._batches[chunk.batch].retries += 1
        chunk.losses += 1
        chunk.lost_on.add(slot)
        timed_out = kind == "task_timeout"
        chunk.timeouts += timed_out
        if chunk.copies:  # another copy is under way
            return
        strict = timed_out and self._limits.evaluation_timeout is not None
        if len(chunk) == 1:
            if chunk.losses >= self._limits.max_retries and (strict or not timed_out):
                self._give_up(chunk, kind, error)
            else:
                self._again.append(chunk)
        elif chunk.losses < LOSSES_BEFORE_SPLIT and not strict:
            self._again.append(chunk)
        elif len(chunk) > self._block:
            self._split_into_blocks(chunk)
        elif not chunk.probed:
            self._probe_rows(chunk)
        elif chunk.losses >= self._limits.max_retries and (strict or not timed_out):
            self._give_up(chunk, kind, error)
        else:
            self._again.append(chunk)

    def _split_into_blocks(self, chunk: Chunk) -> None:
        chunk.done = True
        self._batches[chunk.batch].open -= 1
        for start in range(chunk.start, chunk.stop, self._block):
            stop = min(start + self._block, chunk.stop)
            self._again.append(Chunk(chunk.batch, start, stop, timeouts=chunk.timeouts))
            self._batches[chunk.batch].open += 1

    def _probe_rows(self, chunk: Chunk) -> None:
        chunk.probed = True
        chunk.probes = len(chunk)
        for row in range(chunk.start, chunk.stop):
            self._again.append(Chunk(chunk.batch, row, row + 1, timeouts=chunk.timeouts, block=chunk))

    def _probe_ends(self, block: Chunk) -> None:
        block.probes -= 1
        if block.probes:
            return
        if len(block.guilty) == len(block):
            self._finish_given_up(block)
        else:
            block.losses = 0
            block.lost_on = set()
            self._again.append(block)

    def _give_up(self, chunk: Chunk, kind: str, error: str) -> None:
        """Condemn a row that was alone, or all rows of a block that is lost though none of them is alone."""
        self.cleared |= chunk.lost_on
        chunk.done = True
        failures = {row: RowFailure(row, kind, error) for row in range(chunk.start, chunk.stop)}
        if chunk.block is not None:
            chunk.block.guilty.update(failures)
            self._probe_ends(chunk.block)
        else:
            chunk.guilty = {**failures, **chunk.guilty}
            self._finish_given_up(chunk)

    def _finish_given_up(self, chunk: Chunk) -> None:
        chunk.done = True
        failures = list(chunk.guilty.values())
        chunk.guilty = {}
        self._finish(chunk, self._placeholder(chunk.batch, chunk.start, chunk.stop, failures))
