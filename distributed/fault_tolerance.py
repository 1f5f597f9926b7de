"""`FaultToleranceManager`: told of what happens, it decides what is done about it.

A state machine with an injected clock: it never sleeps, never touches Ray, starts no thread, draws no random number.
Executors are the mechanism that obeys it; `decisions` shows their loop. What speaks against a chunk or an individual is
in `casebook`, where work may go in `placement`, who is there in `worker_registry`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from evo.errors import CheckpointError

from .backoff import backoff
from .casebook import Casebook, Record
from .circuit_breaker import BreakerState, CircuitBreaker
from .decisions import Action, Chunk, Decision, intolerable
from .executor import Listener, RowFailure
from .failures import BLAMES_SLOT, DETERMINISTIC, ENDS_WORKER, FailureEvent, FailureType, classify
from .fault_tolerance_config import FaultToleranceConfig
from .metrics import Metrics, alerts
from .placement import choose, usable
from .worker_registry import (
    Node,
    NodeStatus,
    Worker,
    WorkerRegistry,
    WorkerStatus,
    version_differences,
)

__all__ = [
    "Action",
    "Chunk",
    "Decision",
    "FailureEvent",
    "FailureType",
    "FaultToleranceConfig",
    "FaultToleranceManager",
    "classify",
]

LOSSES_AT_FIRST = 12
"""So many losses in a row, or three per slot, end a run in which nothing was ever delivered: it is broken …"""
LOSSES_LATER = 48
"""… and so many, or twelve per slot, one that was well before. Poison is isolated with fewer."""

ACTOR_KIND = "worker"
"""The name under which evaluating actors are counted in the metrics."""


class Restorable(Protocol):
    """What `recover_from_checkpoint` needs of an optimizer."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""


