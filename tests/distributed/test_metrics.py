"""Counters, the rates and alerts that follow from them, and what Ray is given of them."""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import pytest

from evo.distributed.metrics import Metrics, PrometheusExport, alerts, retry_rate


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics(since=100.0, tasks_done=30, tasks_failed=10, tasks_retried=8, work_seconds=60.0)
    metrics.actor_failed("worker")
    metrics.actor_failed("worker")
    metrics.actor_failed("monitor")
    metrics.actor_restarted("worker")
    metrics.actor_health.update(worker=1, monitor=0)
    metrics.breakers.update({"slot/s0": "open", "node/n0": "closed"})
    return metrics


def test_rates_follow_from_the_counters(metrics: Metrics) -> None:
    snapshot = metrics.snapshot(now=110.0)
    assert snapshot["task_completion_rate"] == 3.0
    assert snapshot["mean_task_seconds"] == 2.0
    assert snapshot["failed_share"] == 0.25
    assert snapshot["retry_rate"] == 0.2


def test_with_nothing_counted_every_rate_is_zero_and_nothing_alerts() -> None:
    snapshot = Metrics(since=5.0).snapshot(now=5.0)
    names = ("task_completion_rate", "mean_task_seconds", "failed_share", "retry_rate", "actor_failures/total")
    assert [snapshot[name] for name in names] == [0.0, 0.0, 0.0, 0.0, 0]
    assert alerts(Metrics()) == {}


def test_actors_are_counted_by_kind_in_total_and_cumulatively(metrics: Metrics) -> None:
    metrics.roll()
    metrics.actor_failed("worker")
    snapshot = metrics.snapshot(now=110.0)
    assert {name: value for name, value in snapshot.items() if name.startswith("actor_")} == {
        "actor_failures/worker": 1,
        "actor_failures/worker_cumulative": 3,
        "actor_failures/monitor": 0,
        "actor_failures/monitor_cumulative": 1,
        "actor_failures/total": 1,
        "actor_failures/total_cumulative": 4,
        "actor_restarts/worker": 0,
        "actor_restarts/worker_cumulative": 1,
        "actor_restarts/monitor": 0,
        "actor_restarts/monitor_cumulative": 0,
        "actor_restarts/total": 0,
        "actor_restarts/total_cumulative": 1,
        "actor_health/worker": 1,
        "actor_health/monitor": 0,
    }


def test_a_snapshot_is_plain_values_that_later_counts_do_not_change(metrics: Metrics) -> None:
    snapshot = metrics.snapshot(now=110.0)
    before = json.dumps(snapshot)
    metrics.failures["worker_crash"] += 1
    metrics.breakers.clear()
    assert json.dumps(snapshot) == before


@pytest.mark.parametrize(
    ("counters", "expected"),
    [
        ({"tasks_done": 89, "tasks_failed": 11, "tasks_retried": 11}, {"retry_rate"}),
        ({"tasks_done": 90, "tasks_failed": 10, "tasks_retried": 10}, set()),
        ({"tasks_done": 1, "tasks_failed": 1, "tasks_retried": 1}, set()),
        ({"tasks_done": 50, "node_failures": 1}, set()),
        ({"tasks_done": 50, "node_failures": 2}, {"node_failures"}),
        ({"tasks_failed": 1}, {"no_success"}),
        ({"tasks_failed": 20, "tasks_retried": 20}, {"no_success", "retry_rate"}),
    ],
)
def test_each_alert_has_its_threshold(counters: dict[str, int], expected: set[str]) -> None:
    found = alerts(Metrics(**counters))
    assert set(found) == expected
    assert all(found.values())


def test_more_parts_than_attempts_are_no_rate_above_one() -> None:
    assert retry_rate(Metrics(tasks_failed=2, tasks_retried=33)) == 1.0


def test_ray_is_given_a_gauge_per_name_with_kinds_as_tags(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    values: dict[tuple[str, Any], float] = {}

    class Gauge:
        def __init__(self, name: str, tag_keys: tuple[str, ...] = ()) -> None:
            self.name, self.tag_keys = name, tag_keys

        def set(self, value: float, tags: dict[str, str] | None) -> None:
            assert tuple(tags or ()) == self.tag_keys
            values[self.name, tuple((tags or {}).values())] = value

    module = types.ModuleType("ray.util.metrics")
    module.Gauge = Gauge  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray.util.metrics", module)
    export = PrometheusExport()
    for _ in range(2):
        export.publish(metrics.snapshot(now=110.0))
    assert values["evo_tasks_done", ()] == 30.0
    assert values["evo_actor_failures", ("worker",)] == 2.0
    assert values["evo_actor_failures_cumulative", ("total",)] == 3.0
    assert values["evo_actor_health", ("monitor",)] == 0.0
    assert values["evo_breakers", ("slot/s0",)] == 2.0
    assert values["evo_breakers", ("node/n0",)] == 0.0
