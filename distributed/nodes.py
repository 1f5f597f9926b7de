"""`Nodes`: who is in the cluster and how it does: what was seen is handed to the manager, what follows to the executor.

Nothing here waits: `ClusterWatch` asks Ray in a thread of its own, the monitors are asked by calls whose replies are
taken when they have come. A node that joins is admitted when its monitor has told its versions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from . import ray_worker, shipping
from .beacon import Position
from .cluster_watch import ClusterWatch, NodeView, asking, views
from .fault_tolerance import FaultToleranceManager
from .node_monitor import NodeMonitor, Report, Watched

LOOK_SECONDS = 2.0
"""Between two reports of a node: ten missed ones are far from `heartbeat_timeout`."""
_STALE_SECONDS = 3 * LOOK_SECONDS
_TICK_SECONDS = 0.25
_STOPPED_REPORTS = 3
"""A worker that was found stopped so often in a row is as good as dead."""
_GONE_REPORTS = 2
"""One that is not there while Ray says nothing of it, likewise."""
_MONITOR_RETRY_SECONDS = 30.0
_LAST_WORDS_SECONDS = 0.3
MONITOR_KIND = "monitor"
"""The name under which monitors are counted in the metrics."""


@dataclass(slots=True)
class Changes:
    """What the executor has to act on."""

    joined: list[NodeView] = field(default_factory=list)
    """Admitted now."""
    left: list[tuple[str, str]] = field(default_factory=list)
    """Nodes that are gone, and why that is thought."""
    dead: list[tuple[str, str]] = field(default_factory=list)
    """Slots whose worker must be taken for dead, and why."""


@dataclass(slots=True)
class _Known:
    """A node."""

    view: NodeView
    admitted: bool
    monitor: Any = None
    starting: Any = None
    asked: Any = None
    """References to the replies that are awaited."""
    next: float = 0.0
    """When to ask again, or to start a monitor again."""
    report: Report = field(default_factory=Report)
    places: dict[str, tuple[Position | None, float]] = field(default_factory=dict)
    """Where each slot's worker was, and when that was learned."""


