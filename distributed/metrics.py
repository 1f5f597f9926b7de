"""Counters of a run, the rates that follow from them, and the alerts that follow from those.

Everything is a pure function of counters; `PrometheusExport` hands them to Ray, which serves them as Prometheus text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ALERT_RETRY_RATE = 0.10
"""More repetitions than this share of the tasks that ended: an alert."""
ALERT_NODE_FAILURES = 1
"""More nodes lost than this: an alert."""
LEAST_TASKS = 10
"""A rate over fewer tasks alerts nobody."""


@dataclass(slots=True)
class Metrics:
    """What an executor and its manager count. Tasks are chunks."""

    since: float = 0.0
    """When counting began, seconds of the manager's clock."""
    tasks_done: int = 0
    tasks_failed: int = 0
    """Attempts that failed."""
    tasks_retried: int = 0
    rows_done: int = 0
    rows_quarantined: int = 0
    work_seconds: float = 0.0
    """Seconds of evaluation in the delivered chunks, summed over the workers."""
    node_failures: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """Failures by `FailureType` value."""
    actor_failures: Counter[str] = field(default_factory=Counter)
    """Workers that were lost, by kind of actor, since the last `roll`."""
    actor_failures_cumulative: Counter[str] = field(default_factory=Counter)
    actor_restarts: Counter[str] = field(default_factory=Counter)
    actor_restarts_cumulative: Counter[str] = field(default_factory=Counter)
    actor_health: dict[str, int] = field(default_factory=dict)
    """1 where at least one actor of the kind lives, else 0."""
    breakers: dict[str, str] = field(default_factory=dict)
    """States of the breakers that were ever open, by ``slot/<id>`` and ``node/<id>``."""
    queue_depth: int = 0
    """Chunks that wait for a slot."""
    workers_alive: int = 0

    def actor_failed(self, kind: str) -> None:
        """A worker (or a monitor) is gone."""
        self.actor_failures[kind] += 1
        self.actor_failures_cumulative[kind] += 1

    def actor_restarted(self, kind: str) -> None:
        """It was replaced."""
        self.actor_restarts[kind] += 1
        self.actor_restarts_cumulative[kind] += 1

    def roll(self) -> None:
        """Begin a new interval (a generation): the counts that are not cumulative start at 0."""
        self.actor_failures.clear()
        self.actor_restarts.clear()

    def snapshot(self, now: float) -> dict[str, Any]:
        """All of it as plain values, flat names.

        Parameters
        ----------
        now
            Seconds of the clock that gave `since`.
        """
        seconds = max(now - self.since, 0.0)
        attempts = self.tasks_done + self.tasks_failed
        values: dict[str, Any] = {
            "tasks_done": self.tasks_done,
            "tasks_failed": self.tasks_failed,
            "tasks_retried": self.tasks_retried,
            "task_completion_rate": self.tasks_done / seconds if seconds else 0.0,
            "mean_task_seconds": self.work_seconds / self.tasks_done if self.tasks_done else 0.0,
            "failed_share": self.tasks_failed / attempts if attempts else 0.0,
            "retry_rate": retry_rate(self),
            "rows_done": self.rows_done,
            "rows_quarantined": self.rows_quarantined,
            "node_failures": self.node_failures,
            "queue_depth": self.queue_depth,
            "workers_alive": self.workers_alive,
            "failures": dict(self.failures),
            "breakers": dict(self.breakers),
        }
        counters = {
            "actor_failures": (self.actor_failures, self.actor_failures_cumulative),
            "actor_restarts": (self.actor_restarts, self.actor_restarts_cumulative),
        }
        for name, (recent, cumulative) in counters.items():
            for kind in sorted({*cumulative, *self.actor_health}):
                values[f"{name}/{kind}"] = recent[kind]
                values[f"{name}/{kind}_cumulative"] = cumulative[kind]
            values[f"{name}/total"] = recent.total()
            values[f"{name}/total_cumulative"] = cumulative.total()
        for kind, healthy in sorted(self.actor_health.items()):
            values[f"actor_health/{kind}"] = healthy
        return values


def retry_rate(metrics: Metrics) -> float:
    """Repetitions per attempt, 0 … 1; 0 where nothing has ended."""
    attempts = metrics.tasks_done + metrics.tasks_failed
    return min(1.0, metrics.tasks_retried / attempts) if attempts else 0.0


def alerts(metrics: Metrics) -> dict[str, str]:
    """What a user should look at: the message by the name of its rule."""
    found: dict[str, str] = {}
    attempts = metrics.tasks_done + metrics.tasks_failed
    rate = retry_rate(metrics)
    if attempts >= LEAST_TASKS and rate > ALERT_RETRY_RATE:
        found["retry_rate"] = f"{rate:.0%} of the tasks had to be repeated (more than {ALERT_RETRY_RATE:.0%})"
    if metrics.node_failures > ALERT_NODE_FAILURES:
        found["node_failures"] = f"{metrics.node_failures} nodes were lost"
    if metrics.tasks_failed and not metrics.tasks_done:
        found["no_success"] = f"no task has succeeded, {metrics.tasks_failed} failed"
    return found


class PrometheusExport:
    """The numbers of a snapshot as gauges of ``ray.util.metrics``; to be made where Ray is connected.

    Ray serves them at ``http://NodeManagerAddress:MetricsExportPort/metrics`` as ``ray_evo_…``, where it is
    installed as ``ray[default]``.
    """

    def __init__(self) -> None:
        from ray.util.metrics import Gauge

        self._make = Gauge
        self._gauges: dict[str, Any] = {}

    def publish(self, snapshot: Mapping[str, Any]) -> None:
        """Set every gauge; a name's part after ``/`` becomes its tag ``type``, a mapping's keys its tag ``key``."""
        for name, value in snapshot.items():
            if isinstance(value, Mapping):
                for key, inner in value.items():
                    self._set(name, _number(inner), "key", key)
            elif "/" in name:
                base, kind = name.split("/", 1)
                suffix = "_cumulative" if kind.endswith("_cumulative") else ""
                self._set(base + suffix, _number(value), "type", kind.removesuffix("_cumulative"))
            else:
                self._set(name, _number(value))

    def _set(self, name: str, value: float, tag: str = "", label: str = "") -> None:
        if name not in self._gauges:
            self._gauges[name] = self._make(f"evo_{name}", tag_keys=(tag,) if tag else ())
        self._gauges[name].set(value, tags={tag: label} if tag else None)


_BREAKER_LEVELS = {"closed": 0.0, "half_open": 1.0, "open": 2.0}


def _number(value: Any) -> float:
    """A gauge's value; a breaker's state is 0 closed, 1 half-open, 2 open."""
    return _BREAKER_LEVELS[value] if isinstance(value, str) else float(value)
