"""`Crew`: the workers on a cluster that is connected: handed calls, heard, missed, ended when late, and replaced.

It lets go of nodes that leave and seats workers on those that join. What to do is the `FaultToleranceManager`'s
business, what is under way where is `Schedule`'s, the actors' life is `Slots`', what is seen of the nodes is `Nodes`'.
A head that is lost takes its crew with it; another one is then made.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import Any

import psutil

from evo.errors import ExecutorError

from .executor import Batch, ChunkResult
from .failures import FailureType, classify
from .fault_tolerance import FaultToleranceManager
from .metrics import PrometheusExport
from .node_monitor import Watched
from .nodes import Nodes
from .schedule import Call, Schedule
from .slots import Slot, Slots
from .whereabouts import Whereabouts
from .worker_registry import NodeStatus

_START_SECONDS = 300.0
"""A worker that is not ready by then, while no other one is, is replaced: it may compile kernels first."""
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

_numbers = count(1)
"""Of the calls: no two of a process have the same, whatever became of the crew that made them."""


class Crew:
    """See the module.

    Parameters
    ----------
    ray
        The module, connected.
    delivered
        Told of a call and its reply, whose failures name rows by their position in the chunk.
    """

    def __init__(
        self,
        ray: Any,
        slots: Slots,
        nodes: Nodes,
        manager: FaultToleranceManager,
        schedule: Schedule,
        delivered: Callable[[Call, ChunkResult], None],
    ) -> None:
        self.slots = slots
        self.nodes = nodes
        self.last_loss = ""
        """What was seen when a worker was last lost."""
        self._ray = ray
        self._manager = manager
        self._schedule = schedule
        self._delivered = delivered
        self._whereabouts = Whereabouts(manager, schedule, nodes)
        self._calls: dict[Any, Call] = {}
        """By Ray's reference to the reply."""
        self._publish = PrometheusExport() if self.metrics_at() else None
        self._published = 0.0

    def start(self) -> None:
        """Begin to watch the nodes, and start a worker on every seat."""
        self.nodes.start()
        for slot in self.slots.by_id.values():
            if slot.node:
                self._seat(slot)

    def close(self, *, by_ray: bool = True) -> None:
        """End all workers and monitors, not `by_ray` where that would wait for a lost head."""
        self._calls.clear()
        self.nodes.stop(by_ray=by_ray)
        self.slots.close(by_ray=by_ray)

    def abandon(self, reason: str) -> None:
        """The head is lost: every worker is, and nothing more is asked of Ray."""
        for slot in self.slots.by_id.values():
            self._lose(slot, FailureType.HEAD_LOST, reason, by_ray=False)
            slot.node = ""
        self._calls.clear()
        self.nodes.stop(by_ray=False)

    def metrics_at(self) -> list[str]:
        """Where Ray serves metrics as Prometheus text: nowhere, unless it is installed as ``ray[default]``."""
        served = [n for n in self._ray.nodes() if n["Alive"] and n.get("MetricsExportPort", 0) > 0]
        return [f"http://{n['NodeManagerAddress']}:{n['MetricsExportPort']}/metrics" for n in served]

    # ---- work

    def dispatch(self, batches: dict[int, Batch]) -> None:
        """Hand out what there is to do and a worker for."""
        while (call := self._schedule.next_call(monotonic())) is not None:
            chunk = call.chunk
            batch = batches[chunk.batch]
            first, last = chunk.rows[0], chunk.rows[-1]
            index = slice(first, last + 1) if last - first == len(chunk.rows) - 1 else list(chunk.rows)
            rows = {name: array[index] for name, array in batch.rows.items()}
            guilty = [chunk.rows.index(row) for row in chunk.excluded]
            call.number = next(_numbers)
            actor = self.slots.by_id[call.slot].actor
            self._calls[actor.evaluate.remote(call.number, rows, dict(batch.context), guilty)] = call

    def hear(self, timeout: float) -> bool:
        """Take what has come, waiting up to `timeout` seconds for the first. False: there is nothing to wait for."""
        starting = {slot.starting: slot for slot in self.slots.by_id.values() if slot.starting is not None}
        waiting = [*starting, *self._calls]
        if not waiting:
            return False
        came, rest = self._ray.wait(waiting, num_returns=1, timeout=timeout)
        if came and rest:
            came += self._ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        for reference in came:
            if reference in starting:
                if starting[reference].starting is reference:  # not one of a node that was lost a moment ago
                    self._started(starting[reference])
            elif reference in self._calls:  # not one of a slot that was lost a moment ago
                self._replied(reference)
        return True

    def _replied(self, reference: Any) -> None:
        call = self._calls.pop(reference)
        try:
            result = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # the worker lives
            self._schedule.failed(call, monotonic(), classify(error), _line(error), str(error))
        except self._ray.exceptions.RayError as error:
            self._lose_with(self.slots.by_id[call.slot], error)
        else:
            self._delivered(call, result)

    # ---- seats

    def restart_due(self) -> None:
        """Start the workers whose time has come to be replaced."""
        for name in self._manager.due_restarts():
            if self.slots.by_id[name].node:
                self._manager.worker_starting(name)
                self.slots.start(self.slots.by_id[name], monotonic())

    def nobody_left(self) -> str:
        """Why there is no worker and none will come; empty while there is one, or one is due."""
        if self.slots.alive() or self._manager.restarts_to_come():
            return ""
        if self._manager.hopeless:
            raise ExecutorError(f"{self._manager.hopeless}; the last time: {self.last_loss}")
        if self.nodes.pending():
            return ""
        refused = [f"node {n.id[:8]} has {n.reason}" for n in self._manager.registry.nodes.values() if n.reason]
        return f"no worker is left: {'; '.join(refused) or self.last_loss or 'none could be started'}"

    def misses_nodes(self) -> bool:
        """Whether it is nodes that are missing where no worker is left."""
        refused = any(node.status is NodeStatus.REFUSED for node in self._manager.registry.nodes.values())
        return not self.nodes.admitted() and not refused

    def _seat(self, slot: Slot) -> None:
        self._manager.slot_added(slot.id, slot.node)
        self.slots.start(slot, monotonic())

    def _fill(self) -> None:
        """Seat workers where there is room for the ones that are wanted."""
        for slot in self.slots.fill(self.nodes.admitted()):
            self._seat(slot)

    def _started(self, slot: Slot) -> None:
        try:
            found = self.slots.is_ready(slot)
        except self._ray.exceptions.RayError as error:
            self._lose_with(slot, error)
            return
        if self._manager.node_joined(slot.node, versions=found):
            self.slots.end(slot)
            self._manager.slot_retired(slot.id)
            return
        self._manager.worker_started(slot.id, pid=None if slot.process is None else slot.process.pid)
        self._schedule.add_slot(slot.id)

    # ---- what is seen, and who is late

    def watch(self) -> str:
        """Look at nodes, monitors and the head, if it is time. Why the head must be taken for lost; else empty."""
        now = monotonic()
        watched: dict[str, dict[str, Watched]] = {}
        for slot in self.slots.by_id.values():
            if slot.ready and slot.watched is not None:
                watched.setdefault(slot.node, {})[slot.id] = slot.watched
        changes = self.nodes.tick(now, watched)
        if changes is None:
            return ""
        if trouble := self.nodes.head_trouble():
            return trouble
        for node, reason in changes.left:
            self._lose_node(node, reason)
        for name, reason in changes.dead:
            slot = self.slots.by_id[name]
            if slot.ready:
                self._lose(slot, FailureType.WORKER_CRASH, reason)
        if changes.joined or changes.left:
            self._fill()
        if self._publish is not None and now - self._published > _PUBLISH_SECONDS:
            self._published = now
            self._manager.metrics.queue_depth = self._schedule.depth()
            self._publish.publish(self._manager.metrics_snapshot())
        return ""

    def end_overdue(self) -> None:
        """Lose the workers that take too long, over a call or to be ready."""
        now = monotonic()
        overdue = set(self._schedule.overdue(now))
        for call in self._schedule.running():
            slot = self.slots.by_id[call.slot]
            if reason := self._whereabouts.too_late(slot, call, now, overdue=slot.id in overdue):
                self._lose_late(slot, reason)
        for slot in self.slots.by_id.values():
            if slot.starting is not None and now - slot.started > _START_SECONDS and not self.slots.alive():
                self._lose(slot, FailureType.WORKER_CRASH, f"not ready within {_START_SECONDS:.0f} s")

    # ---- losses

    def _lose_node(self, node: str, reason: str) -> None:
        """The node is gone: what was under way there goes elsewhere; what its workers may still say is not heard."""
        self.nodes.forget(node)
        self._manager.node_lost(node, reason)
        for slot in self.slots.on_node(node):
            self._lose(slot, FailureType.NODE_LOST, reason)
            slot.node = ""

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
        self.last_loss = detail
        self._calls = {reference: call for reference, call in self._calls.items() if call.slot != slot.id}
        call = self._schedule.running_on(slot.id)
        suspects: list[int] = []
        if call is not None:
            place, starved = self._whereabouts.last_words(slot, call, kind, monotonic())
            if starved and kind is FailureType.WORKER_CRASH:
                kind, detail = FailureType.OUT_OF_MEMORY, f"the kernel ended it for want of memory ({detail})"
            if place is not None and (kind is not FailureType.TASK_TIMEOUT or self._whereabouts.overruns(place)):
                rows = call.chunk.rows[place.first : place.first + place.count]
                suspects = [row for row in rows if row not in call.chunk.excluded]
        self.slots.end(slot, by_ray=by_ray)
        self._schedule.lose_slot(slot.id, kind, _SENTENCES.get(kind, detail), detail, suspects)


def _line(error: BaseException) -> str:
    """Ray's many words, up to where they become general advice."""
    words = " ".join(str(error).split()).partition(" Some common causes")[0]
    return f"{type(error).__name__}: {words}"[:500]
