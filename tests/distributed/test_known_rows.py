"""What is known of a batch is not evaluated again, and shows in no bit of its outcome."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo.distributed.executor import Batch, ChunkResult, Outcome, RowFailure, ignore
from evo.distributed.handover import HandoverExecutor
from evo.distributed.in_process import InProcessExecutor
from evo.distributed.known import KnownRows
from evo.distributed.ray_executor import RayExecutor
from evo.distributed.ray_start import RayCluster
from evo.errors import ExecutorError

sys.path.insert(0, str(Path(__file__).parent))
from modal_evaluator import ModalEvaluator, assert_same, batch, expected

BLOCK = 4
Deliveries = list[tuple[int, list[int], ChunkResult]]


def outcome_of(each: Batch, delivered: Any = ignore) -> Outcome:
    executor = InProcessExecutor()
    executor.start(ModalEvaluator(), lambda kind, fields: None, delivered)
    try:
        executor.submit(each)
        return executor.collect(lambda: False)
    finally:
        executor.close()


def recorded(deliveries: Deliveries) -> Callable[[int, Sequence[int], ChunkResult], None]:
    return lambda generation, rows, result: deliveries.append((generation, list(rows), result))


def test_this_process_delivers_every_block_as_it_comes() -> None:
    deliveries: Deliveries = []
    each = batch(11, generation=7, mode="raises", bad=[5])
    outcome = outcome_of(each, recorded(deliveries))
    assert [(generation, rows) for generation, rows, _ in deliveries] == [
        (7, [0, 1, 2, 3]),
        (7, [4, 5, 6, 7]),
        (7, [8, 9, 10]),
    ]
    for _, rows, result in deliveries:
        assert_same(result.arrays, {name: array[rows] for name, array in outcome.arrays.items()})
    assert [failure.row for _, _, result in deliveries for failure in result.failures] == [5]


@given(
    count=st.integers(1, 30),
    known=st.sets(st.integers(0, 7)),
    given_up=st.sets(st.integers(0, 29), max_size=6),
    poison=st.sets(st.integers(0, 29), max_size=2),
    twice=st.booleans(),
)
def test_the_outcome_is_the_same_whatever_was_known(
    count: int, known: set[int], given_up: set[int], poison: set[int], twice: bool
) -> None:
    """Blocks known, rows given up before and poisonous rows, in every mixture."""
    given_up = {row for row in given_up if row < count}
    each = batch(count, mode="raises", bad=sorted(poison - given_up))
    whole = outcome_of(each)
    rows_known = KnownRows(each, ModalEvaluator())
    evaluator = ModalEvaluator()
    evaluator.warm_up()
    for row in given_up:
        rows_known.add([row], ChunkResult({}, [RowFailure(row, "worker_crash", "gone")]), "ray")
    blocks = [b for b in known if b * BLOCK < count]
    for at in (b * BLOCK for b in blocks for _ in range(1 + twice)):
        rows = list(range(at, min(at + BLOCK, count)))
        arrays = {name: array[rows] for name, array in whole.arrays.items()}
        rows_known.add(rows, ChunkResult(arrays, [f for f in whole.failures if f.row in rows]), "ray")
    rest = rows_known.rest()
    done = sum(len(range(b * BLOCK, min(b * BLOCK + BLOCK, count))) for b in blocks)
    assert len(rest or ()) <= count - done
    joined = rows_known.joined(None if rest is None else outcome_of(rest))
    bad = tuple(sorted(given_up | {row for row in poison if row < count}))
    assert_same(joined.arrays, expected(each, bad=bad))
    assert tuple(failure.row for failure in joined.failures) == bad
    assert sum(joined.evaluated_by.values()) == count


def test_what_is_delivered_of_the_rest_is_named_as_in_the_whole() -> None:
    each = batch(12, mode="noisy")
    whole = outcome_of(each)
    known = KnownRows(each, ModalEvaluator())
    first = {name: array[:4] for name, array in whole.arrays.items()}
    known.add(range(4), ChunkResult(first), "in_process")
    rest = known.rest()
    assert rest is not None
    deliveries: Deliveries = []
    outcome_of(rest, lambda generation, rows, result: deliveries.append((generation, *known.outward(rows, result))))  # type: ignore[arg-type]
    assert [rows for _, rows, _ in deliveries] == [[4, 5, 6, 7], [8, 9, 10, 11]]
    for _, rows, result in deliveries:
        assert_same(result.arrays, {name: array[rows] for name, array in whole.arrays.items()})


class RayThatIsLost:
    """Delivers some blocks, then is lost."""

    name = "ray"

    def __init__(self, blocks: list[int]) -> None:
        self._blocks = blocks
        self.batches: list[Batch] = []

    def start(self, evaluator: Any, listener: Any, delivered: Any = ignore) -> None:
        self._delivered = delivered

    def submit(self, each: Batch) -> None:
        self.batches.append(each)

    def collect(self, should_stop: Any) -> Outcome:
        def some(generation: int, rows: Sequence[int], result: ChunkResult) -> None:
            if rows[0] // BLOCK in self._blocks:
                self._delivered(generation, rows, result)

        outcome_of(self.batches[0], some)
        raise ExecutorError("the cluster is lost")

    def workers_alive(self) -> int:
        return 2

    def settled(self) -> bool:
        return True

    def report(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        pass


@pytest.mark.parametrize("blocks", [[], [1], [0, 2], [0, 1, 2]])
def test_what_lost_workers_had_delivered_is_not_evaluated_again(blocks: list[int]) -> None:
    executor = HandoverExecutor(RayThatIsLost(blocks), wait=True)  # type: ignore[arg-type]
    deliveries: Deliveries = []
    executor.start(ModalEvaluator(), lambda kind, fields: None, recorded(deliveries))
    batches = [batch(12, 0), batch(12, 1)]
    for each in batches:
        executor.submit(each)
    outcomes = [executor.collect(lambda: False) for _ in batches]
    executor.close()
    for each, outcome in zip(batches, outcomes, strict=True):
        assert_same(outcome.arrays, expected(each))
        assert sum(outcome.evaluated_by.values()) == 12
    assert outcomes[0].evaluated_by.get("ray", 0) == BLOCK * len(blocks)
    assert sorted(rows[0] for generation, rows, _ in deliveries if generation == 0) == [0, 4, 8]


@pytest.fixture(scope="module")
def ray_executor() -> Iterator[tuple[RayExecutor, Deliveries]]:
    cluster = RayCluster(None, 2)
    cluster.start()
    assert cluster.started(120)
    deliveries: Deliveries = []
    executor = RayExecutor(2)
    executor.start(ModalEvaluator(), lambda kind, fields: None, recorded(deliveries))
    yield executor, deliveries
    executor.close()
    cluster.close()


@pytest.mark.parametrize(
    ("mode", "bad", "lost"), [("plain", (), False), ("raises", (9, 30), False), ("ends_process", (13,), True)]
)
def test_workers_deliver_every_row_in_whole_blocks_and_those_given_up_at_once(
    ray_executor: tuple[RayExecutor, Deliveries], mode: str, bad: tuple[int, ...], lost: bool
) -> None:
    executor, deliveries = ray_executor
    deliveries.clear()
    each = batch(42, mode=mode, bad=list(bad), sleep=0.001)
    executor.submit(each)
    outcome = executor.collect(lambda: False)
    assert_same(outcome.arrays, expected(each, bad=bad))
    seen = np.zeros(42, dtype=int)
    for _, rows, result in deliveries:
        if result.arrays:
            assert rows[0] % BLOCK == 0
            assert (rows[-1] + 1) % BLOCK == 0 or rows[-1] == 41
            assert_same(result.arrays, {name: array[rows] for name, array in outcome.arrays.items()})
            seen[rows] += 1
    assert (seen == 1).all()
    alone = [rows for _, rows, result in deliveries if not result.arrays]
    assert alone == ([[13]] if lost else [])
    assert tuple(sorted({f.row for _, _, result in deliveries for f in result.failures})) == bad
    # And from any part of what was delivered, the rest gives the same.
    kept = random.Random(len(bad)).sample(deliveries, len(deliveries) // 2)
    known = KnownRows(each, ModalEvaluator())
    for _, rows, result in kept:
        known.add(rows, result, "ray")
    rest = known.rest()
    assert rest is not None
    executor.submit(rest)
    again = known.joined(executor.collect(lambda: False))
    assert_same(again.arrays, outcome.arrays)
    assert [f.row for f in again.failures] == [f.row for f in outcome.failures]
