"""Every registered optimizer on real workers: a noisy run ends with the digest that it has in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # where workers find the problem, too
from optimizer_problems import CASES, Noisy

import evo
from evo.optimizers import BUILTIN


@pytest.fixture(scope="module", autouse=True)
def shared_ray() -> Iterator[None]:
    """Ray started once; the runs of this module find it in use and leave it alone."""
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.parametrize("name", list(BUILTIN))
def test_the_digest_on_workers_is_that_of_this_process(name: str) -> None:
    kind = next(kind for other, kind in CASES if other == name)
    stop = evo.Stop(evaluations=160)
    alone = evo.minimize(Noisy(kind), optimizer=name, stop=stop, seed=5)
    result = evo.minimize(Noisy(kind), optimizer=name, stop=stop, seed=5, workers=2, wait_for_workers=True)
    assert result.evaluations_by == {"ray": 160}
    assert result.generations > 1
    assert result.digest == alone.digest
