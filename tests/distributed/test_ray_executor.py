"""What only workers have: starting, refusing, being lost and handed over to."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest
from modal_evaluator import ModalEvaluator, assert_same, batch, expected

from evo.distributed import make_executor, ray_executor, whereabouts
from evo.distributed.fault_tolerance_config import FaultToleranceConfig
from evo.distributed.handover import HandoverExecutor
from evo.distributed.in_process import InProcessExecutor
from evo.distributed.ray_executor import RayExecutor
from evo.distributed.ray_start import RayCluster
from evo.errors import ExecutorError, ProblemError, SettingsError

CONFIG = FaultToleranceConfig(retry_delay=0.1, max_restarts=1, max_quarantined=1.0)


@pytest.fixture(scope="module", autouse=True)
def shared_ray() -> Iterator[None]:
    cluster = RayCluster(None, 2)
    cluster.start()
    assert cluster.started(120)
    yield
    cluster.close()


class Told(list[tuple[str, dict[str, Any]]]):
    def __call__(self, kind: str, fields: dict[str, Any]) -> None:
        self.append((kind, fields))

    def states(self) -> list[tuple[str, str]]:
        return [(fields["name"], fields["state"]) for kind, fields in self if kind == "executor"]


def never() -> bool:
    return False


class WarmsUpBadly(ModalEvaluator):
    def warm_up(self) -> None:
        raise OSError("no licence")


class HoldsALock(ModalEvaluator):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


class DiesOnceMarked(ModalEvaluator):
    """Its workers start, until the mark is there."""

    def __init__(self, mark: Path) -> None:
        super().__init__()
        self.mark = mark

    def warm_up(self) -> None:
        if self.mark.exists():
            os._exit(1)
        super().warm_up()


def kill_workers(executor: RayExecutor) -> None:
    assert executor._crew is not None
    for slot in executor._crew.slots.by_id.values():
        if slot.process is not None:
            os.kill(slot.process.pid, signal.SIGKILL)


def test_an_evaluator_that_cannot_warm_up_is_an_error_that_says_why() -> None:
    executor = RayExecutor(1, config=CONFIG)
    with pytest.raises(ExecutorError, match="a worker cannot start: OSError: no licence"):
        executor.start(WarmsUpBadly(), Told())
    executor.close()


def test_a_problem_that_cannot_be_pickled_is_an_error_that_says_what_to_do() -> None:
    executor = RayExecutor(1, config=CONFIG)
    with pytest.raises(ProblemError, match=r"cannot be pickled \(TypeError: .*lock.*workers=0"):
        executor.start(HoldsALock(), Told())
    executor.close()


def test_workers_run_the_users_module_as_it_was_imported_not_as_it_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "users_own_module.py"
    (tmp_path / "users_helper.py").write_text("FACTOR = 3.0\n")
    module.write_text(
        "import numpy as np\n"
        "import users_helper\n"
        "class Evaluator:\n"
        "    block = 2\n"
        "    def warm_up(self): pass\n"
        "    def evaluate(self, rows, context):\n"
        "        return {'objective': users_helper.FACTOR * rows['genome'].sum(axis=1)}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    evaluator = importlib.import_module("users_own_module").Evaluator()
    module.write_text("raise RuntimeError('edited after the run began')\n")
    (tmp_path / "users_helper.py").unlink()
    executor = RayExecutor(1, config=CONFIG)
    try:
        executor.start(evaluator, Told())
        each = batch(5)
        executor.submit(each)
        np.testing.assert_array_equal(
            executor.collect(never).arrays["objective"], 3.0 * each.rows["genome"].sum(axis=1)
        )
    finally:
        executor.close()
        for name in ("users_own_module", "users_helper"):
            sys.modules.pop(name, None)


def test_a_worker_with_other_versions_is_refused_with_the_difference_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ray_executor.versions()
    monkeypatch.setattr(ray_executor, "versions", lambda: {**found, "numpy": "1.0"})
    executor, told = RayExecutor(1, config=CONFIG), Told()
    with pytest.raises(ExecutorError, match=f"numpy: expected 1.0, found {found['numpy']}"):
        executor.start(ModalEvaluator(), told)
    executor.close()


def test_workers_that_die_again_and_again_end_the_run_with_the_reason(tmp_path: Path) -> None:
    executor = RayExecutor(2, config=CONFIG)
    executor.start(DiesOnceMarked(tmp_path / "mark"), Told())
    executor.submit(batch(200, sleep=0.01))
    executor._poll(0.0)
    (tmp_path / "mark").touch()
    kill_workers(executor)
    with pytest.raises(ExecutorError, match="max_restarts = 1 times in a row; the last time: ActorDiedError"):
        executor.collect(never)
    executor.close()


def test_a_row_that_hangs_is_quarantined_after_the_users_timeout() -> None:
    config = FaultToleranceConfig(
        deadline_floor=0.5, evaluation_timeout=0.5, retry_delay=0.1, max_quarantined=1.0, deadline_factor=2.0
    )
    executor = RayExecutor(2, config=config)
    executor.start(ModalEvaluator(), Told())
    try:
        executor.submit(batch(16))
        executor.collect(never)
        each = batch(16, 1, mode="hangs", bad=[6])
        executor.submit(each)
        outcome = executor.collect(never)
        assert_same(outcome.arrays, expected(each, bad=(6,)))
        assert [(f.row, f.kind) for f in outcome.failures] == [(6, "task_timeout")]
        report = json.loads(json.dumps(executor.report()))
        assert report["metrics"]["failures"]["task_timeout"] >= 2
        assert report["metrics"]["actor_failures/worker_cumulative"] >= 2
        assert report["metrics"]["rows_done"] >= 31
        assert [worker["id"] for worker in report["workers"]] == ["worker-0", "worker-1"]
        assert [node["status"] for node in report["nodes"]] == ["alive"]
        assert abs(report["nodes"][0]["since"] - time.time()) < 600  # Unix time
    finally:
        executor.close()


def test_a_row_that_hangs_is_known_at_once_and_costs_its_chunk_no_deadline() -> None:
    config = FaultToleranceConfig(evaluation_timeout=0.5, deadline_floor=300.0, retry_delay=0.1, max_quarantined=1.0)
    executor, told = RayExecutor(2, config=config), Told()
    executor.start(ModalEvaluator(1), told)
    try:
        each = batch(16, mode="hangs", bad=[6])
        executor.submit(each)
        outcome = executor.collect(never)
        assert_same(outcome.arrays, expected(each, bad=(6,), block=1))
        assert [(f.row, f.kind) for f in outcome.failures] == [(6, "task_timeout")]
        assert all(fields["suspects"] in ((6,), ()) for kind, fields in told if kind == "failure")
        assert (6,) in [fields["suspects"] for kind, fields in told if kind == "failure"]
    finally:
        executor.close()


def test_a_worker_that_hangs_before_any_cost_is_known_is_replaced_when_it_has_long_done_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(whereabouts, "UNMEASURED_IDLE_SECONDS", 2.0)
    executor = RayExecutor(1, config=CONFIG)
    executor.start(ModalEvaluator(), Told())
    try:
        each = batch(4, mode="hangs_once", bad=[2], mark=str(tmp_path / "mark"))
        executor.submit(each)
        assert_same(executor.collect(never).arrays, expected(each))
    finally:
        executor.close()


def test_a_worker_that_the_kernel_ends_for_want_of_memory_has_its_chunk_halved(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kills = itertools.count()
    executor, told = RayExecutor(2, config=CONFIG), Told()
    executor.start(ModalEvaluator(), told)
    try:
        executor.submit(batch(16))
        executor.collect(never)  # from now on chunks have several blocks
        monkeypatch.setattr(whereabouts.out_of_memory, "kills", lambda: next(kills))
        assert executor._crew is not None
        executor._crew._whereabouts._kills = -1
        each = batch(64, 1, mode="ends_process_once", bad=[2], mark=str(tmp_path / "mark"))
        executor.submit(each)
        assert_same(executor.collect(never).arrays, expected(each))
        assert [f["kind"] for kind, f in told if kind == "failure"] == ["out_of_memory"]
        assert [f["reason"] for kind, f in told if kind == "retry"] == ["out of memory: halved"]
    finally:
        executor.close()


def test_it_is_handed_over_in_mid_run_when_workers_are_ready_and_a_batch_is_worth_it() -> None:
    told = Told()
    executor = HandoverExecutor(RayExecutor(2, config=CONFIG))
    executor.start(ModalEvaluator(), told)
    try:
        for generation in range(5):  # trivial batches start nothing
            executor.submit(batch(8, generation))
            assert executor.collect(never).evaluated_by == {"in_process": 8}
        assert told.states() == [("in_process", "ready")]

        where: list[str] = []
        generation, deadline = 5, monotonic() + 60.0
        executor.submit(batch(8, generation, sleep=0.01))
        while where[-3:] != ["ray"] * 3:
            assert monotonic() < deadline, where
            generation += 1
            executor.submit(batch(8, generation, sleep=0.01))  # one more is always under way: a lookahead of 1
            outcome = executor.collect(never)
            assert_same(outcome.arrays, expected(batch(8, generation - 1)))
            where += outcome.evaluated_by
        assert where[:2] == ["in_process", "in_process"]
        assert executor.name == "ray"
        assert executor.workers_alive() == 2
        assert told.states()[1:] == [("ray", "starting"), ("ray", "ready")]
    finally:
        executor.close()


def test_an_explicit_number_of_workers_is_started_at_once_and_takes_over_in_the_middle_of_a_batch() -> None:
    told = Told()
    executor = make_executor(2, builtin=True)
    assert isinstance(executor, HandoverExecutor)
    executor.start(ModalEvaluator(), told)
    try:
        assert ("ray", "starting") in told.states()
        each = batch(4000, sleep=0.01)  # 40 s here
        executor.submit(each)
        outcome = executor.collect(never)
        assert_same(outcome.arrays, expected(each))
        assert outcome.evaluated_by["in_process"] > 0
        assert outcome.evaluated_by["ray"] > 0
        assert sum(outcome.evaluated_by.values()) == 4000
    finally:
        executor.close()


@pytest.mark.parametrize("falls_back", [True, False])
def test_when_ray_is_lost_the_batches_under_way_are_done_here_or_it_is_an_error(
    falls_back: bool, tmp_path: Path
) -> None:
    told = Told()
    executor = HandoverExecutor(RayExecutor(1, config=CONFIG), wait=True, falls_back=falls_back)
    executor.start(DiesOnceMarked(tmp_path / "mark"), told)
    batches = [batch(60, generation, sleep=0.005) for generation in range(3)]
    for each in batches:
        executor.submit(each)
    (tmp_path / "mark").touch()
    kill_workers(executor._ray)
    if falls_back:
        for each in batches:
            outcome = executor.collect(never)
            assert_same(outcome.arrays, expected(each))
            assert outcome.evaluated_by == {"in_process": 60}
        assert told.states()[-2:] == [("ray", "lost"), ("in_process", "ready")]
    else:
        with pytest.raises(ExecutorError, match="max_restarts"):
            executor.collect(never)
    executor.close()


def test_a_cluster_that_cannot_be_joined_is_an_error_for_the_users_code_and_none_for_a_built_in_problem() -> None:
    def unreachable() -> RayExecutor:
        executor = RayExecutor(1, config=CONFIG)
        executor._cluster._error = ConnectionError("nobody is there")
        executor._cluster._ready.set()
        executor._cluster.start = lambda: None  # type: ignore[method-assign]
        return executor

    with pytest.raises(ExecutorError, match="cannot start Ray: ConnectionError: nobody is there"):
        unreachable().start(ModalEvaluator(), Told())
    with pytest.raises(ExecutorError, match="nobody is there"):  # who waits for workers wants them
        HandoverExecutor(unreachable(), wait=True).start(ModalEvaluator(), Told())
    told = Told()
    executor = HandoverExecutor(unreachable(), eager=True)
    executor.start(ModalEvaluator(), told)
    each = batch(10)
    executor.submit(each)
    assert_same(executor.collect(never).arrays, expected(each))
    assert ("ray", "lost") in told.states()
    executor.close()


def test_the_executor_follows_from_the_settings() -> None:
    assert isinstance(make_executor(0, builtin=True), InProcessExecutor)
    assert isinstance(make_executor(2, builtin=False), RayExecutor)
    assert isinstance(make_executor(2, builtin=True), HandoverExecutor)
    local = make_executor(2, builtin=False, config={"on_cluster_loss": "local"})
    assert isinstance(local, HandoverExecutor)
    with pytest.raises(SettingsError, match="max_retries"):
        make_executor(0, builtin=True, config={"max_retries": -1})
