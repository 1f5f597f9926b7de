"""Networks that are cut: a node that cannot be reached, for a while or for good."""

from __future__ import annotations

from collections.abc import Iterator
from time import sleep

import chaos_faults
import pytest
from chaos_cluster import KEEPALIVE, ChaosCluster
from chaos_network import Network, missing_privilege

from conftest import Starter

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(bool(missing_privilege()), reason=missing_privilege() or "-"),
]


@pytest.fixture
def islands() -> Iterator[ChaosCluster]:
    """A head here, and two nodes each in a network namespace of its own."""
    with Network(2) as network, ChaosCluster(head=network.host, variables=KEEPALIVE) as cluster:
        cluster.add(2, 2, places=network.places)
        yield cluster


@pytest.mark.parametrize("seconds", [2.0, 15.0], ids=["before it is noticed", "after it was taken for dead"])
def test_a_partition_that_heals_leaves_no_trace(islands: ChaosCluster, start: Starter, seconds: float) -> None:
    run = start({}, islands, generations=60)
    run.wait_for_generation(3)
    chaos_faults.partition(islands.nodes[0])
    sleep(seconds)
    chaos_faults.heal(islands.nodes[0])
    run.assert_undisturbed(60)


def test_a_partition_that_does_not_heal_leaves_no_trace(islands: ChaosCluster, start: Starter) -> None:
    run = start({}, islands, generations=30)
    run.wait_for_generation(3)
    chaos_faults.partition(islands.nodes[0])
    run.assert_undisturbed(60)
