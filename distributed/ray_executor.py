"""`RayExecutor`: batches evaluated by long-lived actors, whatever happens to them.

This is the wait loop: it hands the schedule's calls to the slots' actors, takes replies as they come, kills what is
beyond its deadline and starts what is due; it lets go of nodes that leave and seats workers on those that join; and
when the cluster's head is lost it begins anew. What to do is the `FaultToleranceManager`'s business, what is under way
where is `Schedule`'s, the actors' life is `Slots`', what is seen of the nodes is `Nodes`'.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from math import inf
from time import monotonic, sleep, time
from typing import Any

import psutil

from evo.errors import ExecutorError

from . import out_of_memory
from .beacon import Position
from .blocks import contiguous
from .cluster_watch import host_and_port, unreachable
from .executor import Batch, ChunkResult, Delivered, Evaluator, Interrupted, Listener, Outcome, RowFailure, ignore
from .failures import FailureType, classify
from .fault_tolerance import FaultToleranceManager
from .fault_tolerance_config import FaultToleranceConfig
from .metrics import PrometheusExport
from .node_monitor import Watched
from .nodes import Nodes
from .ray_start import RayCluster
from .ray_worker import versions
from .schedule import Call, GivenUp, Schedule, put_placeholders
from .shipping import pickled
from .slots import Slot, Slots
from .threads import OneThread
from .worker_registry import NodeStatus

_POLL_SECONDS = 0.1
_CONNECT_SECONDS = 180.0
_START_SECONDS = 300.0
"""A worker that is not ready by then, while no other one is, is replaced: it may compile kernels first."""
_LAGGARD_SECONDS = 20.0
"""How long the first ready worker waits for the others before the executor counts as ready."""

_RECONNECT_SECONDS = 15.0
"""How long a head that is lost is waited for, unless the user says ``on_cluster_loss: wait``."""
_RETRY_SECONDS = 1.0
_REBUILDS = 3
"""Times in a row, with nothing delivered, that a cluster is begun anew."""
_UNMEASURED_IDLE_SECONDS = 60.0
"""A worker that has used no processor time for so long is taken to hang, while nothing is known of a chunk's cost."""
_PUBLISH_SECONDS = 5.0

_NODE_IS_GONE = ("its node has died", "the actor's node was")
"""What Ray says of an actor that is gone with its node: the exception's class does not tell."""

