"""A cluster's head that dies: everything is saved first; then the run goes on, waits or stops, as it was told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import sleep

import chaos_faults
import pytest
from chaos_cluster import ChaosCluster

import evo
from conftest import Starter
from evo.problems import cvrp

INSTANCE = Path(__file__).parents[2] / "examples" / "cvrp" / "generated-n201.vrp"


@pytest.fixture
def doomed() -> Iterator[ChaosCluster]:
    """A cluster of its own: a head and a node of two cores."""
    with ChaosCluster() as cluster:
        cluster.add(2)
        yield cluster


@pytest.mark.soak
def test_without_its_head_a_run_saves_and_stops_and_can_be_resumed(doomed: ChaosCluster, start: Starter) -> None:
    run = start({}, doomed, generations=40)
    run.wait_for_generation(3)
    chaos_faults.kill_head(doomed)
    assert run.code(30) == 1, run.report()
    assert run.of("finished")[-1]["stop_reason"] == "failed"
    run.assert_nothing_left()
    _new_head(doomed)
    run.resume()
    run.assert_undisturbed(60)


@pytest.mark.soak
def test_without_its_head_a_run_may_go_on_in_its_own_process(doomed: ChaosCluster, start: Starter) -> None:
    run = start({}, doomed, generations=20, fault_tolerance={"on_cluster_loss": "local"})
    run.wait_for_generation(3)
    chaos_faults.kill_head(doomed)
    result = run.assert_undisturbed(60)
    assert result["evaluations_by"]["in_process"] > 0


@pytest.mark.soak
def test_a_run_goes_on_in_its_own_process_until_another_head_is_there(doomed: ChaosCluster, start: Starter) -> None:
    run = start({}, doomed, generations=60, fault_tolerance={"on_cluster_loss": "local"})
    run.wait_for_generation(3)
    chaos_faults.kill_head(doomed)
    run.wait(lambda: run.states()[-1:] == ["in_process ready"], 15, "it goes on by itself")
    _new_head(doomed)
    run.wait(lambda: "ray rejoined" in run.states(), 20, "the other head is joined")
    result = run.assert_undisturbed(90)
    assert run.states()[-1] == "ray ready"
    assert set(result["evaluations_by"]) == {"ray", "in_process"}


@pytest.mark.soak
def test_a_built_in_problem_goes_on_in_its_own_process_without_being_told_to(
    doomed: ChaosCluster, start: Starter
) -> None:
    run = start(
        {}, doomed, generations=200, options=["--wait-for-workers"], fault_tolerance={"on_cluster_loss": None},
        settings={"problem": {"type": "cvrp", "instance": str(INSTANCE)}, "optimizer": {"type": "hgs"}},
    )  # fmt: skip
    run.wait_for_generation(20)
    chaos_faults.kill_head(doomed)
    result = run.result(90)
    run.assert_nothing_left()
    assert set(result["evaluations_by"]) == {"ray", "in_process"}
    alone = evo.minimize(cvrp.read(INSTANCE), optimizer="hgs", stop=evo.Stop(generations=200), seed=1)
    assert result["digest"] == alone.digest, run.report()


@pytest.mark.soak
def test_without_its_head_a_run_may_wait_for_another_one(doomed: ChaosCluster, start: Starter) -> None:
    run = start({}, doomed, generations=40, fault_tolerance={"on_cluster_loss": "wait"})
    run.wait_for_generation(3)
    chaos_faults.kill_head(doomed)
    sleep(5)
    _new_head(doomed)
    run.assert_undisturbed(90)


@pytest.mark.soak
def test_a_supervised_run_outlives_its_head(doomed: ChaosCluster, start: Starter) -> None:
    run = start({}, doomed, generations=40, options=["--supervise"], fault_tolerance={"on_cluster_loss": "wait"})
    run.wait_for_generation(3)
    chaos_faults.kill_head(doomed)
    sleep(5)
    _new_head(doomed)
    run.assert_undisturbed(90)


def _new_head(cluster: ChaosCluster) -> None:
    for node in list(cluster.nodes):
        cluster.forget(node)
    cluster.restart_head()
    cluster.add(2)
