"""Workers that are killed, stopped, or all gone at once, on a cluster of two nodes."""

from __future__ import annotations

import random
from time import monotonic, sleep

import chaos_faults
import pytest
from chaos_cluster import ChaosCluster

from conftest import Starter


def test_workers_killed_stopped_and_all_gone_at_once_leave_no_trace(cluster: ChaosCluster, start: Starter) -> None:
    dice = random.Random(1)
    run = start({}, cluster, generations=12)
    run.wait_for_generation(2)
    assert chaos_faults.kill_worker(cluster, dice) != "nobody"
    run.wait_for_generation(4)
    assert chaos_faults.stop_worker(cluster, dice) != "nobody"
    run.wait_for_generation(8)
    assert chaos_faults.kill_all_workers(cluster) != "nobody"
    result = run.assert_undisturbed(30)
    assert result["retries"] >= 2


@pytest.mark.soak
@pytest.mark.parametrize("fault", [chaos_faults.kill_worker, chaos_faults.stop_worker])
def test_a_worker_lost_every_second_leaves_no_trace(cluster: ChaosCluster, start: Starter, fault: object) -> None:
    assert callable(fault)
    dice = random.Random(2)
    run = start({}, cluster, generations=40)
    run.wait_for_generation(1)
    deadline = monotonic() + 12
    while monotonic() < deadline and run.generation() < 35:
        fault(cluster, dice)
        sleep(1.0)
    run.assert_undisturbed(60)


@pytest.mark.soak
def test_every_worker_killed_five_times_over_leaves_no_trace(cluster: ChaosCluster, start: Starter) -> None:
    run = start({}, cluster, generations=14)
    for generation in (2, 4, 6, 8, 10):
        run.wait_for_generation(generation)
        chaos_faults.kill_all_workers(cluster)
    run.assert_undisturbed(60)


@pytest.mark.soak
def test_every_worker_stopped_at_once_leaves_no_trace(cluster: ChaosCluster, start: Starter) -> None:
    run = start({}, cluster)
    run.wait_for_generation(3)
    for node in cluster.nodes:
        for worker in node.workers():
            worker.suspend()
    run.assert_undisturbed(60)
