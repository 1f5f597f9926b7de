"""The process that holds the run, killed: its supervisor resumes it from the newest checkpoint."""

from __future__ import annotations

import chaos_faults
import pytest
from chaos_cluster import ChaosCluster, wait_until

from conftest import Starter


def test_a_supervised_run_whose_driver_is_killed_leaves_no_trace(cluster: ChaosCluster, start: Starter) -> None:
    run = start({}, cluster, generations=12, options=["--supervise"])
    run.wait_for_generation(5)
    chaos_faults.kill_driver(run)
    run.assert_undisturbed(60)
    assert run.of("resumed")
    wait_until(lambda: not cluster.workers(), 10, "the cluster is free of the run's workers")


@pytest.mark.soak
def test_a_supervised_run_whose_driver_is_killed_again_and_again(cluster: ChaosCluster, start: Starter) -> None:
    run = start({}, cluster, generations=40, options=["--supervise"])
    for generation in (5, 15, 25):
        run.wait_for_generation(generation)
        chaos_faults.kill_driver(run)
    run.assert_undisturbed(60)
    assert len(run.of("resumed")) == 3


@pytest.mark.soak
def test_a_supervised_run_with_a_ray_of_its_own_leaves_no_process_behind(start: Starter) -> None:
    run = start({}, None, generations=24, workers=2, options=["--supervise"])
    run.wait_for_generation(5)
    chaos_faults.kill_driver(run)
    run.assert_undisturbed(90)


@pytest.mark.soak
def test_a_supervised_run_whose_own_rays_raylet_is_killed_goes_on(start: Starter) -> None:
    run = start({}, None, generations=40, workers=2, options=["--supervise"])
    run.wait_for_generation(5)
    driver = run.driver()
    assert chaos_faults.kill_own_raylet(run) != "nobody"
    run.assert_undisturbed(120)
    assert not driver.is_running(), "Ray has let the driver live: is a supervisor needed?"
    assert run.of("resumed")
