"""Evaluations that raise, lie, crash, hang or eat memory: once, they leave no trace; always, they cost themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaos_cluster import ChaosCluster
from conftest import Starter

SURVIVED = ["raises", "raises_what_cannot_be_pickled", "gives_nan", "gives_garbage", "gives_too_few", "exits_python"]
DEADLY = ["exits", "segfaults"]
HANGS = ["sleeps", "loops", "loops_in_a_kernel", "loops_with_the_gil"]
WITH_TIMEOUT = {"evaluation_timeout": 1.0}


def test_faults_that_happen_once_leave_no_trace(cluster: ChaosCluster, start: Starter, tmp_path: Path) -> None:
    faults = dict.fromkeys(["raises", "raises_what_cannot_be_pickled", "gives_nan", *DEADLY, "sleeps"], 0.01)
    run = start({"block": 4, "faults": faults, "mark": str(tmp_path)}, cluster, fault_tolerance=WITH_TIMEOUT)
    run.assert_undisturbed(60)
    happened = {mark.name.rpartition("-")[0] for mark in tmp_path.iterdir()} & set(faults)
    assert len(happened) >= 4, happened


def test_poison_costs_itself_alone(cluster: ChaosCluster, start: Starter) -> None:
    faults = dict.fromkeys([*SURVIVED, "eats_memory"], 0.01) | dict.fromkeys(DEADLY, 0.004)
    run = start({"block": 4, "faults": faults}, cluster)
    result = run.assert_undisturbed(60)
    assert result["quarantined"] >= 5
    assert run.quarantined() == run.reference().quarantined
    kinds = {event["kind"] for event in run.of("quarantined")}
    assert kinds >= {"evaluation_error", "worker_crash"}, kinds


def test_an_evaluation_that_never_ends_costs_itself_alone(cluster: ChaosCluster, start: Starter) -> None:
    run = start({"faults": dict.fromkeys(HANGS, 0.004)}, cluster, fault_tolerance=WITH_TIMEOUT)
    result = run.assert_undisturbed(90)
    assert 2 <= result["quarantined"] <= 6
    assert run.quarantined() == run.reference().quarantined
    assert {event["kind"] for event in run.of("quarantined")} == {"task_timeout"}


# Each alone --------------------------------------------------------------------------------------------------------


@pytest.mark.soak
@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize("fault", [*SURVIVED, "eats_memory", *DEADLY, *HANGS])
def test_a_fault_that_happens_once_leaves_no_trace(
    cluster: ChaosCluster, start: Starter, tmp_path: Path, fault: str, block: int
) -> None:
    parameters = {"block": block, "faults": {fault: 0.012}, "mark": str(tmp_path)}
    start(parameters, cluster, fault_tolerance=WITH_TIMEOUT).assert_undisturbed(60)
    assert any(mark.name.startswith(fault) for mark in tmp_path.iterdir())


@pytest.mark.soak
@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize("fault", [*SURVIVED, "eats_memory", *DEADLY, *HANGS])
def test_a_poison_costs_itself_alone(cluster: ChaosCluster, start: Starter, fault: str, block: int) -> None:
    run = start({"block": block, "faults": {fault: 0.012}}, cluster, fault_tolerance=WITH_TIMEOUT)
    result = run.assert_undisturbed(90)
    assert result["quarantined"] >= 1
    assert run.quarantined() == run.reference().quarantined


@pytest.mark.soak
@pytest.mark.parametrize("fault", ["raises", "gives_nan", "exits", "sleeps"])
def test_a_run_that_is_plainly_broken_ends_soon_with_its_first_error(
    cluster: ChaosCluster, start: Starter, fault: str
) -> None:
    run = start({"faults": {fault: 1.0}}, cluster, fault_tolerance=WITH_TIMEOUT)
    assert run.code(60) == 1
    assert "error" in run.of("finished")[-1], run.report()
    assert (run.output / "checkpoints" / "latest").exists()
    run.assert_nothing_left()
