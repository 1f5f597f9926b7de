"""`RayExecutor`: batches evaluated by long-lived actors, whatever happens to them.

This is the wait loop: it hands the schedule's calls to the slots' actors, takes replies as they come, kills what is
beyond its deadline and starts what is due. What to do is the `FaultToleranceManager`'s business, what is under way
where is `Schedule`'s, the actors' life is `Slots`'.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic, sleep
from typing import Any

from evo.errors import ExecutorError

from .blocks import ChunkResult, contiguous
from .executor import Batch, Delivered, Evaluator, Interrupted, Listener, Outcome, RowFailure, ignore
from .failures import FailureType, classify
from .fault_tolerance import FaultToleranceManager
from .fault_tolerance_config import FaultToleranceConfig
from .ray_start import RayCluster
from .ray_worker import versions
from .schedule import Call, GivenUp, Schedule, put_placeholders
from .shipping import pickled
from .slots import Slot, Slots
from .threads import OneThread

_POLL_SECONDS = 0.1
_CONNECT_SECONDS = 180.0
_START_SECONDS = 300.0
"""A worker that is not ready by then, while no other one is, is replaced: it may compile kernels first."""
_LAGGARD_SECONDS = 20.0
"""How long the first ready worker waits for the others before the executor counts as ready."""

_SENTENCES = {
    FailureType.WORKER_CRASH: "its evaluation ends the worker's process",
    FailureType.OUT_OF_MEMORY: "its evaluation needs more memory than there is",
    FailureType.TASK_TIMEOUT: "its evaluation exceeds evaluation_timeout",
    FailureType.NODE_LOST: "its evaluation ends the node",
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
    config
        What is tolerated.
    """

    name = "ray"

    def __init__(
        self, workers: int | None = None, address: str | None = None, config: FaultToleranceConfig | None = None
    ) -> None:
        self._workers = workers
        self.config = config or FaultToleranceConfig()
        self._cluster = RayCluster(address, workers)
        self._began = 0.0
        self._ray: Any = None
        self._slots: Slots | None = None
        self._first_ready: float | None = None
        self._announced = False
        self._batches: dict[int, Batch] = {}
        self._order: deque[int] = deque()
        self._lost_rows: dict[int, list[RowFailure]] = {}
        """Rows that were given up since they cannot be survived, by the number of their batch."""
        self._last = -1
        self._calls: dict[Any, Call] = {}
        """By Ray's reference to the reply."""
        self._last_loss = ""
        self._threads: OneThread | None = None

    # Starting

    def start(self, evaluator: Evaluator, listener: Listener, delivered: Delivered = ignore) -> None:
        """Start, and wait until the workers are ready. Raises `ExecutorError` where there are none to be had."""
        self.begin(evaluator, listener, delivered)
        while not self.advance(_POLL_SECONDS):
            pass

    def begin(self, evaluator: Evaluator, listener: Listener, delivered: Delivered = ignore) -> None:
        """Start and return at once; `advance` tells when the workers are ready."""
        self._payload = pickled(evaluator)
        self._evaluator = evaluator
        self._listener = listener
        self._delivered = delivered
        self._manager = FaultToleranceManager(self.config, clock=monotonic, listener=self._tell, versions=versions())
        self._schedule = Schedule(self._manager, evaluator.block, self._given_up)
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
        if alive == len(slots.by_id) or (alive and laggards):
            self._announced = True
            self._listener("executor", {"name": self.name, "state": "ready", "workers": alive})
        return self._announced

    def _make_slots(self) -> None:
        import ray

        self._ray = ray
        self._slots = Slots(ray, self._payload, self._workers, tolerant=self.config.enable_fault_tolerance)
        for slot in self._slots.by_id.values():
            self._manager.slot_added(slot.id, slot.node)
            self._slots.start(slot, monotonic())

    def _live_slots(self) -> Slots:
        if self._slots is None:
            raise RuntimeError("start() comes first")
        return self._slots

    # Batches

    def submit(self, batch: Batch) -> None:
        number = self._last = max(batch.generation, self._last + 1)
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
        except GivenUp as verdict:
            self._drop_batches()
            raise ExecutorError(str(verdict)) from None
        except BaseException:
            self._drop_batches()
            raise
        batch = self._batches.pop(number)
        self._lost_rows.pop(number, None)
        found = self._schedule.take(number)

        def placeholder(rows: list[int]) -> dict[str, Any]:
            return self._evaluator.placeholder({name: a[rows] for name, a in batch.rows.items()}, batch.context)

        arrays = put_placeholders(found.arrays, found.given_up, placeholder)
        return Outcome(arrays, found.failures, {self.name: len(batch)}, found.retries, found.seconds)

    def workers_alive(self) -> int:
        return 0 if self._slots is None else self._slots.alive()

    def close(self) -> None:
        self._drop_batches()
        self._calls.clear()
        if self._slots is not None:
            self._slots.close()
            self._slots = None
        self._cluster.close()
        if self._threads is not None:
            self._threads.release()
            self._threads = None

    def _drop_batches(self) -> None:
        if self._batches:
            self._schedule.drop_batches()
        self._batches.clear()
        self._order.clear()
        self._lost_rows.clear()

    def _tell(self, kind: str, fields: dict[str, Any]) -> None:
        if kind != "quarantined":  # told by whoever commits the generation, wherever it was evaluated
            self._listener(kind, fields)

    # The loop

    def _poll(self, timeout: float) -> None:
        """Take what has come, waiting up to `timeout` seconds for the first; deal with the late; hand out work."""
        slots = self._live_slots()
        self._restart_due(slots)
        self._dispatch()
        starting = {slot.starting: slot for slot in slots.by_id.values() if slot.starting is not None}
        waiting = [*starting, *self._calls]
        if waiting:
            came, rest = self._ray.wait(waiting, num_returns=1, timeout=timeout)
            if came and rest:
                came += self._ray.wait(rest, num_returns=len(rest), timeout=0)[0]
            for reference in came:
                if reference in starting:
                    self._started(starting[reference])
                elif reference in self._calls:  # not one of a slot that was lost a moment ago
                    self._replied(reference)
            self._end_overdue(slots)
            self._dispatch()
        elif reason := self._nobody_left(slots):
            raise ExecutorError(reason)
        else:
            sleep(min(timeout, _POLL_SECONDS))

    def _nobody_left(self, slots: Slots) -> str:
        """Why there is no worker and none will come; empty while there is one, or one is due."""
        if slots.alive() or self._manager.due_restarts():
            return ""
        if self._manager.hopeless:
            return f"{self._manager.hopeless}; the last time: {self._last_loss}"
        if self._manager.next_due() is not None:
            return ""
        refused = [f"node {n.id[:8]} has {n.reason}" for n in self._manager.registry.nodes.values() if n.reason]
        return f"no worker is left: {'; '.join(refused) or self._last_loss or 'none could be started'}"

    def _dispatch(self) -> None:
        if self._slots is None:
            return
        while (call := self._schedule.next_call(monotonic())) is not None:
            chunk = call.chunk
            batch = self._batches[chunk.batch]
            first, last = chunk.rows[0], chunk.rows[-1]
            index = slice(first, last + 1) if last - first == len(chunk.rows) - 1 else list(chunk.rows)
            rows = {name: array[index] for name, array in batch.rows.items()}
            guilty = [chunk.rows.index(row) for row in chunk.excluded]
            actor = self._slots.by_id[call.slot].actor
            self._calls[actor.evaluate.remote(rows, dict(batch.context), guilty)] = call

    def _restart_due(self, slots: Slots) -> None:
        for name in self._manager.due_restarts():
            self._manager.worker_starting(name)
            slots.start(slots.by_id[name], monotonic())

    def _started(self, slot: Slot) -> None:
        try:
            found = self._live_slots().is_ready(slot)
        except self._ray.exceptions.RayError as error:
            self._lose(slot, classify(error), _line(error))
            return
        if self._manager.node_joined(slot.node, versions=found):
            self._live_slots().end(slot)
            self._manager.slot_retired(slot.id)
            return
        self._manager.worker_started(slot.id, pid=None if slot.process is None else slot.process.pid)
        self._schedule.add_slot(slot.id)

    def _replied(self, reference: Any) -> None:
        call = self._calls.pop(reference)
        try:
            result = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # the worker lives
            self._schedule.failed(call, monotonic(), classify(error), _line(error), str(error))
        except self._ray.exceptions.RayError as error:
            self._lose(self._live_slots().by_id[call.slot], classify(error), _line(error))
        else:
            rows = call.chunk.rows
            result.failures = [replace(failure, row=rows[failure.row]) for failure in result.failures]
            if self._schedule.delivered(call, result, monotonic()) and not call.chunk.probe:
                lost = [failure for failure in self._lost_rows.get(call.chunk.batch, ()) if failure.row in rows]
                told = replace(result, failures=[*result.failures, *lost])
                self._delivered(self._batches[call.chunk.batch].generation, rows, told)

    def _given_up(self, number: int, failures: Sequence[RowFailure]) -> None:
        self._lost_rows.setdefault(number, []).extend(failures)
        rows = sorted(failure.row for failure in failures)
        self._delivered(self._batches[number].generation, rows, ChunkResult({}, list(failures)))

    def _end_overdue(self, slots: Slots) -> None:
        now = monotonic()
        for name in self._schedule.overdue(now):
            self._lose(slots.by_id[name], FailureType.TASK_TIMEOUT, "beyond its deadline")
        for slot in slots.by_id.values():
            if slot.starting is not None and now - slot.started > _START_SECONDS and not slots.alive():
                self._lose(slot, FailureType.WORKER_CRASH, f"not ready within {_START_SECONDS:.0f} s")

    def _lose(self, slot: Slot, kind: FailureType, detail: str) -> None:
        """The slot's worker has died or must: end it, and give its work to others."""
        self._last_loss = detail
        self._calls = {reference: call for reference, call in self._calls.items() if call.slot != slot.id}
        self._live_slots().end(slot)
        self._schedule.lose_slot(slot.id, kind, _SENTENCES.get(kind, detail), detail)


def _line(error: BaseException) -> str:
    """Ray's many words, up to where they become general advice."""
    words = " ".join(str(error).split()).partition(" Some common causes")[0]
    return f"{type(error).__name__}: {words}"[:500]
