"""The process that holds the run, killed: its supervisor resumes it from the newest checkpoint."""

from __future__ import annotations

import chaos_faults
import pytest
from chaos_cluster import ChaosCluster
from conftest import Starter


def test_a_supervised_run_whose_driver_is_killed_leaves_no_trace(cluster: ChaosCluster, start: Starter) -> None:
    run = start({}, cluster, generations=24, options=["--supervise"])
    run.wait_for_generation(5)
    first = chaos_faults.kill_driver(run)
    run.wait_for_generation(15)
    assert str(run.driver().pid) != first
    chaos_faults.kill_driver(run)
    run.assert_undisturbed(60)
    assert not cluster.workers()


@pytest.mark.soak
def test_a_supervised_run_with_a_ray_of_its_own_leaves_no_process_behind(start: Starter) -> None:
    run = start({}, None, generations=24, workers=2, options=["--supervise"])
    run.wait_for_generation(5)
    chaos_faults.kill_driver(run)
    run.assert_undisturbed(90)
