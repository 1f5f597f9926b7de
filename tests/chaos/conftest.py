"""Fixtures of the chaos tests: one cluster for all that can share it, made whole again before each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from chaos_cluster import ChaosCluster
from chaos_runs import Run

Starter = Callable[..., Run]


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[ChaosCluster]:
    with ChaosCluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: ChaosCluster) -> ChaosCluster:
    """Two nodes of two cores each, whatever the test before has left."""
    for node in list(shared_cluster.nodes):
        if node.process.poll() is not None or not node.part("raylet"):
            shared_cluster.forget(node)
    for node in shared_cluster.nodes[2:]:
        shared_cluster.forget(node)
    missing = 2 - len(shared_cluster.nodes)
    if missing:
        shared_cluster.add(2, missing)
    return shared_cluster


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Starts a run: the parameters of `Sleepy`, a cluster or None, and `Run`'s options. It is ended after the test."""
    with ExitStack() as stack:

        def starter(parameters: dict[str, Any], cluster: ChaosCluster | None, **options: Any) -> Run:
            folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return stack.enter_context(Run(folder, parameters, cluster, **options))

        yield starter
