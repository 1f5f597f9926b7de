"""Optimizers by a caller's hand, generation by generation. As a script it adds the golden trajectories that lack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from optimizer_problems import CASES, Plain

from evo.distributed.executor import Batch
from evo.distributed.in_process import InProcessExecutor
from evo.optimizers.base import Candidates, Optimizer, Results
from evo.optimizers.generational import Generational
from evo.problem import Problem
from evo.registry import build_optimizer

GOLDEN = Path(__file__).with_name("golden_trajectories.json")


def build(name: str, problem: Problem, **parameters: Any) -> Generational:
    optimizer = build_optimizer(name, parameters, problem, 7)
    assert isinstance(optimizer, Generational)
    return optimizer


def results_of(optimizer: Generational, candidates: Candidates) -> Results:
    """As the engine would have them."""
    executor = InProcessExecutor()
    executor.start(optimizer.evaluator(), lambda kind, fields: None)
    rows = {**candidates.rows, "row": np.arange(len(candidates))}
    executor.submit(Batch(optimizer.told, rows, candidates.context))
    outcome = executor.collect(lambda: False)
    executor.close()
    quarantined = np.zeros(len(candidates), dtype=np.bool_)
    quarantined[[failure.row for failure in outcome.failures]] = True
    return Results(outcome.arrays, quarantined)


def step(optimizer: Generational, remaining: int | None = None) -> Candidates:
    candidates = optimizer.ask(remaining)
    optimizer.tell(candidates, results_of(optimizer, candidates))
    return candidates


def best_of(optimizer: Optimizer) -> np.ndarray | None:
    """The best of each objective so far, minimised, (k,); None where there is none."""
    if optimizer.front is not None:
        return np.asarray(optimizer.front.objective.min(axis=0))
    return None if optimizer.best is None else np.array([optimizer.best.objective])


def trajectory(name: str, kind: str) -> list[float]:
    """One number of each of a run's first ten generations: the mean of all genes, weighted by their places."""
    optimizer = build(name, Plain(kind))
    found: list[float] = []
    remaining = 1000
    while len(found) < 10 and remaining > 0:
        candidates = step(optimizer, remaining)
        remaining -= len(candidates)
        genome = candidates.rows["genome"].astype(np.float64)
        found.append(float((genome * (1.0 + np.arange(genome.shape[1]))).mean()))
    return found


if __name__ == "__main__":
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    for name, kind in CASES:
        golden.setdefault(f"{name} {kind}", trajectory(name, kind))
    lines = ",\n".join(f"{json.dumps(case)}: {json.dumps(numbers)}" for case, numbers in golden.items())
    GOLDEN.write_text(f"{{\n{lines}\n}}\n")