class FaultToleranceManager:
    """Policy for every kind of failure. One thread uses it.

    What its user owes it: slots are added and their workers reported as started before chunks are placed; a failure is
    reported before the slot's worker is replaced; of several chunks queued on a slot that dies, the one at work is
    `chunk_failed` and the others are `chunk_dropped`; a reply to a chunk whose rows all have their results by now (a
    late double) is `chunk_dropped` too.

    Parameters
    ----------
    config
        Settings, as a `FaultToleranceConfig` or a plain mapping; a wrong one raises `SettingsError`.
    clock
        Gives seconds; monotonic.
    listener
        Told of ``failure``, ``retry``, ``quarantined``, ``breaker``, ``node`` and ``alert``.
    versions
        The driver's versions (see `worker_registry.VERSIONS`): a node that has others is refused. None: not compared.
    """

    def __init__(
        self,
        config: FaultToleranceConfig | Mapping[str, Any] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        listener: Listener | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        if config is None:
            config = FaultToleranceConfig()
        elif not isinstance(config, FaultToleranceConfig):
            config = FaultToleranceConfig.from_mapping(config)
        self.config = config
        self.clock = clock
        self.registry = WorkerRegistry()
        self.metrics = Metrics(since=clock())
        self._listener = listener or (lambda kind, fields: None)
        self._versions = versions
        self._casebook = Casebook(config)
        self._tasks: dict[Hashable, int] = {}
        self._alerted: set[str] = set()
        self._given_up = ""
        self._losses = 0
        """Workers lost since the last chunk was delivered."""
        self._first_loss = ""

    # ---- batches

    def batch_started(self, batch: int, size: int, block: int = 1) -> None:
        """A batch of `size` rows, evaluated in blocks of `block` rows, begins."""
        self._casebook.batch_started(batch, size, block)
        self.metrics.roll()

    def batch_finished(self, batch: int) -> None:
        """Every row has a result, or the batch was dropped: what is known of its chunks is forgotten."""
        self._casebook.batch_finished(batch)

    # ---- where and when

    def place(self, chunk: Chunk, idle: Collection[str]) -> str | None:
        """The slot of `idle` that should take the chunk now; None: not due, or none of them may.

        A chunk that failed goes to a slot where it has not, and waits for one while such a one may work.
        """
        record = self._casebook.record(chunk)
        if record is not None and self.clock() < record.due:
            return None
        worker = choose(self.registry, record, idle)
        return None if worker is None else worker.id

    def usable_slots(self) -> list[str]:
        """The slots that may take work now; when every one is barred, the least bad one, to be probed at once."""
        return [worker.id for worker in usable(self.registry)]

    def deadline(self, chunk: Chunk, expected: float) -> float:
        """Seconds that the chunk may take.

        Parameters
        ----------
        expected
            Its measured cost, seconds.
        """
        config = self.config
        measured = max(config.deadline_floor, config.deadline_factor * expected) * self._casebook.patience(chunk)
        return measured + (config.evaluation_timeout or 0.0)

    def next_due(self) -> float | None:
        """The next time at which a chunk or a restart becomes due, or a breaker admits a probe; None: nothing waits."""
        now = self.clock()
        times: list[float] = [due for due in self._casebook.due_times() if due > now]
        times += [breaker.retry_at for _, breaker in self._breakers()]
        times += [w.restart_due for w in self.registry.workers.values() if w.status is WorkerStatus.DEAD]
        return min((at for at in times if at > now), default=None)

    # ---- chunks

    def chunk_started(self, chunk: Chunk, slot: str) -> None:
        """The chunk was sent to the slot that `place` named."""
        worker = self._worker(slot)
        worker.load += 1
        worker.breaker.acquire(force=True)
        self.registry.nodes[worker.node].breaker.acquire(force=True)

    def chunk_delivered(
        self, chunk: Chunk, slot: str, *, given_up: Sequence[RowFailure] = (), seconds: float = 0.0
    ) -> Decision:
        """A result came from the slot: the slot is well.

        Parameters
        ----------
        given_up
            Rows that the worker itself found to fail alone, and replaced.
        seconds
            Of evaluation.
        """
        worker = self._worker(slot)
        record = self._casebook.record(chunk)
        given_up = [failure for failure in given_up if failure.row not in chunk.excluded]  # those are known
        self._proved(worker)
        worker.load = max(0, worker.load - 1)
        worker.delivered += 1
        self._losses = 0
        metrics = self.metrics
        metrics.tasks_done += 1
        metrics.work_seconds += seconds
        metrics.rows_done += 0 if chunk.probe else len(chunk.active)
        if given_up and not chunk.probe:
            metrics.rows_quarantined += len(given_up)
        if given_up and not self.config.enable_fault_tolerance:
            first = given_up[0]
            return self._ended(intolerable(first.kind, first.error, chunk.batch, first.row))
        return self._followed(self._casebook.delivered(chunk, given_up), 0 if record is None else record.case)

    def chunk_failed(
        self,
        chunk: Chunk,
        kind: FailureType | str,
        *,
        slot: str,
        error: str = "",
        traceback: str = "",
        suspects: Iterable[int] = (),
        worker_ended: bool | None = None,
    ) -> Decision:
        """The chunk failed on the slot.

        Parameters
        ----------
        kind
            `TASK_TIMEOUT` for a deadline of `deadline` that passed: the executor kills the worker.
        error, traceback
            One line, and whatever is known besides.
        suspects
            Positions in the batch of the rows that the worker is known to have been at; empty: not known.
        worker_ended
            Whether the slot's worker is gone; None: as `ENDS_WORKER` says of the kind.
        """
        kind = FailureType(kind)
        worker = self._worker(slot)
        event = FailureEvent(
            kind, self.clock(), error, traceback, slot, worker.node,
            _named(chunk), chunk.rows, tuple(sorted(suspects)),
        )  # fmt: skip
        self._seen(event, worker)
        self.metrics.tasks_failed += 1
        known = self._casebook.knows(chunk)
        record = self._casebook.opened(chunk) if known else Record(0)
        record.slots[slot] = None
        record.nodes[worker.node] = None
        self._blame(worker, kind, record.case)
        if kind in ENDS_WORKER if worker_ended is None else worker_ended:
            self._ends(worker, None if record.suspect else (record.case, worker.incarnation))
        else:
            worker.load = max(0, worker.load - 1)
        if not self.config.enable_fault_tolerance:
            row = event.suspects[0] if event.suspects else chunk.rows[0]
            return self._ended(intolerable(kind, error, chunk.batch, row))
        if not known:
            return Decision(Action.DONE, reason="its batch is over")
        return self._broken(event) or self._followed(self._casebook.failed(chunk, event), record.case, failed=True)

    def chunk_dropped(self, chunk: Chunk, slot: str) -> None:
        """It ended there with neither a result nor a failure: a double that was called off, an interrupted batch."""
        worker = self._worker(slot)
        worker.load = max(0, worker.load - 1)
        worker.breaker.release()
        self.registry.nodes[worker.node].breaker.release()

    # ---- workers

    def slot_added(self, slot: str, node: str) -> None:
        """A seat for a worker on a node; its worker is being started. A slot that was retired comes back."""
        if node not in self.registry.nodes:
            self.node_joined(node)
        known = self.registry.workers.get(slot)
        if known is None:
            self.registry.workers[slot] = Worker(slot, node, self._breaker("slot", slot), since=self.clock())
            return
        known.node = node
        known.incarnation += 1
        known.blame.clear()
        known.load = 0
        self._set_status(known, WorkerStatus.STARTING)

    def worker_starting(self, slot: str) -> None:
        """The executor replaces the slot's worker."""
        worker = self._worker(slot)
        worker.incarnation += 1
        worker.pid = None
        self._set_status(worker, WorkerStatus.STARTING)
        self.metrics.actor_restarted(ACTOR_KIND)

    def worker_started(self, slot: str, *, pid: int | None = None) -> None:
        """The slot's worker is ready."""
        worker = self._worker(slot)
        worker.pid = pid
        worker.last_heartbeat = None
        self._set_status(worker, WorkerStatus.ALIVE)

    def worker_lost(self, slot: str, kind: FailureType | str = FailureType.WORKER_CRASH, error: str = "") -> None:
        """The slot's worker is gone, or could not be started, while no chunk of it was under way."""
        kind = FailureType(kind)
        worker = self._worker(slot)
        if worker.status in (WorkerStatus.DEAD, WorkerStatus.RETIRED):  # known already, by its chunk
            return
        event = FailureEvent(kind, self.clock(), error, slot=slot, node=worker.node)
        self._seen(event, worker)
        self._blame(worker, kind, 0)
        self._ends(worker, object())

    def slot_retired(self, slot: str) -> None:
        """The executor gives the slot up."""
        self._set_status(self._worker(slot), WorkerStatus.RETIRED)

    def due_restarts(self) -> list[str]:
        """Slots whose dead worker should be replaced now."""
        now = self.clock()
        return [
            worker.id
            for worker in self.registry.workers.values()
            if worker.status is WorkerStatus.DEAD
            and now >= worker.restart_due
            and not self._is_exhausted(worker)
            and self.registry.nodes[worker.node].status in (NodeStatus.ALIVE, NodeStatus.UNHEALTHY)
        ]

    def restarts_to_come(self) -> bool:
        """Whether a dead worker will be replaced, now or later."""
        return any(
            worker.status is WorkerStatus.DEAD
            and not self._is_exhausted(worker)
            and self.registry.nodes[worker.node].status in (NodeStatus.ALIVE, NodeStatus.UNHEALTHY)
            for worker in self.registry.workers.values()
        )

    @property
    def hopeless(self) -> str:
        """Why the run cannot go on; empty while it can. A cluster with no node left is not hopeless: it may return."""
        if self._given_up:
            return self._given_up
        present = [
            worker
            for worker in self.registry.workers.values()
            if self.registry.nodes[worker.node].status in (NodeStatus.ALIVE, NodeStatus.UNHEALTHY)
            and worker.status is not WorkerStatus.RETIRED
        ]
        if present and all(worker.status is WorkerStatus.DEAD and self._is_exhausted(worker) for worker in present):
            return f"every worker was lost more than max_restarts = {self.config.max_restarts} times in a row"
        return ""

    # ---- nodes, the head, signs of life

    def node_joined(self, node: str, *, address: str = "", versions: Mapping[str, str] | None = None) -> list[str]:
        """A node is there, for the first time or again. Differences from the driver's versions refuse it.

        Returns
        -------
        The differences, one phrase each; empty: it is admitted.
        """
        differences = (
            [] if self._versions is None or versions is None else version_differences(self._versions, versions)
        )
        known = self.registry.nodes.setdefault(node, Node(node, self._breaker("node", node)))
        before = known.since, known.status
        known.address = address or known.address
        if known.status is NodeStatus.UNHEALTHY and not differences:  # that is for its monitor to take back
            return differences
        known.status = NodeStatus.REFUSED if differences else NodeStatus.ALIVE
        known.reason = "; ".join(differences)
        if before == (0.0, known.status) or before[1] is not known.status or not before[0]:
            known.since = self.clock()
            self._tell_of(known)
        return differences

    def node_lost(self, node: str, error: str = "") -> list[str]:
        """A node is gone. Its slots are retired until they are added again.

        Returns
        -------
        Those slots; what was under way there is to be reported by `chunk_failed` as `NODE_LOST`.
        """
        known = self.registry.nodes.get(node)
        if known is None or known.status is NodeStatus.LOST:
            return []
        known.status, known.reason, known.since = NodeStatus.LOST, error, self.clock()
        known.failures += 1
        self.metrics.node_failures += 1
        self.metrics.failures[FailureType.NODE_LOST] += 1
        known.breaker.failure()
        slots = []
        for worker in self.registry.on_node(node):
            if worker.status is WorkerStatus.ALIVE:
                self.metrics.actor_failed(ACTOR_KIND)
            worker.breaker.release()
            self._set_status(worker, WorkerStatus.RETIRED)
            slots.append(worker.id)
        self._tell_of(known)
        self._raise_alerts()
        return slots

    def node_health(self, node: str, healthy: bool, reason: str = "") -> None:
        """What its monitor says: an unhealthy node gets no new work until it recovers."""
        known = self.registry.nodes.get(node)
        wanted = NodeStatus.ALIVE if healthy else NodeStatus.UNHEALTHY
        if known is None or known.status in (NodeStatus.LOST, NodeStatus.REFUSED) or known.status is wanted:
            return
        known.status, known.reason, known.since = wanted, "" if healthy else reason, self.clock()
        self._tell_of(known)

    def head_lost(self, error: str = "") -> None:
        """The cluster's head does not answer: all nodes are out of reach, and their slots retired until they are added
        again. Nobody is blamed; what to do is `on_cluster_loss`."""
        self._seen(FailureEvent(FailureType.HEAD_LOST, self.clock(), error), None)
        for node in self.registry.nodes.values():
            if node.status in (NodeStatus.ALIVE, NodeStatus.UNHEALTHY):
                node.status, node.reason, node.since = NodeStatus.LOST, "the cluster's head is lost", self.clock()
        for worker in self.registry.workers.values():
            self._set_status(worker, WorkerStatus.RETIRED)

    def heartbeat(self, slot: str) -> None:
        """The node's monitor saw the worker's process alive."""
        worker = self._worker(slot)
        worker.last_heartbeat = self.clock()
        self.registry.nodes[worker.node].last_heartbeat = worker.last_heartbeat

    def silent_workers(self) -> list[str]:
        """Slots to be taken for dead: heartbeats came, and have not for `heartbeat_timeout`.

        Nothing but heartbeats is awaited: an evaluation may hold its process for minutes and deliver nothing.
        """
        if not self.config.enable_health_monitoring:
            return []
        horizon = self.clock() - self.config.heartbeat_timeout
        return [w.id for w in self.registry.alive() if w.last_heartbeat is not None and w.last_heartbeat < horizon]

    def workers_alive(self) -> int:
        """Workers that are ready."""
        return len(self.registry.alive())

    def snapshot(self) -> dict[str, Any]:
        """Metrics, workers and nodes as plain values, for events and ``result.json``."""
        return {"metrics": self.metrics_snapshot(), **self.registry.snapshot()}

    def metrics_snapshot(self) -> dict[str, Any]:
        """The metrics with the states of this moment."""
        metrics, alive = self.metrics, self.workers_alive()
        metrics.workers_alive = alive
        metrics.actor_health[ACTOR_KIND] = int(alive > 0)
        for name, breaker in self._breakers():
            if name in metrics.breakers or breaker.state is not BreakerState.CLOSED:
                metrics.breakers[name] = breaker.state.value
        return metrics.snapshot(self.clock())

    # ---- the plain interface: tasks and workers by name

    def handle_task_failure(self, task: Any, failure_type: FailureType | str, error: object = "") -> bool:
        """Whether a task that failed should be tried again: `max_retries` attempts, the first one included.

        Parameters
        ----------
        task
            A hashable, or a mapping with an ``id``.
        error
            An exception or its text.
        """
        key = _task_key(task)
        attempts = self._tasks[key] = self._tasks.get(key, 0) + 1
        again = self.config.enable_fault_tolerance and attempts < self.config.max_retries
        self._seen(FailureEvent(FailureType(failure_type), self.clock(), _text(error), task=str(key)), None)
        self.metrics.tasks_failed += 1
        if again:
            self.metrics.tasks_retried += 1
        else:
            del self._tasks[key]
        self._raise_alerts()
        return again

    def handle_task_success(self, task: Any) -> None:
        """The task was done: its failures are forgotten."""
        self._tasks.pop(_task_key(task), None)
        self.metrics.tasks_done += 1

    def handle_worker_failure(
        self, worker_id: str, failure_type: FailureType | str = FailureType.WORKER_CRASH, error: object = ""
    ) -> bool:
        """A worker is gone. Whether it is to be replaced (`due_restarts` says when)."""
        if worker_id not in self.registry.workers:
            self.slot_added(worker_id, "")
            self.worker_started(worker_id)
        self.worker_lost(worker_id, failure_type, _text(error))
        worker = self._worker(worker_id)
        return (
            self.config.enable_fault_tolerance and worker.status is WorkerStatus.DEAD and not self._is_exhausted(worker)
        )

    def reassign_tasks(
        self, failed_worker_id: str, task_ids: Iterable[Hashable], available_workers: Iterable[str]
    ) -> dict[Hashable, str]:
        """Spread a lost worker's tasks over the others, always to the least loaded one.

        Parameters
        ----------
        available_workers
            Candidates. The failed one, a dead one, one on a node that takes no work and one behind an open breaker get
            nothing; a half-open breaker lets one task through. One that was never heard of counts as alive and idle.

        Returns
        -------
        Worker by task. A task that nobody can take is left out.
        """
        loads: dict[str, int] = {}
        places: dict[str, int | None] = {}
        for name in available_workers:
            if name == failed_worker_id or name in loads or not self._may_take(name):
                continue
            known = self.registry.workers.get(name)
            loads[name] = known.load if known else 0
            places[name] = None if known is None or self._is_closed(known) else 1
        assigned: dict[Hashable, str] = {}
        for task in task_ids:
            free = [name for name, left in places.items() if left != 0]
            if not free:
                break
            chosen = min(free, key=loads.__getitem__)
            assigned[task] = chosen
            loads[chosen] += 1
            left = places[chosen]
            places[chosen] = None if left is None else left - 1
        return assigned

    def recover_from_checkpoint(self, checkpoint: Mapping[str, Any], optimizer: Restorable) -> int:
        """Load a run's checkpoint into an optimizer.

        Returns
        -------
        The generation at which the run goes on.

        Raises
        ------
        CheckpointError
            The checkpoint holds no optimizer's state, or the optimizer refuses it.
        """
        try:
            state, generation = checkpoint["optimizer"]["state"], checkpoint["run"]["generation"]
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"checkpoint: expected the fields optimizer.state and run.generation, found {error}"
            ) from None
        optimizer.load_state(state)
        return int(generation)

    # ---- behind the scenes

    def _worker(self, slot: str) -> Worker:
        try:
            return self.registry.workers[slot]
        except KeyError:
            raise KeyError(f"slot {slot!r} was never added: call slot_added first") from None

    def _breaker(self, of: str, id_: str) -> CircuitBreaker:
        def tell(breaker: CircuitBreaker) -> None:
            fields = {"of": of, "id": id_, "state": breaker.state.value, "failures": breaker.failures}
            self._listener("breaker", fields)

        config = self.config
        return CircuitBreaker(
            config.breaker_failures,
            config.breaker_window,
            config.breaker_timeout,
            config.breaker_max_timeout,
            clock=self.clock,
            on_change=tell,
        )

    def _breakers(self) -> list[tuple[str, CircuitBreaker]]:
        return [
            *((f"slot/{w.id}", w.breaker) for w in self.registry.workers.values()),
            *((f"node/{n.id}", n.breaker) for n in self.registry.nodes.values()),
        ]

    def _proved(self, worker: Worker) -> None:
        """The worker answered: it is well, whatever it said."""
        worker.blame.clear()
        worker.breaker.success()
        self.registry.nodes[worker.node].breaker.success()

    def _blame(self, worker: Worker, kind: FailureType, case: int) -> None:
        """Count the failure against the slot and, where that opens its breaker, against the node."""
        node = self.registry.nodes[worker.node]
        if kind in DETERMINISTIC:
            self._proved(worker)
            return
        if kind not in BLAMES_SLOT:
            worker.breaker.release()
            node.breaker.release()
            return
        before = worker.breaker.state
        worker.breaker.failure(case)
        opened = worker.breaker.state is BreakerState.OPEN and before is not BreakerState.OPEN
        # Not every failure of a slot: a node with many slots would be shut for what is normal in each of them.
        if opened or node.breaker.probing or kind is FailureType.NETWORK_ERROR:
            node.breaker.failure(case)

    def _forgive(self, case: int) -> None:
        """A chunk turned out to be poisonous: the slots that it ended are not to blame."""
        for _, breaker in self._breakers():
            breaker.forgive(case)
        self._forgive_restarts(case)

    def _forgive_restarts(self, case: int) -> None:
        for worker in self.registry.workers.values():
            kept = [cause for cause in worker.blame if not (isinstance(cause, tuple) and cause[0] == case)]
            if len(kept) < len(worker.blame):
                worker.blame = kept
                worker.restart_due = self.clock()

    def _ends(self, worker: Worker, cause: object | None) -> None:
        """The slot's worker is gone; `cause` counts toward its restarts in a row, None does not."""
        if worker.status in (WorkerStatus.DEAD, WorkerStatus.RETIRED):
            return
        self.metrics.actor_failed(ACTOR_KIND)
        self._set_status(worker, WorkerStatus.DEAD)
        worker.load = 0
        if cause is not None:
            worker.blame.append(cause)
        config, again = self.config, len(worker.blame) - 2  # the first restart goes at once
        wait = 0.0 if again < 0 else backoff(again, config.retry_delay, config.max_retry_delay, worker.id)
        worker.restart_due = self.clock() + wait

    def _is_exhausted(self, worker: Worker) -> bool:
        return not self.config.enable_fault_tolerance or len(worker.blame) > self.config.max_restarts

    def _set_status(self, worker: Worker, status: WorkerStatus) -> None:
        worker.status, worker.since = status, self.clock()
        if status is not WorkerStatus.ALIVE:
            worker.load = 0

    def _followed(self, decision: Decision, case: int, *, failed: bool = False) -> Decision:
        """Carry out what a decision means for slots, clocks and counters."""
        if decision.action is Action.GIVE_UP:
            return self._ended(decision.reason)
        if decision.action is Action.SPLIT and case:
            self._forgive_restarts(case)
        if decision.action is Action.QUARANTINE and case:
            self._forgive(case)
        if decision.action is Action.RETRY and failed:
            decision = self._timed(decision, case)
        if decision.parts:
            self.metrics.tasks_retried += len(decision.parts) if decision.action is not Action.SPLIT else 1
            self._listener(
                "retry",
                {
                    "action": decision.action.value,
                    "tasks": [_named(part) for part in decision.parts],
                    "due_in": max(0.0, decision.due - self.clock()),
                    "reason": decision.reason,
                },
            )
        for failure in decision.quarantined:
            self.metrics.rows_quarantined += 1
            self._listener(
                "quarantined",
                {"row": failure.row, "kind": failure.kind, "error": failure.error, "traceback": failure.traceback},
            )
        self._raise_alerts()
        return decision

    def _timed(self, decision: Decision, case: int) -> Decision:
        """When and where a chunk is tried again: at once on a slot where it has not failed, else after a while."""
        (chunk,) = decision.parts
        record = self._casebook.opened(chunk)
        if record.expiries > 1 and len(record.slots) > 1:  # slow wherever it runs: no slot is to blame
            self._forgive(case)
        avoid_slots, avoid_nodes = frozenset(record.slots), frozenset(record.nodes)
        record.due = self.clock() + self._wait(record, chunk)
        return replace(decision, due=record.due, avoid_slots=avoid_slots, avoid_nodes=avoid_nodes)

    def _wait(self, record: Record, chunk: Chunk) -> float:
        repetition = record.failures - record.expiries  # a measured deadline is answered by patience, not by waiting
        if repetition < 1:
            return 0.0
        # A lost message leaves its worker in place: with no other one, the same would be asked again at once.
        same_worker = record.strikes == [] and not any(w.id not in record.slots for w in usable(self.registry))
        if repetition == 1 and not same_worker:
            return 0.0
        config = self.config
        return backoff(max(0, repetition - 2), config.retry_delay, config.max_retry_delay, *chunk.rows[:1], chunk.batch)

    def _ended(self, reason: str) -> Decision:
        self._given_up = self._given_up or reason
        return Decision(Action.GIVE_UP, reason=self._given_up)

    def _broken(self, event: FailureEvent) -> Decision | None:
        """The end of a run in which workers die and none delivers; every other rule would look at row after row."""
        if event.kind not in (FailureType.WORKER_CRASH, FailureType.OUT_OF_MEMORY):
            return None
        self._losses += 1
        self._first_loss = self._first_loss or f"{event.kind}: {event.traceback or event.error}"
        slots, config = len(self.registry.workers), self.config
        limit = max(LOSSES_LATER, 12 * slots) if self.metrics.tasks_done else max(LOSSES_AT_FIRST, 3 * slots)
        if self._losses < limit or config.max_quarantined >= 1.0:
            return None
        since = "since" if self.metrics.tasks_done else "ever"
        return self._ended(
            f"{self._losses} workers were lost in a row and no chunk was delivered {since}; "
            f"the first loss: {self._first_loss}"
        )

    def _seen(self, event: FailureEvent, worker: Worker | None) -> None:
        self.metrics.failures[event.kind.value] += 1
        if worker is not None:
            worker.failures += 1
            self.registry.nodes[worker.node].failures += 1
        self._listener("failure", event.to_dict())

    def _tell_of(self, node: Node) -> None:
        self._listener(
            "node", {"id": node.id, "address": node.address, "status": node.status.value, "reason": node.reason}
        )

    def _raise_alerts(self) -> None:
        """Each alert once, and again after it had ceased."""
        now = alerts(self.metrics)
        for name in now.keys() - self._alerted:
            self._listener("alert", {"alert": name, "message": now[name]})
        self._alerted = set(now)

    def _is_closed(self, worker: Worker) -> bool:
        breakers = (worker.breaker, self.registry.nodes[worker.node].breaker)
        return all(breaker.state is BreakerState.CLOSED for breaker in breakers)

    def _may_take(self, name: str) -> bool:
        worker = self.registry.workers.get(name)
        if worker is None:
            return True
        node = self.registry.nodes[worker.node]
        return (
            worker.status is WorkerStatus.ALIVE
            and node.status is NodeStatus.ALIVE
            and not worker.breaker.is_open()
            and not node.breaker.is_open()
        )


def _named(chunk: Chunk) -> str:
    first, last = chunk.rows[0], chunk.rows[-1]
    rows = f"row {first}" if first == last else f"rows {first}..{last}"
    return f"generation {chunk.batch}, {rows}" + (" (probe)" if chunk.probe else "")


def _task_key(task: Any) -> Hashable:
    if isinstance(task, Mapping):
        for name in ("id", "task_id"):
            if name in task:
                return str(task[name])
        return repr(sorted(task.items(), key=repr))
    return task if isinstance(task, Hashable) else repr(task)


def _text(error: object) -> str:
    if isinstance(error, BaseException):
        return f"{type(error).__name__}: {error}"
    return str(error)