_SENTENCES = {
    FailureType.WORKER_CRASH: "its evaluation ends the worker's process",
    FailureType.OUT_OF_MEMORY: "its evaluation needs more memory than there is",
    FailureType.TASK_TIMEOUT: "its evaluation exceeds evaluation_timeout",
    FailureType.NODE_LOST: "its evaluation ends the node",
    FailureType.HEAD_LOST: "the cluster's head is lost",
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
        self._numbers = count(1)
        self._kills = out_of_memory.kills()
        self._last_loss = ""
        self._nodes: Nodes | None = None
        self._recovering: _Recovery | None = None
        self._rebuilds = 0
        self._done_before = 0
        self._waiting = False
        self._publish: PrometheusExport | None = None
        self._published = 0.0
        self._threads: OneThread | None = None
        self.overhead = 0.0
        """Seconds spent on nodes, monitors and metrics."""

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
        if alive and (alive == slots.seated() or laggards):
            self._announced = True
            registry = self.report()
            del registry["metrics"]
            about = {"registry": registry, "metrics_at": self._metrics_at()}
            self._listener("executor", {"name": self.name, "state": "ready", "workers": alive, **about})
        return self._announced

    def _make_slots(self) -> None:
        import ray

        self._ray = ray
        before = self._slots
        self._slots = self._new_slots(ray)
        for slot in before.by_id.values() if before is not None else ():
            self._slots.by_id.setdefault(slot.id, Slot(slot.id, ""))
        self._nodes = Nodes(
            ray, self._manager, self._slots.room, head=self._cluster.head(), local=self._cluster.private
        )
        self._nodes.start()
        self._publish = PrometheusExport() if self._metrics_at() else None
        for slot in self._slots.by_id.values():
            if slot.node:
                self._seat(slot)
        if self._workers is not None and self._slots.seated() < self._workers:
            message = f"the cluster has room for {self._slots.seated()} of {self._workers} workers now"
            self._listener("alert", {"alert": "room", "message": message})

    def _metrics_at(self) -> list[str]:
        """Where Ray serves metrics as Prometheus text: nowhere, unless it is installed as ``ray[default]``."""
        served = [n for n in self._ray.nodes() if n["Alive"] and n.get("MetricsExportPort", 0) > 0]
        return [f"http://{n['NodeManagerAddress']}:{n['MetricsExportPort']}/metrics" for n in served]

    def _new_slots(self, ray: Any) -> Slots:
        return Slots(ray, self._payload, self._workers, tolerant=self.config.enable_fault_tolerance)

    def _seat(self, slot: Slot) -> None:
        self._manager.slot_added(slot.id, slot.node)
        self._live_slots().start(slot, monotonic())

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
        self._calls.clear()
        by_ray = not (self._nodes is not None and self._nodes.head_trouble())
        if self._nodes is not None:
            self._nodes.stop(by_ray=by_ray)
            self._nodes = None
        if self._slots is not None:
            self._slots.close(by_ray=by_ray)
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
        if self._recovering is not None:
            self._recover(self._recovering, timeout)
            return
        slots = self._live_slots()
        if self._watch():  # the head is lost
            return
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
                    if starting[reference].starting is reference:  # not one of a node that was lost a moment ago
                        self._started(starting[reference])
                elif reference in self._calls:  # not one of a slot that was lost a moment ago
                    self._replied(reference)
            self._end_overdue(slots)
            self._dispatch()
        elif reason := self._nobody_left(slots):
            self._miss_nodes(reason)
            sleep(min(timeout, _POLL_SECONDS))
        else:
            sleep(min(timeout, _POLL_SECONDS))

    def _nobody_left(self, slots: Slots) -> str:
        """Why there is no worker and none will come; empty while there is one, or one is due."""
        if slots.alive() or self._manager.restarts_to_come():
            return ""
        if self._manager.hopeless:
            raise ExecutorError(f"{self._manager.hopeless}; the last time: {self._last_loss}")
        if self._nodes is not None and self._nodes.pending():
            return ""
        refused = [f"node {n.id[:8]} has {n.reason}" for n in self._manager.registry.nodes.values() if n.reason]
        return f"no worker is left: {'; '.join(refused) or self._last_loss or 'none could be started'}"

    def _miss_nodes(self, reason: str) -> None:
        """No node is left: begin anew where the cluster is ours, wait for one, or end."""
        there = self._nodes is not None and self._nodes.admitted()
        refused = any(node.status is NodeStatus.REFUSED for node in self._manager.registry.nodes.values())
        if there or refused:  # nodes are not what is missing
            raise ExecutorError(reason)
        if self._cluster.private and self._rebuilds < _REBUILDS:
            self._lose_head(reason)
        elif self.config.on_cluster_loss != "wait" or not self.config.enable_fault_tolerance:
            raise ExecutorError(reason)
        elif not self._waiting:
            self._waiting = True
            self._listener("executor", {"name": self.name, "state": "waiting", "workers": 0, "error": reason})

    # Nodes and the head

    def _watch(self) -> bool:
        """Look at nodes, monitors and the head, if it is time. True: the head is lost."""
        nodes, slots = self._nodes, self._live_slots()
        if nodes is None:
            return False
        began = monotonic()
        watched: dict[str, dict[str, Watched]] = {}
        for slot in slots.by_id.values():
            if slot.ready and slot.watched is not None:
                watched.setdefault(slot.node, {})[slot.id] = slot.watched
        changes = nodes.tick(began, watched)
        if changes is None:
            return False
        if trouble := nodes.head_trouble():
            self._lose_head(trouble)
            return True
        for node, reason in changes.left:
            self._lose_node(node, reason)
        for name, reason in changes.dead:
            slot = slots.by_id[name]
            if slot.ready:
                self._lose(slot, FailureType.WORKER_CRASH, reason)
        if changes.joined or changes.left:
            self._fill()
        if self._publish is not None and began - self._published > _PUBLISH_SECONDS:
            self._published = began
            self._manager.metrics.queue_depth = self._schedule.depth()
            self._publish.publish(self._manager.metrics_snapshot())
        self.overhead += monotonic() - began
        return False

    def _lose_node(self, node: str, reason: str) -> None:
        """The node is gone: what was under way there goes elsewhere; what its workers may still say is not heard."""
        if self._nodes is not None:
            self._nodes.forget(node)
        self._manager.node_lost(node, reason)
        for slot in self._live_slots().on_node(node):
            self._lose(slot, FailureType.NODE_LOST, reason)
            slot.node = ""

    def _fill(self) -> None:
        """Seat workers where there is room for the ones that are wanted."""
        if self._nodes is None:
            return
        for slot in self._live_slots().fill(self._nodes.admitted()):
            self._waiting = False
            self._seat(slot)

    def _lose_head(self, reason: str) -> None:
        """The head, or all of a private cluster, is lost: save, let go of everything, and begin anew where that may be.

        Letting go is urgent: Ray ends a process that has lost its head, a minute later.
        """
        self._last_loss = f"the head of the Ray cluster is lost: {reason}"
        # Whoever listens saves before anything else is done.
        self._listener("executor", {"name": self.name, "state": "head_lost", "workers": 0, "error": reason})
        self._manager.head_lost(reason)
        slots, nodes = self._live_slots(), self._nodes
        self._rebuilds = 0 if self._manager.metrics.tasks_done > self._done_before else self._rebuilds
        self._done_before = self._manager.metrics.tasks_done
        self._rebuilds += 1
        for slot in slots.by_id.values():
            self._lose(slot, FailureType.HEAD_LOST, self._last_loss, by_ray=False)
            slot.node = ""
        self._calls.clear()
        head = None
        if nodes is not None:
            head = nodes.head
            nodes.stop(by_ray=False)
        self._nodes = self._publish = None
        may_return = self._cluster.owned and self.config.enable_fault_tolerance and self._rebuilds <= _REBUILDS
        self._cluster.close()
        if not may_return:
            raise ExecutorError(self._last_loss)
        waits = self._cluster.address is not None and self.config.on_cluster_loss == "wait"
        seconds = inf if waits else _RECONNECT_SECONDS if self._cluster.address is not None else _CONNECT_SECONDS
        self._recovering = _Recovery(monotonic() + seconds, head=head)

    def _recover(self, recovery: _Recovery, timeout: float) -> None:
        """One step towards a cluster: try the head's port, connect, seat workers."""
        now = monotonic()
        if now > recovery.until:
            self._recovering = None
            raise ExecutorError(f"{self._last_loss}; it did not return within the time")
        if not recovery.starting:
            if now < recovery.next:
                sleep(min(timeout, recovery.next - now))
                return
            recovery.next = now + _RETRY_SECONDS
            where = None if self._cluster.address is None else host_and_port(self._cluster.address) or recovery.head
            if where is not None and unreachable(where, _RETRY_SECONDS):
                return
            self._cluster = self._cluster.again()
            self._cluster.start()
            recovery.starting = True
        try:
            if not self._cluster.started(timeout):
                return
            self._make_slots()
        except (ExecutorError, self._ray.exceptions.RayError) as error:
            self._last_loss = str(error)
            self._cluster.close()
            recovery.starting = False
            return
        self._recovering = None
        workers = self._live_slots().seated()
        self._listener("executor", {"name": self.name, "state": "rejoined", "workers": workers})

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
            call.number = next(self._numbers)
            actor = self._slots.by_id[call.slot].actor
            self._calls[actor.evaluate.remote(call.number, rows, dict(batch.context), guilty)] = call

    def _restart_due(self, slots: Slots) -> None:
        for name in self._manager.due_restarts():
            if slots.by_id[name].node:
                self._manager.worker_starting(name)
                slots.start(slots.by_id[name], monotonic())

    def _started(self, slot: Slot) -> None:
        try:
            found = self._live_slots().is_ready(slot)
        except self._ray.exceptions.RayError as error:
            self._lose_with(slot, error)
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
            self._lose_with(self._live_slots().by_id[call.slot], error)
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
        now, timeout = monotonic(), self.config.evaluation_timeout
        overdue = set(self._schedule.overdue(now))
        for call in self._schedule.running():
            slot = slots.by_id[call.slot]
            if timeout is not None and call.since is not None and now - call.since > timeout:
                place = self._position(slot, call, now)
                if place is not None and self._overruns(place) and slot.beacon is None:  # some seconds old: look again
                    place = self._last_words(slot, call, FailureType.TASK_TIMEOUT)[0]
                if place is not None and self._overruns(place):
                    self._lose_late(slot, f"beyond evaluation_timeout = {timeout:g} s")
                    continue
                if place is not None:  # its rows take long, yet each no longer than the user allows
                    continue
            if slot.id in overdue:
                self._lose_late(slot, "beyond its deadline")
            elif timeout is None and (idle := self._idle_unmeasured(slot, call, now)):
                self._lose_late(slot, f"no processor time used for {idle:.0f} s")
        for slot in slots.by_id.values():
            if slot.starting is not None and now - slot.started > _START_SECONDS and not slots.alive():
                self._lose(slot, FailureType.WORKER_CRASH, f"not ready within {_START_SECONDS:.0f} s")

    def _overruns(self, place: Position) -> bool:
        """Whether the rows that a worker is at take longer than `evaluation_timeout` allows.

        Of rows that are evaluated together one may use it up: the others are expected to take what rows took so far.
        """
        config, rows = self.config, place.count
        if config.evaluation_timeout is None:
            return False
        limit, expected = config.evaluation_timeout * rows, self._schedule.cost.expected(rows)
        if rows > 1 and expected is not None:
            measured = max(config.deadline_floor, config.deadline_factor * expected)
            limit = min(limit, measured + config.evaluation_timeout)
        return place.seconds > limit

    def _idle_unmeasured(self, slot: Slot, call: Call, now: float) -> float:
        """Seconds for which the worker has done nothing, where that is too long and no cost is known; else 0."""
        if self._schedule.cost.seconds_per_row is not None or self._nodes is None or call.since is None:
            return 0.0
        idle = min(now - call.since, self._nodes.idle_seconds(slot.node, slot.id))
        patience = self._manager.deadline(call.chunk, 0.0) / self.config.deadline_floor
        return idle if idle > patience * _UNMEASURED_IDLE_SECONDS else 0.0

    def _position(self, slot: Slot, call: Call, now: float) -> Position | None:
        """The rows that the slot's worker is at, if that is known and they are this call's."""
        if slot.beacon is not None:
            place: Position | None = slot.beacon.read()
        else:
            place = None if self._nodes is None else self._nodes.position(slot.node, slot.id, now)
        return place if place is not None and place.call == call.number and place.count > 0 else None

    def _lose_late(self, slot: Slot, detail: str) -> None:
        """What the slot's worker is at takes too long. A process that is stopped says nothing of the rows."""
        with suppress(psutil.Error):
            if slot.process is not None and slot.process.status() == psutil.STATUS_STOPPED:
                self._lose(slot, FailureType.WORKER_CRASH, "its process is stopped")
                return
        self._lose(slot, FailureType.TASK_TIMEOUT, detail)

    def _lose_with(self, slot: Slot, error: Exception) -> None:
        """What Ray says of the slot's worker means that it is gone, or its whole node."""
        kind, line = classify(error), _line(error)
        if any(words in str(error) for words in _NODE_IS_GONE) or kind is FailureType.NODE_LOST:
            self._lose_node(slot.node, line)
            self._fill()
        else:
            self._lose(slot, kind, line)

    def _lose(self, slot: Slot, kind: FailureType, detail: str, *, by_ray: bool = True) -> None:
        """The slot's worker has died or must: end it, and give its work to others."""
        self._last_loss = detail
        self._calls = {reference: call for reference, call in self._calls.items() if call.slot != slot.id}
        call = self._schedule.running_on(slot.id)
        suspects: list[int] = []
        if call is not None:
            place, starved = self._last_words(slot, call, kind)
            if starved and kind is FailureType.WORKER_CRASH:
                kind, detail = FailureType.OUT_OF_MEMORY, f"the kernel ended it for want of memory ({detail})"
            if place is not None and (kind is not FailureType.TASK_TIMEOUT or self._overruns(place)):
                rows = call.chunk.rows[place.first : place.first + place.count]
                suspects = [row for row in rows if row not in call.chunk.excluded]
        self._live_slots().end(slot, by_ray=by_ray)
        self._schedule.lose_slot(slot.id, kind, _SENTENCES.get(kind, detail), detail, suspects)

    def _last_words(self, slot: Slot, call: Call, kind: FailureType) -> tuple[Position | None, bool]:
        """Which rows of its call the worker is known to have been at, and whether it was ended for want of memory."""
        place, starved = self._position(slot, call, monotonic()), False
        if kind in (FailureType.NODE_LOST, FailureType.HEAD_LOST):
            return place, False
        if slot.beacon is not None:
            kills, self._kills = self._kills, out_of_memory.kills()
            starved = self._kills > kills
        elif self._nodes is not None and slot.watched is not None:
            place, starved = self._nodes.last_words(slot.node, slot.id, slot.watched, monotonic())
            if place is not None and (place.call != call.number or place.count == 0):
                place = None
        return place, starved


@dataclass(slots=True)
class _Recovery:
    """On the way to a cluster after the head was lost."""

    until: float
    """Seconds of the monotonic clock."""
    next: float = 0.0
    starting: bool = False
    head: tuple[str, int] | None = None
    """Where the head was, for an address that does not say so."""


def _line(error: BaseException) -> str:
    """Ray's many words, up to where they become general advice."""
    words = " ".join(str(error).split()).partition(" Some common causes")[0]
    return f"{type(error).__name__}: {words}"[:500]
