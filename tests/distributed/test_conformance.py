"""The conformance suite: every executor passes the same tests. A new one is done when it is in `KINDS` and passes.

With EVO_TEST_RAY_ADDRESS set, Ray is not started but joined there (see `test_ray_life`).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Any

import numpy as np
import psutil
import pytest
from modal_evaluator import ModalEvaluator, assert_same, batch, expected

from evo.distributed.executor import Batch, Executor, Interrupted, Outcome
from evo.distributed.fault_tolerance_config import FaultToleranceConfig
from evo.distributed.handover import HandoverExecutor
from evo.distributed.in_process import InProcessExecutor
from evo.distributed.ray_executor import RayExecutor
from evo.distributed.ray_start import RayCluster

CONFIG = FaultToleranceConfig(deadline_floor=4.0, deadline_factor=10.0, retry_delay=0.2, max_quarantined=1.0)

KINDS: dict[str, Callable[[], Executor]] = {
    "in_process": InProcessExecutor,
    "ray_1": lambda: RayExecutor(1, config=CONFIG),
    "ray_2": lambda: RayExecutor(2, config=CONFIG),
    "ray_3": lambda: RayExecutor(3, config=CONFIG),
    "handover": lambda: HandoverExecutor(RayExecutor(2, config=CONFIG), wait=True),
}
IN_WORKERS = [kind for kind in KINDS if kind != "in_process"]


class Events(list[tuple[str, dict[str, Any]]]):
    def __call__(self, kind: str, fields: dict[str, Any]) -> None:
        self.append((kind, fields))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [fields for found, fields in self if found == kind]


def never() -> bool:
    return False


def run(executor: Executor, *batches: Batch) -> list[Outcome]:
    """All of them under way at once."""
    for each in batches:
        executor.submit(each)
    return [executor.collect(never) for _ in batches]


def workers(executor: Any) -> list[psutil.Process]:
    """The processes of the executor's workers."""
    crew: Any = (executor._ray if isinstance(executor, HandoverExecutor) else executor)._crew
    return [slot.process for slot in crew.slots.by_id.values() if slot.process is not None]


@pytest.fixture(scope="module")
def shared_ray() -> Iterator[None]:
    """Ray started once for all executors of this module: they find it in use and leave it alone."""
    cluster = RayCluster(os.environ.get("EVO_TEST_RAY_ADDRESS"), 3)
    cluster.start()
    assert cluster.started(120)
    yield
    cluster.close()


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def executor(kind: str, request: pytest.FixtureRequest) -> Iterator[Executor]:
    if kind != "in_process":
        request.getfixturevalue("shared_ray")
    made = KINDS[kind]()
    made.start(ModalEvaluator(), Events())
    yield made
    made.close()
    made.close()  # idempotent


@pytest.fixture
def in_workers(kind: str) -> None:
    if kind not in IN_WORKERS:
        pytest.skip("this process cannot survive it: that is what workers are for")


def test_results_are_those_of_a_plain_loop_over_the_blocks(executor: Executor, kind: str) -> None:
    each = batch(50)
    (outcome,) = run(executor, each)
    assert_same(outcome.arrays, expected(each))
    assert outcome.failures == []
    assert outcome.evaluated_by == {"in_process" if kind == "in_process" else "ray": 50}


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 129])
def test_every_size_of_batch_is_put_together_in_order(executor: Executor, count: int) -> None:
    each = batch(count)
    (outcome,) = run(executor, each)
    assert_same(outcome.arrays, expected(each))


def test_several_batches_under_way_come_in_the_order_submitted(executor: Executor) -> None:
    batches = [batch(20, generation) for generation in range(3)]
    for each, outcome in zip(batches, run(executor, *batches), strict=True):
        assert_same(outcome.arrays, expected(each))


def test_rows_have_random_streams_of_their_own_wherever_they_run(executor: Executor) -> None:
    batches = [batch(30, generation, mode="noisy") for generation in range(2)]
    first, second = run(executor, *batches)
    assert_same(first.arrays, expected(batches[0]))
    assert_same(second.arrays, expected(batches[1]))


@pytest.mark.parametrize(
    ("mode", "kind_of_failure", "error"),
    [
        ("raises", "evaluation_error", "ValueError: row 9 is poison"),
        ("raises_not_picklable", "evaluation_error", "Local: cannot travel"),
        ("leaves", "evaluation_error", "SystemExit: 3"),
        ("gives_nan", "invalid_result", "objective: expected a finite number, found nan"),
    ],
)
def test_a_row_that_fails_alone_is_quarantined_and_costs_the_others_not_a_bit(
    executor: Executor, mode: str, kind_of_failure: str, error: str
) -> None:
    each = batch(50, mode=mode, bad=[9, 21])
    (outcome,) = run(executor, each)
    assert_same(outcome.arrays, expected(each, bad=(9, 21)))
    assert [(failure.row, failure.kind) for failure in outcome.failures] == [
        (9, kind_of_failure),
        (21, kind_of_failure),
    ]
    assert outcome.failures[0].error == error
    assert outcome.retries >= 2
    if kind_of_failure == "evaluation_error":
        assert f"in {mode}\n" in outcome.failures[0].traceback


