"""Nodes that are killed, stopped, slow, or leave, and nodes that join."""

from __future__ import annotations

import random
from time import monotonic, sleep

import chaos_faults
import pytest
from chaos_cluster import ChaosCluster

from conftest import Starter

LONGER = {"seconds": 0.05}


def test_a_node_that_dies_is_replaced_by_one_that_joins(cluster: ChaosCluster, start: Starter) -> None:
    run = start({}, cluster, generations=40)
    run.wait_for_generation(3)
    chaos_faults.kill_node(cluster.nodes[0])
    run.wait(lambda: _workers(run) == 2, 15, "the node's two workers are missed")
    chaos_faults.node_joins(cluster, 2)
    run.wait(lambda: _workers(run) == 4, 20, "the new node's two workers are at work")
    result = run.assert_undisturbed(40)
    assert result["evaluations_by"] == {"ray": result["evaluations"]}


@pytest.mark.soak
def test_a_raylet_that_dies_before_its_workers_leaves_no_trace(cluster: ChaosCluster, start: Starter) -> None:
    run = start(LONGER, cluster, generations=12)
    run.wait_for_generation(3)
    chaos_faults.kill_raylet(cluster.nodes[0])
    run.assert_undisturbed(40)


@pytest.mark.soak
@pytest.mark.parametrize("seconds", [2.0, 12.0], ids=["blinks", "is taken for dead"])
def test_a_node_that_stops_and_goes_on_leaves_no_trace(cluster: ChaosCluster, start: Starter, seconds: float) -> None:
    run = start(LONGER, cluster, generations=40)
    run.wait_for_generation(3)
    victim = cluster.nodes[0]
    chaos_faults.stop_node(victim)
    sleep(seconds)
    chaos_faults.continue_node(victim)
    run.assert_undisturbed(60)


@pytest.mark.soak
def test_nodes_may_leave_and_join(cluster: ChaosCluster, start: Starter) -> None:
    run = start(LONGER, cluster, generations=150)
    run.wait_for_generation(3)
    chaos_faults.node_joins(cluster, 1)
    run.wait(lambda: _workers(run) == 5, 30, "the new node's worker is at work")
    chaos_faults.node_leaves(cluster, cluster.nodes[0])
    run.wait(lambda: _workers(run) == 3, 30, "the left node's workers are missed")
    run.assert_undisturbed(90)


@pytest.mark.soak
def test_of_three_nodes_one_dies(cluster: ChaosCluster, start: Starter) -> None:
    cluster.add(1)
    run = start(LONGER, cluster, generations=20)
    run.wait_for_generation(3)
    chaos_faults.kill_node(cluster.nodes[1])
    run.assert_undisturbed(40)


@pytest.mark.soak
def test_a_slow_node_does_not_hold_up_a_generation(cluster: ChaosCluster, start: Starter) -> None:
    run = start(LONGER, cluster, generations=20)
    run.wait_for_generation(5)
    usual = sorted(run.durations().values())[len(run.durations()) // 2]
    with chaos_faults.slow_node(cluster.nodes[0]):
        run.assert_undisturbed(60)
    later = sorted(seconds for generation, seconds in run.durations().items() if generation > 7)
    assert later[len(later) // 2] < 4 * usual + 1.0, (usual, later)


@pytest.mark.soak
def test_the_last_node_dies_and_another_one_comes(cluster: ChaosCluster, start: Starter) -> None:
    run = start({}, cluster, generations=20, fault_tolerance={"on_cluster_loss": "wait"})
    run.wait_for_generation(3)
    for node in list(cluster.nodes):
        chaos_faults.kill_node(node)
    sleep(6)
    chaos_faults.node_joins(cluster, 2)
    run.assert_undisturbed(40)


@pytest.mark.soak
def test_without_any_node_a_run_saves_and_stops_and_can_be_resumed(cluster: ChaosCluster, start: Starter) -> None:
    run = start({}, cluster, generations=20, fault_tolerance={"on_cluster_loss": "stop"})
    run.wait_for_generation(3)
    for node in list(cluster.nodes):
        chaos_faults.kill_node(node)
    assert run.code(40) == 1, run.report()
    run.assert_nothing_left()
    chaos_faults.node_joins(cluster, 2)
    run.resume()
    run.assert_undisturbed(40)


@pytest.mark.soak
def test_nodes_killed_at_random_and_replaced_leave_no_trace(cluster: ChaosCluster, start: Starter) -> None:
    dice = random.Random(3)
    cluster.add(1, 2)
    run = start({}, cluster, generations=300)
    run.wait_for_generation(3)
    deadline = monotonic() + 60
    while monotonic() < deadline and run.generation() < 280:
        victim = dice.choice(cluster.nodes)
        chaos_faults.kill_node(victim)
        cluster.nodes.remove(victim)
        sleep(dice.uniform(1, 4))
        chaos_faults.node_joins(cluster, dice.choice([1, 2]))
        sleep(dice.uniform(0, 4))
    run.assert_undisturbed(180)


def _workers(run: object) -> int:
    events = run.of("generation")  # type: ignore[attr-defined]  # a Run; its module is not a package's
    return events[-1]["workers"] if events else 0
