"""Where work may go now: which slots a chunk may take, and which one it takes."""

from __future__ import annotations

from collections.abc import Collection

from .casebook import Record
from .worker_registry import NodeStatus, Worker, WorkerRegistry, WorkerStatus

_REACHABLE = (NodeStatus.ALIVE, NodeStatus.UNHEALTHY)


def is_usable(registry: WorkerRegistry, worker: Worker) -> bool:
    """Whether the slot may take work: it lives, its node is healthy, and both breakers admit it."""
    node = registry.nodes[worker.node]
    return (
        worker.status is WorkerStatus.ALIVE
        and node.status is NodeStatus.ALIVE
        and node.breaker.admits()
        and worker.breaker.admits()
    )


def least_bad(registry: WorkerRegistry) -> Worker | None:
    """The slot to be probed when every one is barred: a run must not stop because it protected itself.

    None while another slot is at work (its answer is awaited first), and where no worker lives.
    """
    reachable = [w for w in registry.alive() if registry.nodes[w.node].status in _REACHABLE]
    if not reachable or any(worker.load for worker in reachable):
        return None

    def badness(worker: Worker) -> tuple[bool, int, int, float]:
        node = registry.nodes[worker.node]
        unhealthy = node.status is NodeStatus.UNHEALTHY
        retry_at = max(worker.breaker.retry_at, node.breaker.retry_at)
        return unhealthy, node.breaker.failures, worker.breaker.failures, retry_at

    return min(reachable, key=badness)


def usable(registry: WorkerRegistry) -> list[Worker]:
    """The slots that may take work now, busy ones included; the least bad one where all are barred."""
    admitted = [worker for worker in registry.workers.values() if is_usable(registry, worker)]
    if admitted:
        return admitted
    last_resort = least_bad(registry)
    return [] if last_resort is None else [last_resort]


def choose(registry: WorkerRegistry, record: Record | None, idle: Collection[str]) -> Worker | None:
    """The slot for a chunk: one where it has not failed, on a node where it has not failed; then the least loaded.

    A chunk waits for a slot where it has not failed as long as such a one may take work, be it busy now.
    """
    candidates = usable(registry)
    if not candidates:
        return None

    def familiarity(worker: Worker) -> int:
        if record is None:
            return 0
        return 2 if worker.id in record.slots else int(worker.node in record.nodes)

    untried = [worker for worker in candidates if familiarity(worker) < 2]
    fit = [worker for worker in untried or candidates if worker.id in idle]
    if not fit:
        return None
    return min(fit, key=lambda w: (familiarity(w), w.load, w.breaker.failures, w.failures, len(w.blame)))