def test_a_block_that_fails_while_none_of_its_rows_does_is_quarantined_whole(executor: Executor) -> None:
    each = batch(50, mode="wrong_shape", bad=[9])
    (outcome,) = run(executor, each)
    assert_same(outcome.arrays, expected(each, bad=(8, 9, 10, 11)))
    assert [(f.row, f.error) for f in outcome.failures] == [
        (row, "objective: expected 4 rows, found 3") for row in (8, 9, 10, 11)
    ]


def test_an_exception_that_passes_leaves_no_trace(executor: Executor, tmp_path: Any) -> None:
    each = batch(50, mode="raises_once", bad=[9], mark=str(tmp_path / "mark"))
    (outcome,) = run(executor, each)
    assert_same(outcome.arrays, expected(each))
    assert outcome.failures == []
    assert outcome.retries == 1


def test_all_rows_may_fail(executor: Executor) -> None:
    each = batch(10, mode="raises", bad=list(range(10)))
    (outcome,) = run(executor, each)
    assert [failure.row for failure in outcome.failures] == list(range(10))
    assert np.isinf(outcome.arrays["objective"]).all()


def test_asked_to_stop_it_stops_soon_and_can_go_on(executor: Executor) -> None:
    executor.submit(batch(400, sleep=0.005))
    executor.submit(batch(400, 1, sleep=0.005))
    began = monotonic()
    with pytest.raises(Interrupted):
        executor.collect(lambda: monotonic() - began > 0.3)
    assert monotonic() - began < 1.5
    each = batch(20, 2)
    (outcome,) = run(executor, each)
    assert_same(outcome.arrays, expected(each))


@pytest.mark.usefixtures("in_workers")
def test_a_killed_worker_costs_its_chunks_time_and_nothing_else(executor: Executor) -> None:
    each = batch(100, sleep=0.01)
    executor.submit(each)
    victims = workers(executor)
    polls = 0

    def kill_one() -> bool:
        nonlocal polls
        polls += 1
        if polls == 3:
            os.kill(victims[0].pid, signal.SIGKILL)
        return False

    outcome = executor.collect(kill_one)
    assert polls >= 3
    assert_same(outcome.arrays, expected(each))
    assert outcome.failures == []
    assert outcome.retries >= 1


@pytest.mark.usefixtures("in_workers")
def test_all_workers_killed_at_once_are_replaced(executor: Executor, kind: str) -> None:
    each = batch(100, sleep=0.01)
    executor.submit(each)
    victims: list[psutil.Process] = []
    polls = 0

    def kill_all() -> bool:
        nonlocal polls
        polls += 1
        if polls == 3:
            victims.extend(workers(executor))
            for victim in victims:
                os.kill(victim.pid, signal.SIGKILL)
        return False

    outcome = executor.collect(kill_all)
    assert victims
    assert_same(outcome.arrays, expected(each))
    assert outcome.retries >= 1
    (outcome,) = run(executor, batch(20))  # and the capacity is there again
    wanted = {"ray_1": 1, "ray_3": 3}.get(kind, 2)
    _until(lambda: bool(run(executor, batch(20))) and executor.workers_alive() == wanted)


@pytest.mark.usefixtures("in_workers")
@pytest.mark.parametrize("mode", ["ends_process_once", "hangs_once"])
def test_a_fault_of_the_worker_that_passes_leaves_no_trace(executor: Executor, mode: str, tmp_path: Any) -> None:
    run(executor, batch(50))  # the cost is known, and with it the deadline
    each = batch(50, mode=mode, bad=[9], mark=str(tmp_path / "mark"))
    (outcome,) = run(executor, each)
    assert_same(outcome.arrays, expected(each))
    assert outcome.failures == []
    assert outcome.retries >= (mode == "ends_process_once")  # a hung one may have been duplicated in time


@pytest.mark.usefixtures("in_workers")
def test_a_row_that_ends_its_process_is_quarantined_and_costs_the_others_not_a_bit(
    executor: Executor, kind: str
) -> None:
    if kind != "ray_2":
        pytest.skip("it takes a while, and how many workers it kills is the schedule's business, tested there")
    each = batch(30, mode="ends_process", bad=[9])
    (outcome,) = run(executor, each)
    assert_same(outcome.arrays, expected(each, bad=(9,)))
    assert [(failure.row, failure.kind) for failure in outcome.failures] == [(9, "worker_crash")]


def _until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline
        sleep(0.05)