class Nodes:
    """See the module.

    Parameters
    ----------
    ray
        The module, connected.
    room
        How many workers fit on a node with some resources.
    head
        Host and port of the head; None: not known.
    local
        Whether this machine is the whole cluster: it is then looked at from this process.
    """

    def __init__(
        self,
        ray: Any,
        manager: FaultToleranceManager,
        room: Callable[[Mapping[str, float]], int],
        *,
        head: tuple[str, int] | None,
        local: bool,
    ) -> None:
        self._ray = ray
        self._manager = manager
        self._room = room
        self.head = head
        self._watch = ClusterWatch(asking(ray), head)
        self._seen: dict[str, NodeView] | None = None
        self._known: dict[str, _Known] = {}
        self._refused: set[str] = set()
        self._next = 0.0
        self._strange: dict[str, int] = {}
        """By slot: reports in a row in which its worker was stopped or not there."""
        config = manager.config
        self._monitoring = config.enable_health_monitoring
        self._interval = config.health_check_interval if self._monitoring else None
        self._local = NodeMonitor(self._interval) if local else None
        self._home = ray_worker.home()
        self._actors = ray.remote(ray_worker.RayMonitor)
        self._pinned = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy

    def start(self) -> None:
        """Begin to watch. The nodes that are there now are taken as they are: their workers tell their versions."""
        for view in views(self._ray.nodes()).values():
            if self._room(view.resources) >= 1:
                self._known[view.id] = _Known(view, admitted=True)
                self._manager.node_joined(view.id, address=view.address)
        if self._local is not None:
            self._local.start()
        self._watch.start()

    def stop(self, *, by_ray: bool = True) -> None:
        """End the watch and the monitors."""
        self._watch.stop()
        if self._local is not None:
            self._local.stop()
        for known in self._known.values() if by_ray else ():
            self._end_monitor(known)
        self._known.clear()

    def head_trouble(self) -> str:
        """Why the head must be taken for lost; empty while there is no reason to."""
        return self._watch.head_trouble()

    def admitted(self) -> dict[str, Mapping[str, float]]:
        """Resources of the nodes that may have workers, by id."""
        return {node: known.view.resources for node, known in self._known.items() if known.admitted}

    def pending(self) -> bool:
        """Whether a node's admission is under way."""
        return any(not known.admitted and node not in self._refused for node, known in self._known.items())

    def forget(self, node: str) -> None:
        """The executor knows by itself that the node is gone."""
        known = self._known.pop(node, None)
        if known is not None:
            self._end_monitor(known)

    # ---- what was seen

    def tick(self, now: float, watched: Mapping[str, Mapping[str, Watched]]) -> Changes | None:
        """Take what has come, ask what is due; None: it is not time. `watched`: the workers by node and slot."""
        if now < self._next:
            return None
        self._next = now + _TICK_SECONDS
        changes = Changes()
        seen = self._watch.nodes()
        if seen is not None and seen is not self._seen:
            self._seen = seen
            self._compare(seen, changes)
        if self._local is not None:
            self._look_here(now, watched, changes)
        else:
            for node, known in list(self._known.items()):
                self._attend(node, known, now, watched.get(node, {}), changes)
        for slot in self._manager.silent_workers():
            silence = self._manager.config.heartbeat_timeout
            changes.dead.append((slot, f"no heartbeat of its worker for {silence:g} s"))
        return changes

    def _compare(self, seen: Mapping[str, NodeView], changes: Changes) -> None:
        for node in [node for node in self._known if node not in seen]:
            self.forget(node)
            changes.left.append((node, "Ray has declared it dead"))
        for node, view in seen.items():
            if node not in self._known and node not in self._refused and self._room(view.resources) >= 1:
                self._known[node] = _Known(view, admitted=False)

    def _look_here(self, now: float, watched: Mapping[str, Mapping[str, Watched]], changes: Changes) -> None:
        assert self._local is not None
        for node, known in self._known.items():
            if now >= known.next and self._monitoring:
                known.next = now + LOOK_SECONDS
                self._take(node, known, self._local.look(watched.get(node, {})), now, changes)

    def _attend(self, node: str, known: _Known, now: float, watched: Mapping[str, Watched], changes: Changes) -> None:
        """Take the reply of a node's monitor, ask it again, start it where there is none."""
        awaited = known.starting if known.starting is not None else known.asked
        if awaited is None:
            if now < known.next:
                return
            if known.monitor is None:
                if not known.admitted or self._monitoring:
                    self._start_monitor(known)
            elif self._monitoring:
                known.next = now + LOOK_SECONDS
                known.asked = known.monitor.look.remote(dict(watched))
            return
        if not self._ray.wait([awaited], timeout=0)[0]:
            return
        is_start = known.starting is not None
        known.starting = known.asked = None
        try:
            reply = self._ray.get(awaited)
        except self._ray.exceptions.RayError as error:
            self._lose_monitor(known, error, now)
            return
        if not is_start:
            self._take(node, known, reply, now, changes)
            return
        self._manager.metrics.actor_health[MONITOR_KIND] = 1
        if self._manager.node_joined(node, address=known.view.address, versions=reply):
            self._refused.add(node)
            self.forget(node)
        elif not known.admitted:
            known.admitted = True
            changes.joined.append(known.view)

    def _start_monitor(self, known: _Known) -> None:
        with shipping.by_value([ray_worker], self._ray.cloudpickle):
            known.monitor = self._actors.options(
                num_cpus=0,
                max_restarts=0,
                max_task_retries=0,
                scheduling_strategy=self._pinned(known.view.id, soft=False),
            ).remote(self._home)
        known.starting = known.monitor.start.remote(self._interval)

    def _lose_monitor(self, known: _Known, error: Exception, now: float) -> None:
        """It is started again after a while: what it does for its node can wait, and nothing depends on it alone."""
        self._end_monitor(known)
        known.next = now + _MONITOR_RETRY_SECONDS
        metrics = self._manager.metrics
        metrics.actor_failed(MONITOR_KIND)
        metrics.actor_health[MONITOR_KIND] = int(any(k.monitor is not None for k in self._known.values()))
        metrics.actor_restarted(MONITOR_KIND)

    def _end_monitor(self, known: _Known) -> None:
        if known.monitor is not None:
            with suppress(Exception):  # a dead actor's handle, a lost connection
                self._ray.kill(known.monitor, no_restart=True)
        known.monitor = known.starting = known.asked = None

    def _take(self, node: str, known: _Known, report: Report, now: float, changes: Changes) -> None:
        known.report = report
        known.places = {slot: (sign.position, now) for slot, sign in report.workers.items()}
        for slot, sign in report.workers.items():
            if sign.alive and not sign.stopped:
                self._strange.pop(slot, None)
                self._manager.heartbeat(slot)
                continue
            self._strange[slot] = self._strange.get(slot, 0) + 1
            if self._strange[slot] >= (_STOPPED_REPORTS if sign.alive else _GONE_REPORTS):
                del self._strange[slot]
                changes.dead.append((slot, "its process is stopped" if sign.alive else "its process is gone"))
        if report.health is not None:
            self._manager.node_health(node, not report.complaints, "; ".join(report.complaints))

    # ---- what is asked about a worker

    def idle_seconds(self, node: str, slot: str) -> float:
        """For how long the worker has used no processor time, as far as is known."""
        known = self._known.get(node)
        sign = None if known is None else known.report.workers.get(slot)
        return 0.0 if sign is None or known is None else sign.idle

    def position(self, node: str, slot: str, now: float) -> Position | None:
        """Where a worker on another machine was when its monitor last looked; the time since then is added.

        None: not known, or the monitor has been silent since.
        """
        known = self._known.get(node)
        place, at = (None, 0.0) if known is None else known.places.get(slot, (None, 0.0))
        if place is None or now - at > _STALE_SECONDS:
            return None
        return replace(place, seconds=place.seconds + now - at)

    def last_words(self, node: str, slot: str, watched: Watched, now: float) -> tuple[Position | None, bool]:
        """Where a worker on another machine is, or was when it was lost, and whether the kernel ended one for memory.

        Waits for the node's monitor, 0.3 s at most.
        """
        known = self._known.get(node)
        if known is None or known.monitor is None or known.starting is not None:
            return None, False
        before = known.report.out_of_memory
        try:
            report = self._ray.get(known.monitor.look.remote({slot: watched}), timeout=_LAST_WORDS_SECONDS)
        except self._ray.exceptions.RayError:  # the node is gone too
            return None, False
        known.places[slot] = report.workers[slot].position, now
        return report.workers[slot].position, report.out_of_memory > before
