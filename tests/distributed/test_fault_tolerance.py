"""The manager's decisions, rule by rule; no Ray, no sleeping, no time but the one that the test lets pass."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_executor import CONDEMNING, Clock, Simulation, manager_with

from evo.distributed.decisions import Action, Chunk, Decision
from evo.distributed.executor import RowFailure
from evo.distributed.failures import FailureType
from evo.distributed.fault_tolerance import (
    LOSSES_AT_FIRST,
    LOSSES_LATER,
    FaultToleranceConfig,
    FaultToleranceManager,
)
from evo.errors import CheckpointError, SettingsError

CRASH, TIMEOUT, OOM = FailureType.WORKER_CRASH, FailureType.TASK_TIMEOUT, FailureType.OUT_OF_MEMORY
RAISED, INVALID = FailureType.EVALUATION_ERROR, FailureType.INVALID_RESULT
NETWORK, NODE_LOST, HEAD_LOST = FailureType.NETWORK_ERROR, FailureType.NODE_LOST, FailureType.HEAD_LOST


def chunk_of(*rows: int, **other: Any) -> Chunk:
    return Chunk(0, rows, **other)


def fail(manager: FaultToleranceManager, chunk: Chunk, kind: FailureType, slot: str, **other: Any) -> Decision:
    """Start the chunk on the slot, let it fail, and replace the worker where it is gone."""
    manager.chunk_started(chunk, slot)
    decision = manager.chunk_failed(chunk, kind, slot=slot, error=other.pop("error", "broken"), **other)
    restart(manager, slot)
    return decision


def deliver(manager: FaultToleranceManager, chunk: Chunk, slot: str, **other: Any) -> Decision:
    manager.chunk_started(chunk, slot)
    return manager.chunk_delivered(chunk, slot, **other)


def restart(manager: FaultToleranceManager, slot: str) -> bool:
    if slot not in manager.due_restarts():
        return False
    manager.worker_starting(slot)
    manager.worker_started(slot)
    return True


# ---- tasks by name


@pytest.mark.parametrize("config", [{"max_retries": 3, "retry_delay": 5, "health_check_interval": 30}, None])
def test_a_task_is_tried_three_times(config: dict[str, Any] | None) -> None:
    manager = FaultToleranceManager(config)
    assert [manager.handle_task_failure("t", CRASH, "gone") for _ in range(3)] == [True, True, False]


def test_tasks_are_counted_apart_and_forgotten_when_done() -> None:
    manager = FaultToleranceManager()
    for task in ("a", {"id": 7}, {"task_id": 8}, ("a", 1)):
        assert manager.handle_task_failure(task, "task_timeout", TimeoutError("late"))
        assert manager.handle_task_failure(task, "task_timeout", TimeoutError("late"))
    manager.handle_task_success({"id": 7})
    assert manager.handle_task_failure({"id": 7}, "task_timeout", "late")
    assert not manager.handle_task_failure("a", "task_timeout", "late")


def test_a_manager_refuses_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match=r"fault_tolerance.max_retries: expected an integer >= 1, found 0"):
        FaultToleranceManager({"max_retries": 0})


def test_tasks_of_a_lost_worker_go_to_the_least_loaded_of_the_others() -> None:
    manager, _, _ = manager_with(3)
    for row in range(4):
        manager.chunk_started(chunk_of(row), "s1")
    assigned = manager.reassign_tasks("s0", [f"t{i}" for i in range(6)], ["s0", "s1", "s2"])
    assert set(assigned) == {f"t{i}" for i in range(6)}
    assert Counter(assigned.values()) == {"s2": 5, "s1": 1}


def test_tasks_never_go_to_the_failed_a_dead_or_a_barred_worker() -> None:
    manager, clock, _ = manager_with(5, nodes=5)
    manager.handle_worker_failure("s1")
    manager.registry.workers["s2"].breaker.open()
    manager.node_health("n3", healthy=False, reason="full disk")
    everyone = [f"s{i}" for i in range(5)]
    assert set(manager.reassign_tasks("s0", range(4), everyone).values()) == {"s4"}
    assert manager.reassign_tasks("s4", range(4), ["s4", "s1", "s2", "s3"]) == {}
    clock.now += 301.0
    assert manager.reassign_tasks("s4", range(4), ["s2"]) == {0: "s2"}  # half-open: one probe


@given(st.integers(1, 6), st.integers(0, 30), st.lists(st.integers(0, 5), max_size=6))
def test_reassigned_tasks_are_balanced_whatever_the_loads(workers: int, tasks: int, loads: list[int]) -> None:
    manager, _, _ = manager_with(workers)
    before = {f"s{i}": load for i, load in enumerate([*loads, *[0] * workers][:workers])}
    for name, load in before.items():
        for row in range(load):
            manager.chunk_started(chunk_of(row), name)
    assigned = manager.reassign_tasks("s0", range(tasks), list(before))
    assert len(assigned) == (tasks if workers > 1 else 0)
    given_to = Counter(assigned.values())
    after = {name: before[name] + given_to[name] for name in before if name != "s0"}
    for name in given_to:  # whoever got a task had no more, before it, than anyone
        assert after[name] - 1 <= min(after.values())


def test_a_lost_worker_is_replaced_until_its_restarts_are_used_up() -> None:
    manager, clock, _ = manager_with(1)
    for _ in range(3):
        assert manager.handle_worker_failure("s0", CRASH, "gone")
        clock.now += 100.0
        assert restart(manager, "s0")
    assert not manager.handle_worker_failure("s0", CRASH, "gone")
    assert manager.due_restarts() == []
    assert "max_restarts = 3" in manager.hopeless


def test_a_worker_that_was_never_heard_of_can_fail_too() -> None:
    manager = FaultToleranceManager()
    assert manager.handle_worker_failure("w7")
    assert manager.reassign_tasks("w1", ["a"], ["w7"]) == {}


class _Optimizer:
    def __init__(self) -> None:
        self.loaded: Any = None

    def load_state(self, state: Any) -> None:
        self.loaded = state


def test_a_checkpoint_is_loaded_into_an_optimizer() -> None:
    optimizer = _Optimizer()
    checkpoint = {"optimizer": {"type": "ga", "state": {"x": 1}}, "run": {"generation": 40}}
    assert FaultToleranceManager().recover_from_checkpoint(checkpoint, optimizer) == 40
    assert optimizer.loaded == {"x": 1}


@pytest.mark.parametrize(
    "checkpoint", [{}, {"optimizer": {}, "run": {}}, {"optimizer": None}, {"optimizer": {"state": 1}}]
)
def test_a_checkpoint_without_the_state_is_refused_and_nothing_is_loaded(checkpoint: dict[str, Any]) -> None:
    optimizer = _Optimizer()
    with pytest.raises(CheckpointError, match=r"expected the fields optimizer.state and run.generation"):
        FaultToleranceManager().recover_from_checkpoint(checkpoint, optimizer)
    assert optimizer.loaded is None


# ---- retrying


def test_the_first_retry_goes_at_once_to_another_healthy_slot() -> None:
    manager, clock, _ = manager_with(2)
    manager.batch_started(0, 8, block=4)
    chunk = chunk_of(*range(8))
    decision = fail(manager, chunk, CRASH, "s0")
    assert (decision.action, decision.parts, decision.due) == (Action.RETRY, (chunk,), clock.now)
    assert decision.avoid_slots == {"s0"}
    assert manager.place(chunk, ["s0", "s1"]) == "s1"
    assert manager.place(chunk, ["s0"]) is None, "it waits for the slot where it has not failed"
    manager.chunk_started(chunk_of(9), "s1")
    assert manager.place(chunk, ["s0"]) is None, "… though it is busy"


def test_a_chunk_prefers_another_node_but_does_not_wait_for_it() -> None:
    manager, _, _ = manager_with(4, nodes=2)  # s0, s2 on n0; s1, s3 on n1
    manager.batch_started(0, 8, block=4)
    chunk = chunk_of(*range(8))
    fail(manager, chunk, CRASH, "s0")
    assert manager.place(chunk, ["s0", "s2", "s3"]) == "s3"
    assert manager.place(chunk, ["s0", "s2"]) == "s2"


def test_with_a_single_slot_the_replaced_worker_gets_the_chunk() -> None:
    manager, _, _ = manager_with(1)
    manager.batch_started(0, 8, block=4)
    chunk = chunk_of(*range(8))
    fail(manager, chunk, CRASH, "s0")
    assert manager.place(chunk, ["s0"]) == "s0"


def test_later_retries_wait_twice_as_long_each_time_up_to_a_cap() -> None:
    manager, clock, _ = manager_with(4, max_retries=9, retry_delay=5.0, max_retry_delay=30.0, max_restarts=99)
    manager.batch_started(0, 1)
    chunk, waits = chunk_of(0), []
    for attempt in range(7):
        decision = fail(manager, chunk, CRASH, f"s{attempt % 4}")
        waits.append(decision.due - clock.now)
        if decision.due > clock.now:
            clock.now = decision.due - 0.001
            assert manager.place(chunk, ["s0", "s1", "s2", "s3"]) is None
            assert manager.next_due() == pytest.approx(decision.due)
        clock.now = max(decision.due, clock.now)
        assert manager.place(chunk, ["s0", "s1", "s2", "s3"]) is not None
    assert waits[0] == 0.0
    for wait, longest in zip(waits[1:], (5, 10, 20, 30, 30, 30), strict=True):
        assert 0.9 * longest <= wait <= longest


def test_waits_are_the_same_for_the_same_events_and_differ_between_chunks() -> None:
    def wait(row: int) -> float:
        manager, clock, _ = manager_with(2)
        manager.batch_started(0, 9)
        fail(manager, chunk_of(row), CRASH, "s0")
        return fail(manager, chunk_of(row), CRASH, "s1").due - clock.now

    assert [wait(row) for row in range(9)] == [wait(row) for row in range(9)]
    assert len({wait(row) for row in range(9)}) == 9


def test_a_lost_message_never_speaks_against_a_row() -> None:
    manager, clock, _ = manager_with(2)
    manager.batch_started(0, 1)
    chunk = chunk_of(0)
    for attempt in range(12):
        decision = fail(manager, chunk, (NETWORK, HEAD_LOST)[attempt % 2], "s0")
        assert decision.action is Action.RETRY
        clock.now = decision.due


def test_a_lost_message_with_no_other_slot_is_asked_for_again_after_a_while() -> None:
    manager, clock, _ = manager_with(1)
    manager.batch_started(0, 1)
    assert fail(manager, chunk_of(0), NETWORK, "s0").due > clock.now + 4.0


def test_a_measured_deadline_only_moves_the_work_with_twice_the_patience_each_time() -> None:
    manager, clock, _ = manager_with(2)
    manager.batch_started(0, 64, block=32)
    chunk = chunk_of(*range(64))
    assert manager.deadline(chunk, expected=10.0) == 40.0
    assert manager.deadline(chunk, expected=0.01) == 5.0
    for attempt in range(6):
        decision = fail(manager, chunk, TIMEOUT, f"s{attempt % 2}")
        assert (decision.action, decision.parts, decision.due) == (Action.RETRY, (chunk,), clock.now)
        assert manager.deadline(chunk, expected=10.0) == 40.0 * 2 ** (attempt + 1)
        clock.now += 30.0
    assert not manager.hopeless, "a slow chunk uses up nobody's restarts"
    assert all(worker.breaker.failures <= 1 for worker in manager.registry.workers.values())


def test_one_evaluation_timeout_is_added_to_a_deadline() -> None:
    manager, _, _ = manager_with(1, evaluation_timeout=100.0)
    assert manager.deadline(chunk_of(0, 1, 2), expected=10.0) == 140.0


# ---- splitting and quarantine


def test_a_chunk_that_failed_on_two_workers_is_split_into_single_rows_at_once() -> None:
    manager, clock, _ = manager_with(2)
    manager.batch_started(0, 8, block=4)
    chunk = chunk_of(*range(8))
    fail(manager, chunk, CRASH, "s0")
    decision = fail(manager, chunk, CRASH, "s1")
    assert decision.action is Action.SPLIT
    assert decision.due <= clock.now
    assert decision.parts == tuple(chunk_of(row, probe=True) for row in range(8))
    assert all(manager.place(part, ["s0", "s1"]) for part in decision.parts)


def test_the_row_known_to_be_guilty_is_tried_alone_first_and_the_other_blocks_go_on_whole() -> None:
    manager, _, _ = manager_with(2)
    manager.batch_started(0, 12, block=4)
    chunk = chunk_of(*range(12))
    fail(manager, chunk, CRASH, "s0", suspects=[5])
    decision = fail(manager, chunk, CRASH, "s1", suspects=[5])
    assert decision.parts == (chunk_of(5, probe=True), chunk_of(0, 1, 2, 3, 8, 9, 10, 11))


def test_rows_under_way_in_both_failures_are_suspected_before_all_others() -> None:
    manager, _, _ = manager_with(2)
    manager.batch_started(0, 8, block=4)
    chunk = chunk_of(*range(8))
    fail(manager, chunk, CRASH, "s0", suspects=[4, 5])
    decision = fail(manager, chunk, CRASH, "s1", suspects=[5, 6])
    assert decision.parts == (chunk_of(5, probe=True), chunk_of(0, 1, 2, 3))


def split_block(manager: FaultToleranceManager, kind: FailureType = CRASH, **other: Any) -> Chunk:
    block = chunk_of(0, 1, 2, 3)
    manager.batch_started(0, 100, block=4)
    fail(manager, block, kind, "s0", **other)
    assert fail(manager, block, kind, "s1", **other).action is Action.SPLIT
    return block


def test_a_transient_fault_leaves_no_trace_the_block_is_evaluated_again_whole() -> None:
    manager, _, _ = manager_with(2)
    block = split_block(manager)
    decisions = [deliver(manager, chunk_of(row, probe=True), "s0") for row in (2, 0, 3, 1)]
    assert [d.parts for d in decisions] == [(), (), (), (block,)]
    assert deliver(manager, block, "s0") == Decision(Action.DONE)
    assert manager.metrics.rows_quarantined == 0


def test_a_quarantined_row_is_excluded_when_its_block_is_evaluated_again() -> None:
    manager, clock, told = manager_with(2)
    split_block(manager)
    for row in (0, 1, 3):
        deliver(manager, chunk_of(row, probe=True), "s0")
    for slot in ("s0", "s1"):
        decision = fail(manager, chunk_of(2, probe=True), CRASH, slot)
        assert decision.action is Action.RETRY
        clock.now += 60.0
    decision = fail(manager, chunk_of(2, probe=True), CRASH, "s0", error="SIGSEGV", traceback="here")
    assert decision.action is Action.QUARANTINE
    assert decision.quarantined == (RowFailure(2, "worker_crash", "SIGSEGV", "here"),)
    (again,) = decision.parts
    assert again == chunk_of(0, 1, 2, 3, excluded=(2,))
    assert again.active == (0, 1, 3)
    quarantined = [fields for kind, fields in told if kind == "quarantined"]
    assert quarantined == [{"row": 2, "kind": "worker_crash", "error": "SIGSEGV", "traceback": "here"}]


@pytest.mark.parametrize("kind", [CRASH, NODE_LOST, OOM])
def test_the_loss_of_a_worker_or_node_counts_only_where_the_row_was_alone(kind: FailureType) -> None:
    manager, clock, _ = manager_with(2, max_restarts=9)
    split_block(manager, kind, suspects=[2])
    probe = chunk_of(2, probe=True)
    actions = []
    for slot in ("s0", "s1", "s0"):
        if kind is NODE_LOST:
            manager.worker_started(slot)
        actions.append(fail(manager, probe, kind, slot).action)
        clock.now += 60.0
    assert actions == [Action.RETRY, Action.RETRY, Action.QUARANTINE]


def test_a_row_that_overran_its_timeout_twice_is_quarantined_when_it_does_so_alone() -> None:
    manager, _, _ = manager_with(2, evaluation_timeout=10.0)
    split_block(manager, TIMEOUT, suspects=[2])
    assert fail(manager, chunk_of(2, probe=True), TIMEOUT, "s0").action is Action.QUARANTINE


def test_overrun_timeouts_do_not_make_a_later_loss_count_more() -> None:
    manager, _, _ = manager_with(2, evaluation_timeout=10.0)
    split_block(manager, TIMEOUT, suspects=[2])
    assert fail(manager, chunk_of(2, probe=True), CRASH, "s0").action is Action.RETRY


def test_a_chunk_of_one_row_blocks_is_split_into_chunks_whose_results_count() -> None:
    manager, _, _ = manager_with(2)
    manager.batch_started(0, 100, block=1)
    fail(manager, chunk_of(0, 1, 2), CRASH, "s0", suspects=[1])
    decision = fail(manager, chunk_of(0, 1, 2), CRASH, "s1", suspects=[1])
    assert decision.parts == (chunk_of(1), chunk_of(0, 2))


def test_a_row_of_which_it_is_not_known_that_it_was_under_way_gets_one_try_more() -> None:
    manager, _, _ = manager_with(2, evaluation_timeout=10.0)
    split_block(manager, TIMEOUT)
    assert fail(manager, chunk_of(2, probe=True), TIMEOUT, "s0").action is Action.RETRY
    assert fail(manager, chunk_of(2, probe=True), TIMEOUT, "s1").action is Action.QUARANTINE


@pytest.mark.parametrize("kind", [RAISED, INVALID])
def test_a_deterministic_exception_gets_one_more_try(kind: FailureType) -> None:
    manager, clock, _ = manager_with(2)
    manager.batch_started(0, 100)
    decision = fail(manager, chunk_of(7), kind, "s0", error="ValueError: 7")
    assert (decision.action, decision.due) == (Action.RETRY, clock.now)
    assert fail(manager, chunk_of(7), kind, "s1", error="ValueError: 7").action is Action.QUARANTINE


def test_different_exceptions_of_one_row_get_every_try() -> None:
    manager, _, _ = manager_with(2)
    manager.batch_started(0, 100)
    actions = [fail(manager, chunk_of(7), RAISED, "s0", error=f"OSError: {i}").action for i in range(3)]
    assert actions == [Action.RETRY, Action.RETRY, Action.QUARANTINE]


def test_out_of_memory_halves_a_chunk_at_once_between_two_blocks() -> None:
    manager, _, _ = manager_with(2)
    manager.batch_started(0, 10, block=4)
    decision = fail(manager, chunk_of(*range(10)), OOM, "s0")
    assert decision.action is Action.SPLIT
    assert decision.parts == (chunk_of(0, 1, 2, 3), chunk_of(*range(4, 10)))
    decision = fail(manager, chunk_of(*range(4, 10)), OOM, "s1")
    assert decision.parts == (chunk_of(4, 5, 6, 7), chunk_of(8, 9))
    assert fail(manager, chunk_of(8, 9), OOM, "s1").action is Action.RETRY


def test_a_block_that_fails_though_no_row_of_it_does_is_given_up_after_two_acquittals() -> None:
    manager, clock, _ = manager_with(2, max_restarts=99)
    block = split_block(manager)
    for round_ in range(2):
        for row in range(4):
            decision = deliver(manager, chunk_of(row, probe=True), "s0")
        assert decision.parts == (block,)
        fail(manager, block, CRASH, "s0")
        clock.now += 60.0
        decision = fail(manager, block, CRASH, "s1")
        clock.now += 60.0
        assert decision.action is (Action.SPLIT, Action.QUARANTINE)[round_]
    assert [failure.row for failure in decision.quarantined] == [0, 1, 2, 3]


def test_a_block_that_lost_a_row_is_examined_afresh() -> None:
    manager, clock, _ = manager_with(2, max_restarts=99)
    split_block(manager)
    failure = RowFailure(2, "evaluation_error", "ValueError: 2")
    for row in (0, 1, 3):
        deliver(manager, chunk_of(row, probe=True), "s0")
    (block,) = deliver(manager, chunk_of(2, probe=True), "s0", given_up=[failure]).parts
    for expected in (Action.SPLIT, Action.SPLIT, Action.QUARANTINE):
        fail(manager, block, CRASH, "s0")
        clock.now += 60.0
        decision = fail(manager, block, CRASH, "s1")
        clock.now += 60.0
        assert decision.action is expected
        for part in decision.parts:
            deliver(manager, part, "s0")
    assert [failure.row for failure in decision.quarantined] == [0, 1, 3]


def test_a_row_quarantined_before_is_not_counted_again_with_its_block() -> None:
    manager, _, _ = manager_with(2)
    split_block(manager, suspects=[2])
    failure = RowFailure(2, "evaluation_error", "ValueError: 2")
    (block,) = deliver(manager, chunk_of(2, probe=True), "s0", given_up=[failure]).parts
    deliver(manager, block, "s0", given_up=[failure, RowFailure(3, "evaluation_error", "ValueError: 3")])
    assert manager.metrics.rows_quarantined == 2


def test_a_row_that_the_worker_itself_found_guilty_alone_is_excluded() -> None:
    manager, _, _ = manager_with(2)
    split_block(manager, suspects=[2])
    failure = RowFailure(2, "evaluation_error", "ValueError: 2")
    decision = deliver(manager, chunk_of(2, probe=True), "s0", given_up=[failure])
    assert (decision.action, decision.quarantined) == (Action.QUARANTINE, (failure,))
    assert decision.parts == (chunk_of(0, 1, 2, 3, excluded=(2,)),)


def test_late_doubles_change_nothing() -> None:
    manager, _, _ = manager_with(2)
    block = split_block(manager)
    assert deliver(manager, block, "s0").parts == ()
    for row in range(4):
        assert deliver(manager, chunk_of(row, probe=True), "s0") == Decision(Action.DONE)
        assert fail(manager, chunk_of(row, probe=True), RAISED, "s0") == Decision(Action.DONE)
    manager.batch_finished(0)
    assert deliver(manager, block, "s0") == Decision(Action.DONE)
    assert fail(manager, block, CRASH, "s0").action is Action.DONE


# ---- blame


def test_blame_for_a_poisonous_chunk_is_taken_back() -> None:
    manager, clock, told = manager_with(1, breaker_failures=1, evaluation_timeout=5.0)
    manager.batch_started(0, 100, block=4)
    block, probe = chunk_of(0, 1, 2, 3), chunk_of(2, probe=True)
    for chunk in (block, probe):
        clock.now += 60.0
        restart(manager, "s0")
        fail(manager, chunk, TIMEOUT, "s0", suspects=[2])
    worker = manager.registry.workers["s0"]
    assert worker.breaker.failures == 0
    assert not worker.breaker.is_open()
    assert worker.blame == []
    assert restart(manager, "s0") or worker.status == "alive"
    assert [f["state"] for kind, f in told if kind == "breaker" and f["of"] == "slot"] == ["open", "closed"]


def test_blame_for_a_chunk_that_was_innocent_stays() -> None:
    manager, _, _ = manager_with(2)
    block = split_block(manager)
    for row in range(4):
        deliver(manager, chunk_of(row, probe=True), "s0")
    deliver(manager, block, "s0")
    assert manager.registry.workers["s1"].breaker.failures == 1


def test_what_the_evaluation_raised_is_no_blame_for_its_worker() -> None:
    manager, _, _ = manager_with(1)
    manager.batch_started(0, 100)
    for row in range(20):
        fail(manager, chunk_of(row), RAISED, "s0", error=str(row))
    assert manager.registry.workers["s0"].breaker.failures == 0
    assert manager.workers_alive() == 1


def test_a_slots_breaker_opens_after_more_than_three_failures_and_closes_after_its_probe() -> None:
    manager, clock, _ = manager_with(3)
    manager.batch_started(0, 1000, block=10)
    for first in range(0, 40, 10):
        fail(manager, chunk_of(*range(first, first + 10)), CRASH, "s0")
        clock.now += 60.0
        restart(manager, "s0")
        deliver(manager, chunk_of(500 + first), "s0") if first < 30 else None
    assert manager.usable_slots() == ["s1", "s2"]
    clock.now += 300.0
    assert manager.usable_slots() == ["s0", "s1", "s2"]
    manager.chunk_started(chunk_of(1), "s0")
    assert manager.usable_slots() == ["s1", "s2"], "one probe at a time"
    manager.chunk_delivered(chunk_of(1), "s0")
    assert manager.usable_slots() == ["s0", "s1", "s2"]


def test_when_every_breaker_is_open_the_least_bad_slot_is_probed_at_once() -> None:
    manager, _, _ = manager_with(3)
    for name in ("s0", "s1", "s2"):
        manager.registry.workers[name].breaker.failure()
        manager.registry.workers[name].breaker.open()
    manager.registry.workers["s0"].breaker.failure()
    manager.registry.workers["s1"].breaker.failure()
    chunk = chunk_of(0)
    assert manager.place(chunk, ["s0", "s1", "s2"]) == "s2"
    manager.chunk_started(chunk, "s2")
    assert manager.place(chunk_of(1), ["s0", "s1"]) is None, "its answer is awaited first"
    manager.chunk_delivered(chunk, "s2")
    assert manager.usable_slots() == ["s2"]


def test_a_node_is_shut_when_more_than_three_of_its_slots_are_and_not_for_scattered_failures() -> None:
    manager, clock, _ = manager_with(8, breaker_failures=3)
    manager.batch_started(0, 1000)
    node = manager.registry.nodes["n0"].breaker
    for slot in range(8):  # three failures in each of eight slots: normal on a large machine
        for row in range(3):
            fail(manager, chunk_of(10 * slot + row), CRASH, f"s{slot}")
            clock.now += 60.0
            restart(manager, f"s{slot}")
            deliver(manager, chunk_of(500 + 10 * slot + row), f"s{slot}")
    assert node.failures == 0
    for slot in range(4):
        assert not node.is_open()
        fail(manager, chunk_of(900 + slot), CRASH, f"s{slot}")
    assert node.is_open()


@pytest.mark.parametrize("kind", [HEAD_LOST, NODE_LOST])
def test_a_probe_that_ends_with_no_word_on_the_slot_can_be_given_again(kind: FailureType) -> None:
    manager, clock, _ = manager_with(2, nodes=2)
    manager.batch_started(0, 100)
    breaker = manager.registry.workers["s0"].breaker
    breaker.open()
    clock.now += 300.0
    fail(manager, chunk_of(0), kind, "s0")
    assert not breaker.probing
    assert breaker.admits()


def test_an_open_breaker_of_a_node_bars_all_its_slots() -> None:
    manager, clock, told = manager_with(4, nodes=2)
    for _ in range(4):
        manager.node_lost("n0", "gone")
        manager.node_joined("n0")
    for name in ("s0", "s2"):
        manager.slot_added(name, "n0")
        manager.worker_started(name)
    assert manager.usable_slots() == ["s1", "s3"]
    assert {"of": "node", "id": "n0", "state": "open", "failures": 4} in [f for kind, f in told if kind == "breaker"]
    clock.now += 300.0
    manager.chunk_started(chunk_of(0), "s0")
    assert manager.usable_slots() == ["s1", "s3"], "the node's one probe is under way"
    manager.chunk_delivered(chunk_of(0), "s0")
    assert manager.usable_slots() == ["s0", "s1", "s2", "s3"]


# ---- restarts


def test_a_delivered_chunk_resets_the_count_of_restarts_in_a_row() -> None:
    manager, clock, _ = manager_with(1)
    manager.batch_started(0, 1000)
    for row in range(20):
        fail(manager, chunk_of(row), CRASH, "s0")
        clock.now += 400.0
        restart(manager, "s0")
        deliver(manager, chunk_of(row), "s0")
    assert not manager.hopeless


def test_the_first_restart_goes_at_once_and_the_next_ones_wait() -> None:
    manager, clock, _ = manager_with(1)
    manager.worker_lost("s0", CRASH)
    assert restart(manager, "s0")
    manager.worker_lost("s0", CRASH)
    assert not restart(manager, "s0")
    clock.now += 5.0
    assert restart(manager, "s0")


def test_a_failure_is_counted_once_though_it_is_seen_twice() -> None:
    manager, _, _ = manager_with(1)
    manager.batch_started(0, 4, block=4)
    chunk = chunk_of(0, 1, 2, 3)
    manager.chunk_started(chunk, "s0")
    manager.chunk_failed(chunk, CRASH, slot="s0")
    manager.worker_lost("s0", CRASH)
    worker = manager.registry.workers["s0"]
    assert (len(worker.blame), worker.failures, worker.breaker.failures) == (1, 1, 1)
    assert manager.metrics.actor_failures_cumulative["worker"] == 1


def test_one_poisonous_row_does_not_use_up_the_restarts_of_a_single_worker() -> None:
    manager, clock, _ = manager_with(1, max_restarts=1)
    simulation = Simulation(
        manager, clock, size=64, block=8, chunk=32, poison={13: CRASH}, names_the_row=False
    )  # fmt: skip
    simulation.run()
    assert simulation.gave_up == ""
    assert simulation.quarantined == {13}


# ---- nodes and signs of life


def test_a_lost_node_takes_its_slots_along_and_a_returning_one_brings_them_back() -> None:
    manager, _, told = manager_with(4, nodes=2)
    assert manager.node_lost("n0", "raylet died") == ["s0", "s2"]
    assert manager.node_lost("n0", "raylet died") == []
    assert manager.usable_slots() == ["s1", "s3"]
    assert manager.due_restarts() == [], "no worker is started on a machine that is gone"
    assert manager.hopeless == ""
    manager.node_joined("n0")
    manager.slot_added("s0", "n0")
    manager.worker_started("s0")
    assert manager.usable_slots() == ["s0", "s1", "s3"]
    assert [f["status"] for kind, f in told if kind == "node" and f["id"] == "n0"] == ["alive", "lost", "alive"]


def test_with_every_node_lost_the_run_is_not_hopeless() -> None:
    manager, _, _ = manager_with(2)
    manager.node_lost("n0")
    assert manager.usable_slots() == []
    assert manager.hopeless == ""


def test_a_node_with_other_versions_is_refused_and_the_difference_is_named() -> None:
    ours = {"python": "3.11.7", "ray": "2.60.0", "numpy": "2.4.0", "numba": "0.68.1", "evo": "0.1.0"}
    manager = FaultToleranceManager(versions=ours)
    assert manager.node_joined("n0", versions=ours) == []
    theirs = {**ours, "numpy": "2.3.0"}
    del theirs["numba"]
    differences = manager.node_joined("n1", versions=theirs)
    assert differences == ["numpy: expected 2.4.0, found 2.3.0", "numba: expected 0.68.1, found none"]
    manager.slot_added("s1", "n1")
    manager.worker_started("s1")
    assert manager.usable_slots() == []


def test_an_unhealthy_node_gets_no_new_work_until_it_recovers() -> None:
    manager, _, _ = manager_with(2, nodes=2)
    manager.node_health("n0", healthy=False, reason="memory: 97 %, more than 95 %")
    assert manager.usable_slots() == ["s1"]
    assert manager.snapshot()["nodes"][0]["reason"] == "memory: 97 %, more than 95 %"
    manager.node_health("n0", healthy=True)
    assert manager.usable_slots() == ["s0", "s1"]


def test_when_every_node_is_unhealthy_one_chunk_at_a_time_still_goes_on() -> None:
    manager, _, _ = manager_with(4, nodes=2)
    for node in ("n0", "n1"):
        manager.node_health(node, healthy=False, reason="disk: 99 %, more than 95 %")
    slot = manager.place(chunk_of(0), ["s0", "s1", "s2", "s3"])
    assert slot is not None
    manager.chunk_started(chunk_of(0), slot)
    assert manager.place(chunk_of(1), ["s0", "s1", "s2", "s3"]) is None


def test_a_worker_is_silent_after_120_seconds_without_a_heartbeat_though_it_evaluates() -> None:
    manager, clock, _ = manager_with(2)
    for _ in range(5):
        manager.heartbeat("s0")
        clock.now += 100.0
    assert manager.silent_workers() == []
    clock.now += 20.5
    assert manager.silent_workers() == ["s0"], "s1 has no monitor, and is not missed"
    manager.worker_lost("s0", CRASH, "no heartbeat")
    assert manager.silent_workers() == []


def test_heartbeats_are_not_awaited_where_monitoring_is_off() -> None:
    manager, clock, _ = manager_with(1, enable_health_monitoring=False)
    manager.heartbeat("s0")
    clock.now += 1e6
    assert manager.silent_workers() == []


# ---- the end of a run


def test_turned_off_the_first_failure_ends_the_run() -> None:
    manager, _, _ = manager_with(2, enable_fault_tolerance=False)
    manager.batch_started(0, 100)
    decision = fail(manager, chunk_of(0), RAISED, "s0", error="ValueError: no")
    assert decision.action is Action.GIVE_UP
    assert "ValueError: no" in decision.reason
    assert manager.hopeless == decision.reason
    assert not manager.handle_task_failure("t", CRASH, "")


def test_turned_off_a_row_that_the_worker_gave_up_ends_the_run_too() -> None:
    manager, _, _ = manager_with(1, enable_fault_tolerance=False)
    manager.batch_started(0, 100)
    decision = deliver(manager, chunk_of(0), "s0", given_up=[RowFailure(0, "invalid_result", "objective: NaN")])
    assert decision.action is Action.GIVE_UP
    assert "objective: NaN" in decision.reason


def test_a_run_in_which_everything_fails_is_given_up_with_its_first_error_whole() -> None:
    manager, clock, _ = manager_with(2)
    simulation = Simulation(
        manager, clock, size=40, block=4, chunk=8, poison=dict.fromkeys(range(40), RAISED), names_the_row=True
    )  # fmt: skip
    simulation.run()
    assert simulation.gave_up == (
        "37 of 40 individuals failed, more than max_quarantined = 0.9 allows; the first error: evaluation_error: broken"
    )


def test_a_generation_too_small_to_judge_is_judged_with_those_before_it() -> None:
    manager, _, _ = manager_with(1)
    actions = []
    for generation in range(12):
        manager.batch_started(generation, 1)
        chunk = Chunk(generation, (0,))
        fail(manager, chunk, RAISED, "s0", error="no")
        actions.append(fail(manager, chunk, RAISED, "s0", error="no").action)
        manager.batch_finished(generation)
        if actions[-1] is Action.GIVE_UP:
            break
    assert actions == [Action.QUARANTINE] * 9 + [Action.GIVE_UP]


def test_many_good_generations_do_not_hide_one_in_which_all_fail() -> None:
    manager, _, _ = manager_with(1)
    for generation in range(20):
        manager.batch_started(generation, 50)
        deliver(manager, Chunk(generation, tuple(range(50))), "s0")
        manager.batch_finished(generation)
    manager.batch_started(20, 50)
    failures = [RowFailure(row, "invalid_result", "objective: NaN") for row in range(46)]
    assert deliver(manager, Chunk(20, tuple(range(50))), "s0", given_up=failures[:45]).action is Action.DONE
    assert deliver(manager, Chunk(20, tuple(range(50))), "s0", given_up=failures).action is Action.GIVE_UP


# ---- as a whole


@st.composite
def troubles(draw: st.DrawFn) -> dict[str, Any]:
    block = draw(st.integers(1, 8))
    size = draw(st.integers(12, 60))
    poison = draw(st.dictionaries(st.integers(0, size - 1), st.sampled_from(CONDEMNING), max_size=size // 4))
    return {
        "slots": draw(st.integers(1, 5)),
        "nodes": draw(st.integers(1, 3)),
        "size": size,
        "block": block,
        "chunk": block * draw(st.integers(1, 4)),
        "poison": poison,
        "names_the_row": draw(st.booleans()),
        "kinds": draw(st.lists(st.sampled_from([CRASH, NETWORK, HEAD_LOST, NODE_LOST]), max_size=4)),
        "dice": draw(st.integers(0, 2**32)),
        "evaluation_timeout": 30.0,
    }


@settings(max_examples=250, deadline=None)
@given(troubles())
def test_poison_and_only_poison_is_quarantined_and_every_other_row_gets_one_result(trouble: dict[str, Any]) -> None:
    # Restarts are not limited here: many poisonous chunks in a row may rightly use them up.
    manager, clock, _ = manager_with(
        trouble["slots"], trouble["nodes"], max_restarts=1000, max_quarantined=1.0,
        evaluation_timeout=trouble["evaluation_timeout"],
    )  # fmt: skip
    dice = random.Random(trouble["dice"])
    left = list(trouble["kinds"])
    if left.count(CRASH) + left.count(NODE_LOST) > 2:  # three losses of one row alone are poison by definition
        left = [kind for kind in left if kind in (NETWORK, HEAD_LOST)]

    def fault(step: int, slot: str) -> FailureType | None:
        return left.pop() if left and dice.random() < 0.3 else None

    simulation = Simulation(
        manager, clock, size=trouble["size"], block=trouble["block"], chunk=trouble["chunk"],
        poison=trouble["poison"], names_the_row=trouble["names_the_row"], fault=fault,
    )  # fmt: skip
    simulation.run()
    assert simulation.gave_up == ""
    assert simulation.quarantined == set(trouble["poison"])
    assert len(simulation.filled) == trouble["size"]
    assert all(worker.load == 0 for worker in manager.registry.workers.values())


def test_nothing_is_remembered_of_a_batch_that_is_over() -> None:
    manager, clock, _ = manager_with(3)
    for _ in range(3):
        poison = {5: CRASH, 17: RAISED, 30: OOM}
        Simulation(manager, clock, size=48, block=4, chunk=16, poison=poison, names_the_row=True).run()
    book = manager._casebook
    assert len(book._judged) == 1
    left = [book._batches, book._records, book._inquests, book._innocent, book._acquittals]
    assert left == [{}, {}, {}, {}, {}]


def test_alerts_are_told_once_until_they_cease() -> None:
    manager, _, told = manager_with(3, nodes=3)
    manager.node_lost("n0")
    assert [f for kind, f in told if kind == "alert"] == []
    manager.node_lost("n1")
    manager.batch_started(0, 100)
    for row in range(5):
        deliver(manager, chunk_of(row), "s2")
    messages = [f["message"] for kind, f in told if kind == "alert"]
    assert messages == ["2 nodes were lost"]


def test_the_registry_and_the_metrics_are_plain_values() -> None:
    import json

    manager, clock, _ = manager_with(2, nodes=2)
    manager.batch_started(0, 8, block=4)
    fail(manager, chunk_of(*range(8)), CRASH, "s0")
    clock.now += 2.0
    deliver(manager, chunk_of(*range(8)), "s1", seconds=0.5)
    snapshot = manager.snapshot()
    json.dumps(snapshot)
    first = snapshot["workers"][0]
    assert (first["id"], first["node"], first["failures"], first["restarts"]) == ("s0", "n0", 1, 1)
    assert snapshot["metrics"]["actor_restarts/worker"] == 1
    assert snapshot["metrics"]["tasks_retried"] == 1
    assert snapshot["metrics"]["rows_done"] == 8


def test_the_policy_imports_neither_ray_nor_gputil() -> None:
    code = (
        "import sys; import evo.distributed.fault_tolerance, evo.distributed.health_monitor, evo.distributed.metrics;"
        "print(sorted({'ray', 'GPUtil', 'matplotlib', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_the_config_in_force_is_the_one_given() -> None:
    config = FaultToleranceConfig(max_retries=7)
    assert FaultToleranceManager(config, clock=Clock()).config is config


@pytest.mark.parametrize(("ever", "losses"), [(False, LOSSES_AT_FIRST), (True, LOSSES_LATER)])
def test_a_run_in_which_every_worker_dies_and_none_delivers_is_given_up_with_the_first_loss_whole(
    ever: bool, losses: int
) -> None:
    manager, _, _ = manager_with(2, max_restarts=10_000)
    manager.batch_started(0, 1000)
    if ever:
        manager.chunk_started(Chunk(0, (999,)), "s0")
        manager.chunk_delivered(Chunk(0, (999,)), "s0")
    for loss in range(losses):
        chunk = Chunk(0, (loss,))
        manager.chunk_started(chunk, "s0")
        decision = manager.chunk_failed(
            chunk, FailureType.WORKER_CRASH, slot="s0", error="its evaluation ends it", traceback=f"signal {loss}"
        )
        manager.worker_starting("s0")
        manager.worker_started("s0")
        assert (decision.action is Action.GIVE_UP) == (loss == losses - 1)
    assert f"{losses} workers were lost in a row" in decision.reason
    assert "the first loss: worker_crash: signal 0" in decision.reason


def test_one_chunk_delivered_between_two_losses_keeps_a_run_with_much_poison_going() -> None:
    manager, _, _ = manager_with(2, max_restarts=10_000)
    manager.batch_started(0, 1000)
    for loss in range(3 * LOSSES_LATER):
        chunk = Chunk(0, (loss,))
        manager.chunk_started(chunk, "s0")
        assert manager.chunk_failed(chunk, FailureType.WORKER_CRASH, slot="s0").action is not Action.GIVE_UP
        manager.worker_starting("s0")
        manager.worker_started("s0")
        manager.chunk_started(Chunk(0, (999,)), "s1")
        manager.chunk_delivered(Chunk(0, (999,)), "s1")
