"""`RayExecutor`: batches evaluated by long-lived actors, whatever happens to them.

This is the wait loop and the accounts of the batches. The workers are the `Crew`'s; when the cluster's head is lost,
everything is saved, a `Reconnection` is sought and a new crew made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic, sleep, time
from typing import Any

from evo.errors import ExecutorError

from .blocks import contiguous
from .crew import Crew
from .executor import Batch, ChunkResult, Delivered, Evaluator, Interrupted, Listener, Outcome, RowFailure, ignore
from .fault_tolerance import FaultToleranceManager
from .fault_tolerance_config import FaultToleranceConfig
from .nodes import Nodes
from .ray_start import CONNECT_SECONDS, RayCluster
from .ray_worker import versions
from .reconnection import Reconnection
from .schedule import Call, GivenUp, Schedule, put_placeholders
from .shipping import pickled
from .slots import Slot, Slots
from .threads import OneThread

_POLL_SECONDS = 0.1
_LAGGARD_SECONDS = 20.0
"""How long the first ready worker waits for the others before the executor counts as ready."""
_REBUILDS = 3
"""Times in a row, with nothing delivered, that a cluster is begun anew."""


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
        self._crew: Crew | None = None
        self._first_ready: float | None = None
        self._announced = False
        self._batches: dict[int, Batch] = {}
        self._order: deque[int] = deque()
        self._lost_rows: dict[int, list[RowFailure]] = {}
        """Rows that were given up since they cannot be survived, by the number of their batch."""
        self._last = -1
        self._recovering: Reconnection | None = None
        self._rebuilds = 0
        self._done_before = 0
        self._waiting = False
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
        if self._crew is None:
            if not self._cluster.started(timeout):
                if monotonic() - self._began > CONNECT_SECONDS:
                    raise ExecutorError(f"Ray has not started within {CONNECT_SECONDS:.0f} s")
                return False
            self._gather()
        self._poll(timeout)
        crew = self._living()
        slots, now = crew.slots, monotonic()
        alive = slots.alive()
        if alive and self._first_ready is None:
            self._first_ready = now
        laggards = self._first_ready is not None and now - self._first_ready > _LAGGARD_SECONDS
        if alive and (alive == slots.seated() or laggards):
            self._announced = True
            registry = self.report()
            del registry["metrics"]
            about = {"registry": registry, "metrics_at": crew.metrics_at()}
            self._listener("executor", {"name": self.name, "state": "ready", "workers": alive, **about})
        return self._announced

    def _gather(self) -> None:
        """Make a crew on the cluster that is connected; it takes the seats of the one before, if any."""
        import ray

        self._ray = ray
        before = self._crew
        slots = self._new_slots(ray)
        for name in before.slots.by_id if before is not None else ():
            slots.by_id.setdefault(name, Slot(name, ""))
        nodes = Nodes(ray, self._manager, slots.room, head=self._cluster.head(), local=self._cluster.private)
        self._crew = Crew(ray, slots, nodes, self._manager, self._schedule, self._replied)
        self._crew.last_loss = before.last_loss if before is not None else ""
        self._crew.start()
        if self._workers is not None and slots.seated() < self._workers:
            message = f"the cluster has room for {slots.seated()} of {self._workers} workers now"
            self._listener("alert", {"alert": "room", "message": message})

    def _new_slots(self, ray: Any) -> Slots:
        return Slots(ray, self._payload, self._workers, tolerant=self.config.enable_fault_tolerance)

    def _living(self) -> Crew:
        if self._crew is None:
            raise RuntimeError("start() comes first")
        return self._crew

    # Batches

    def submit(self, batch: Batch) -> None:
        number = self._last = max(batch.generation, self._last + 1)
        self._batches[number] = contiguous(batch)
        self._order.append(number)
        self._schedule.add(number, len(batch))
        if self._crew is not None:
            self._crew.dispatch(self._batches)

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
        return 0 if self._crew is None else self._crew.slots.alive()

    def settled(self) -> bool:
        return self.workers_alive() > 0 and not self.is_away()

    def is_away(self) -> bool:
        """Whether the head is lost and sought: `advance` goes on with that, and tells when there are workers again."""
        return self._recovering is not None

    def report(self) -> dict[str, Any]:
        if not self._began:
            return {}
        self._manager.metrics.queue_depth = self._schedule.depth()
        found = self._manager.snapshot()
        past = time() - monotonic()
        for entry in (*found["workers"], *found["nodes"]):
            for moment in ("since", "last_heartbeat"):
                if entry[moment]:
                    entry[moment] = round(entry[moment] + past, 3)
        return found

    def close(self) -> None:
        self._drop_batches()
        if self._crew is not None:
            self._crew.close(by_ray=self._recovering is None and not self._crew.nodes.head_trouble())
            self._crew = None
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

    def _replied(self, call: Call, result: ChunkResult) -> None:
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

    # The loop

    def _poll(self, timeout: float) -> None:
        """Take what has come, waiting up to `timeout` seconds for the first; deal with the late; hand out work."""
        if self._recovering is not None:
            self._recover(self._recovering, timeout)
            return
        crew = self._living()
        if trouble := crew.watch():
            self._lose_head(crew, trouble)
            return
        crew.restart_due()
        crew.dispatch(self._batches)
        if crew.hear(timeout):
            self._waiting = False
            crew.end_overdue()
            crew.dispatch(self._batches)
            return
        if reason := crew.nobody_left():
            self._miss_nodes(crew, reason)
        sleep(min(timeout, _POLL_SECONDS))

    def _miss_nodes(self, crew: Crew, reason: str) -> None:
        """No node is left: begin anew where the cluster is ours, wait for one, or end."""
        if not crew.misses_nodes():
            raise ExecutorError(reason)
        if self._cluster.private and self._rebuilds < _REBUILDS:
            self._lose_head(crew, reason)
        elif self.config.on_cluster_loss != "wait" or not self.config.enable_fault_tolerance:
            raise ExecutorError(reason)
        elif not self._waiting:
            self._waiting = True
            self._listener("executor", {"name": self.name, "state": "waiting", "workers": 0, "error": reason})

    def _lose_head(self, crew: Crew, trouble: str) -> None:
        """The head, or all of a private cluster, is lost: save, let go of everything, and begin anew where that may be.

        Letting go is urgent: Ray ends a process that has lost its head, a minute later.
        """
        reason = f"the head of the Ray cluster is lost: {trouble}"
        # Whoever listens saves before anything else is done.
        self._listener("executor", {"name": self.name, "state": "head_lost", "workers": 0, "error": trouble})
        self._manager.head_lost(trouble)
        done, self._done_before = self._done_before, self._manager.metrics.tasks_done
        self._rebuilds = 1 + (0 if self._done_before > done else self._rebuilds)
        may_return = self._cluster.owned and self.config.enable_fault_tolerance and self._rebuilds <= _REBUILDS
        self._announced, self._first_ready = False, None
        self._recovering = Reconnection(self._cluster, crew.nodes.head, reason, self.config.on_cluster_loss or "stop")
        crew.abandon(reason)
        self._cluster.close()
        if not may_return:
            raise ExecutorError(reason)

    def _recover(self, way: Reconnection, timeout: float) -> None:
        """One step towards a cluster and a crew on it."""
        there = way.connected(timeout)
        self._cluster = way.cluster
        if not there:
            return
        try:
            self._gather()
        except (ExecutorError, self._ray.exceptions.RayError) as error:
            self._living().close(by_ray=False)
            way.failed(error)
            return
        self._recovering = None
        workers = self._living().slots.seated()
        self._listener("executor", {"name": self.name, "state": "rejoined", "workers": workers})
