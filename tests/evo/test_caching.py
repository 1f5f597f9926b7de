"""Exact copies are evaluated once, and nothing but the number of calls shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evo
from evo import caching
from evo.caching import CachingExecutor
from evo.distributed.executor import Batch, ChunkResult, Outcome
from evo.distributed.in_process import InProcessExecutor
from evo.evaluation import ProblemEvaluator


class Counting(evo.Problem):
    """Few different points; says how often it was called. Some cannot be evaluated."""

    space = evo.Binary(4)
    block = 1

    def __init__(self) -> None:
        self.calls: list[bytes] = []

    def evaluate(self, x: np.ndarray) -> evo.Evaluation:
        self.calls.append(x.tobytes())
        if x.sum() == 3:
            raise ValueError("three")
        return evo.Evaluation(x.sum(axis=1), violations=x[:, :1] - 0.5)


def run(cache: Any, **options: Any) -> tuple[evo.Result, Counting]:
    problem = Counting()
    stop = evo.Stop(generations=8)
    found = evo.minimize(problem, optimizer="ga", stop=stop, seed=2, evaluation={"cache": cache}, **options)
    return found, problem


def test_a_run_with_a_cache_ends_as_one_without() -> None:
    (cached, few), (plain, many) = run("auto"), run(False)
    assert (cached.digest, cached.objective, cached.quarantined) == (plain.digest, plain.objective, plain.quarantined)
    assert cached.evaluations == plain.evaluations == 800
    assert plain.quarantined > 0
    sound = [call for call in few.calls if sum(call) != 3]
    assert len(sound) == len(set(sound)) <= 12, "every point once"
    assert len(many.calls) > 700
    assert cached.evaluations_by == {"in_process": 800 - cached.evaluations_by["cache"], **cached.evaluations_by}


def test_a_run_with_a_cache_is_resumed_to_the_same_end(tmp_path: Path) -> None:
    whole, _ = run("auto")
    evo.minimize(
        Counting(),
        optimizer="ga",
        stop=evo.Stop(generations=3),
        seed=2,
        output=tmp_path / "run",
        checkpoint={"journal": True},
    )
    resumed = evo.resume(tmp_path / "run", problem=Counting(), stop=evo.Stop(generations=8))
    assert resumed.digest == whole.digest


@pytest.mark.parametrize(("block", "noisy"), [(8, False), (1, True)])
def test_what_depends_on_more_than_the_row_has_no_cache(block: int, noisy: bool) -> None:
    problem = Counting()
    problem.block, problem.noisy = block, noisy
    evaluator = ProblemEvaluator(problem)
    assert not caching.wanted("auto", evaluator)
    with pytest.raises(evo.SettingsError, match=r"evaluation\.cache: expected a deterministic problem with block = 1"):
        caching.wanted(True, evaluator)


def test_a_setting_that_is_none_is_refused() -> None:
    with pytest.raises(evo.SettingsError, match="cache: expected true, false or auto"):
        run("sometimes")


def batch(generation: int, points: list[int]) -> Batch:
    genome = np.array([[point >> bit & 1 for bit in range(4)] for point in points], dtype=np.bool_)
    return Batch(generation, {"genome": genome, "row": np.arange(len(points))}, {"seed": 1, "generation": generation})


def test_every_row_is_delivered_and_equals_what_is_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "MEMORY", 3 * (caching.OVERHEAD + 20))  # room for three points
    for seed in range(20):
        rng = np.random.default_rng(seed)
        problem, told = Counting(), dict[tuple[int, int], tuple[float, bool]]()
        cached, plain = CachingExecutor(InProcessExecutor()), InProcessExecutor()

        def deliver(generation: int, rows: Any, result: ChunkResult, told: dict[Any, Any] = told) -> None:
            failed = {failure.row for failure in result.failures}
            for row, objective in zip(rows, result.arrays["objective"], strict=True):
                told[generation, row] = float(objective), row in failed

        cached.start(ProblemEvaluator(problem), lambda kind, fields: None, deliver)
        plain.start(ProblemEvaluator(Counting()), lambda kind, fields: None)
        batches = [batch(generation, rng.integers(0, 16, rng.integers(1, 9)).tolist()) for generation in range(6)]
        for both in zip(batches[::2], batches[1::2], strict=True):
            for each in both:  # two under way at once
                cached.submit(each)
                plain.submit(each)
            for each in both:
                compare(each, cached.collect(lambda: False), plain.collect(lambda: False), told)
        assert len(cached._cells) <= 3
        cached.close()
        plain.close()


def compare(each: Batch, found: Outcome, expected: Outcome, told: dict[tuple[int, int], tuple[float, bool]]) -> None:
    for name, array in expected.arrays.items():
        assert np.array_equal(found.arrays[name], array)
    failed = [failure.row for failure in expected.failures]
    assert [failure.row for failure in found.failures] == failed
    assert sum(found.evaluated_by.values()) == len(each)
    for row in range(len(each)):
        assert told[each.generation, row] == (expected.arrays["objective"][row], row in failed)
