"""`RayExecutor`: batches evaluated by long-lived actors, whatever happens to them.

This is the wait loop: it hands the schedule's calls to the slots' actors, takes replies as they come, kills what is
beyond its deadline and replaces what has died. What to do is `Schedule`'s business, who is alive is `Slots`'.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count as counter
from time import monotonic, sleep
from typing import Any

from evo.errors import ExecutorError

from .blocks import ChunkResult, contiguous, join
from .executor import Batch, Evaluator, Interrupted, Listener, Outcome, RowFailure
from .ray_start import RayCluster
from .schedule import Call, Limits, Schedule
from .shipping import pickled
from .slots import START_SECONDS, Slot, Slots
from .threads import OneThread

_POLL_SECONDS = 0.1
_CONNECT_SECONDS = 180.0
_LAGGARD_SECONDS = 20.0
"""How long the first ready worker waits for the others before the executor counts as ready."""

_SENTENCES = {
    "worker_crash": "its evaluation ends the worker's process",
    "out_of_memory": "its evaluation needs more memory than there is",
    "task_timeout": "its evaluation exceeds evaluation_timeout",
}
"""What a row that was given up is told: the same words wherever it ran."""


class RayExecutor:
    """Evaluates in `workers` Ray actors of one core each.

    Parameters
    ----------
    workers
        How many; None: one per core of this machine, or of the cluster.
    address
        An existing cluster (``auto``, ``host:port``, ``ray://host:port``); None: a private one on this machine.
    max_restarts
        How often in a row a slot's worker is replaced.
    """

    name = "ray"

    def __init__(
        self,
        workers: int | None = None,
        address: str | None = None,
        *,
        limits: Limits | None = None,
        max_restarts: int = 3,
    ) -> None:
        self._workers = workers
        self._limits = limits or Limits()
        self._max_restarts = max_restarts
        self._cluster = RayCluster(address, workers)
        self._began = 0.0
        self._ray: Any = None
        self._slots: Slots | None = None
        self._first_ready: float | None = None
        self._announced = False
        self._batches: dict[int, Batch] = {}
        self._order: deque[int] = deque()
        self._numbers = counter()
        self._calls: dict[Any, Call] = {}
        """By Ray's reference to the reply."""
        self._threads: OneThread | None = None

    # Starting

    def start(self, evaluator: Evaluator, listener: Listener) -> None:
        """Start, and wait until the workers are ready. Raises `ExecutorError` where there are none to be had."""
        self.begin(evaluator, listener)
        while not self.advance(_POLL_SECONDS):
            pass

    def begin(self, evaluator: Evaluator, listener: Listener) -> None:
        """Start and return at once; `advance` tells when the workers are ready."""
        self._payload = pickled(evaluator)
        self._evaluator = evaluator
        self._listener = listener
        self._schedule = Schedule(evaluator.block, self._placeholder, self._limits)
        self._threads = OneThread()
        self._began = monotonic()
        listener("executor", {"name": self.name, "state": "starting", "workers": 0})
        self._cluster.start()

    def advance(self, timeout: float = 0.0) -> bool:
        """Go on with starting for up to `timeout` seconds. True: the workers are ready."""
        if self._announced:
            return True
        if self._slots is None:
            if not self._cluster.started(timeout):
                if monotonic() - self._began > _CONNECT_SECONDS:
                    raise ExecutorError(f"Ray has not started within {_CONNECT_SECONDS:.0f} s")
                return False
            self._make_slots()
        self._poll(timeout)
        slots = self._live_slots()
        alive, now = slots.alive(), monotonic()
        if alive and self._first_ready is None:
            self._first_ready = now
        laggards = self._first_ready is not None and now - self._first_ready > _LAGGARD_SECONDS
        if alive == len(slots.slots) or (alive and laggards):
            self._announced = True
            self._listener("executor", {"name": self.name, "state": "ready", "workers": alive})
        return self._announced

    def _make_slots(self) -> None:
        import ray

        self._ray = ray
        wanted = self._workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        self._slots = Slots(ray, self._payload, wanted, self._max_restarts)
        for slot in self._slots.slots:
            self._slots.start(slot, monotonic())

    def _live_slots(self) -> Slots:
        if self._slots is None:
            raise RuntimeError("start() comes first")
        return self._slots

    # Batches

    def submit(self, batch: Batch) -> None:
        number = next(self._numbers)
        self._batches[number] = contiguous(batch)
        self._order.append(number)
        self._schedule.add(number, len(batch))
        self._dispatch()

    def collect(self, should_stop: Callable[[], bool]) -> Outcome:
        number = self._order.popleft()
        try:
            while not self._schedule.complete(number):
                if should_stop():
                    raise Interrupted
                self._poll(_POLL_SECONDS)
        except BaseException:
            self._drop_batches()
            raise
        results, retries = self._schedule.take(number)
        batch = self._batches.pop(number)
        found = join(results)
        return Outcome(found.arrays, found.failures, {self.name: len(batch)}, found.retries + retries, found.seconds)

    def workers_alive(self) -> int:
        return 0 if self._slots is None else self._slots.alive()

    def close(self) -> None:
        self._drop_batches()
        if self._slots is not None:
            self._slots.close()
            self._slots = None
        self._calls.clear()
        self._cluster.close()
        if self._threads is not None:
            self._threads.release()
            self._threads = None

    def _drop_batches(self) -> None:
        if self._batches:
            self._schedule.drop_batches()
        self._batches.clear()
        self._order.clear()

    def _placeholder(self, number: int, start: int, stop: int, failures: list[RowFailure]) -> ChunkResult:
        batch = self._batches[number]
        rows = {name: array[start:stop] for name, array in batch.rows.items()}
        return ChunkResult(self._evaluator.placeholder(rows, batch.context), failures)

    # The loop

    def _poll(self, timeout: float) -> None:
        """Take what has come, waiting up to `timeout` seconds for the first; deal with the late; hand out work."""
        self._dispatch()
        slots = self._live_slots()
        starting = {slot.starting: slot for slot in slots.slots if slot.starting is not None}
        waiting = [*starting, *self._calls]
        if not waiting:
            if not slots.alive():
                raise ExecutorError(f"no worker is left: {self._last_error()}")
            sleep(min(timeout, _POLL_SECONDS))
            return
        came, rest = self._ray.wait(waiting, num_returns=1, timeout=timeout)
        if came and rest:
            came += self._ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        for reference in came:
            if reference in starting:
                self._started(starting[reference])
            elif reference in self._calls:
                self._replied(reference)
        self._end_overdue()
        self._dispatch()

    def _dispatch(self) -> None:
        if self._slots is None:
            return
        while (call := self._schedule.next_call(monotonic())) is not None:
            chunk = call.chunk
            batch = self._batches[chunk.batch]
            rows = {name: array[chunk.start : chunk.stop] for name, array in batch.rows.items()}
            guilty = [row - chunk.start for row in sorted(chunk.guilty)]
            actor = self._slots.slots[call.slot].actor
            self._calls[actor.evaluate.remote(rows, dict(batch.context), guilty)] = call

    def _started(self, slot: Slot) -> None:
        try:
            self._live_slots().is_ready(slot)
        except self._ray.exceptions.RayError as error:
            self._lose(slot, _kind(error), _line(error))
        else:
            self._schedule.add_slot(slot.index)

    def _replied(self, reference: Any) -> None:
        call = self._calls.pop(reference)
        slots = self._live_slots()
        slot = slots.slots[call.slot]
        try:
            result = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # the worker lives
            self._report("evaluation_error", _line(error), slot, call)
            self._schedule.failed(call, monotonic(), "evaluation_error", _line(error))
        except self._ray.exceptions.RayError as error:
            self._lose(slot, _kind(error), _line(error))
        else:
            if self._schedule.delivered(call, result, monotonic()):
                slots.delivered(call.slot)

    def _end_overdue(self) -> None:
        slots, now = self._live_slots(), monotonic()
        for index in self._schedule.overdue(now):
            self._lose(slots.slots[index], "task_timeout", "beyond its deadline")
        for slot in slots.slots:
            if slot.starting is not None and now - slot.started > START_SECONDS and not slots.alive():
                self._lose(slot, "worker_crash", f"not ready within {START_SECONDS:.0f} s")

    def _lose(self, slot: Slot, kind: str, error: str) -> None:
        """The slot's worker has died or must: end it, give its work to others, start the next one."""
        slots, now = self._live_slots(), monotonic()
        call = next((c for c in self._schedule.calls() if c.slot == slot.index), None)
        self._calls = {ref: c for ref, c in self._calls.items() if c.slot != slot.index}
        self._report(kind, error, slot, call)
        slots.lose(slot, error)
        self._schedule.lose_slot(slot.index, now, kind, _SENTENCES.get(kind, error))
        for index in self._schedule.cleared:
            slots.delivered(index)
        self._schedule.cleared.clear()
        if not slots.replace(slot, now):
            self._listener(
                "executor", {"name": self.name, "state": "lost", "workers": slots.alive(), "worker": slot.index}
            )

    def _report(self, kind: str, error: str, slot: Slot, call: Call | None) -> None:
        fields: dict[str, Any] = {"kind": kind, "error": error, "worker": slot.index, "node": slot.node}
        if call is not None and not call.chunk.done:
            fields["rows"] = [call.chunk.start, call.chunk.stop]
        self._listener("failure", fields)

    def _last_error(self) -> str:
        return next((slot.error for slot in self._live_slots().slots if slot.error), "none could be started")


def _kind(error: BaseException) -> str:
    out_of_memory = type(error).__name__ == "OutOfMemoryError" or "running low on memory" in str(error)
    return "out_of_memory" if out_of_memory else "worker_crash"


def _line(error: BaseException) -> str:
    """Ray's many words, up to where they become general advice."""
    words = " ".join(str(error).split()).partition(" Some common causes")[0]
    return f"{type(error).__name__}: {words}"[:500]
