"""Evaluations that raise, lie, crash, hang or eat memory: once, they leave no trace; always, they cost themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from chaos_cluster import ChaosCluster
from chaos_runs import with_victims

from conftest import Starter

SURVIVED = ["raises", "raises_what_cannot_be_pickled", "gives_nan", "gives_garbage", "gives_too_few", "exits_python"]
DEADLY = ["exits", "segfaults"]
HANGS = ["sleeps", "loops", "loops_in_a_kernel", "loops_with_the_gil"]
WITH_TIMEOUT = {"evaluation_timeout": 1.0}


def test_faults_that_happen_once_leave_no_trace(cluster: ChaosCluster, start: Starter, tmp_path: Path) -> None:
    kinds = ["raises", "raises_what_cannot_be_pickled", "gives_nan", *DEADLY, "sleeps", "loops_in_a_kernel"]
    parameters = with_victims({"block": 4, "mark": str(tmp_path)}, kinds)
    start(parameters, cluster, fault_tolerance=WITH_TIMEOUT).assert_undisturbed(60)
    assert {mark.name.rpartition("-")[0] for mark in tmp_path.iterdir() if mark.is_file()} == set(kinds)


def test_poison_costs_itself_alone(cluster: ChaosCluster, start: Starter) -> None:
    run = start(with_victims({"block": 4}, [*SURVIVED, "eats_memory", *DEADLY]), cluster, generations=11)
    result = run.assert_undisturbed(60)
    assert result["quarantined"] >= len(SURVIVED) + 3
    assert run.quarantined() == run.reference().quarantined
    kinds = {event["kind"] for event in run.of("quarantined")}
    assert kinds == {"evaluation_error", "invalid_result", "worker_crash", "out_of_memory"}


def test_an_evaluation_that_never_ends_costs_itself_alone(cluster: ChaosCluster, start: Starter) -> None:
    run = start(with_victims({}, HANGS), cluster, generations=6, fault_tolerance=WITH_TIMEOUT)
    result = run.assert_undisturbed(90)
    assert result["quarantined"] >= len(HANGS)
    assert run.quarantined() == run.reference().quarantined
    assert {event["kind"] for event in run.of("quarantined")} == {"task_timeout"}


# Each alone --------------------------------------------------------------------------------------------------------


@pytest.mark.soak
@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize("fault", [*SURVIVED, "eats_memory", *DEADLY, *HANGS])
def test_a_fault_that_happens_once_leaves_no_trace(
    cluster: ChaosCluster, start: Starter, tmp_path: Path, fault: str, block: int
) -> None:
    parameters = with_victims({"block": block, "mark": str(tmp_path)}, [fault])
    start(parameters, cluster, fault_tolerance=WITH_TIMEOUT).assert_undisturbed(60)
    assert any(mark.name.startswith(f"{fault}-") for mark in tmp_path.iterdir())


@pytest.mark.soak
@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize("fault", [*SURVIVED, "eats_memory", *DEADLY, *HANGS])
def test_a_poison_costs_itself_alone(cluster: ChaosCluster, start: Starter, fault: str, block: int) -> None:
    run = start(with_victims({"block": block}, [fault]), cluster, generations=6, fault_tolerance=WITH_TIMEOUT)
    result = run.assert_undisturbed(90)
    assert result["quarantined"] >= 1
    assert run.quarantined() == run.reference().quarantined


@pytest.fixture
def tight_cluster() -> Iterator[ChaosCluster]:
    """One node of two cores whose memory monitor thinks that the machine is full three gigabytes from now."""
    memory = psutil.virtual_memory()
    threshold = (memory.total - memory.available + 3e9) / memory.total
    if threshold > 0.95:
        pytest.skip(f"needs three free gigabytes, and {memory.available / 1e9:.1f} are available")
    variables = {"RAY_memory_usage_threshold": f"{threshold:.3f}", "RAY_memory_monitor_refresh_ms": "100"}
    with ChaosCluster(variables=variables) as cluster:
        cluster.add(2)
        yield cluster


@pytest.mark.soak
@pytest.mark.parametrize("once", [True, False], ids=["once", "always"])
def test_an_evaluation_that_eats_the_machine_s_memory_costs_itself_alone(
    tight_cluster: ChaosCluster, start: Starter, tmp_path: Path, once: bool
) -> None:
    parameters = {"block": 1, **({"mark": str(tmp_path)} if once else {})}
    patience = {"deadline_floor": 20}  # lest its deadline ends it before the memory does
    run = start(with_victims(parameters, ["eats_the_machine"]), tight_cluster, generations=20, fault_tolerance=patience)
    run.assert_undisturbed(120)
    assert run.quarantined() == run.reference().quarantined
    assert {event["kind"] for event in run.of("failure")} >= {"out_of_memory"}


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
