"""The schedule without Ray: every batch ends, complete and in order, whatever becomes of the calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_executor import Clock, manager_with

from evo.distributed.executor import ChunkResult
from evo.distributed.failures import FailureType
from evo.distributed.schedule import QUEUED_PER_SLOT, Call, GivenUp, Schedule


def schedule_with(slots: int, block: int = 4, **settings: Any) -> tuple[Schedule, Clock]:
    manager, clock, _ = manager_with(slots, **settings)
    schedule = Schedule(manager, block)
    for index in range(slots):
        schedule.add_slot(f"s{index}")
    return schedule, clock


def hand_out(schedule: Schedule, clock: Clock) -> list[Call]:
    calls = []
    while (call := schedule.next_call(clock())) is not None:
        calls.append(call)
    return calls


def reply(call: Call, seconds_per_row: float = 0.1) -> ChunkResult:
    """Every row's result is its own position."""
    return ChunkResult({"value": np.array(call.chunk.rows)}, seconds=seconds_per_row * len(call.chunk.rows))


def measured(schedule: Schedule, clock: Clock, seconds_per_row: float = 0.1) -> None:
    """Bring one small batch through, so that the cost is known."""
    schedule.add(0, 1)
    (call,) = hand_out(schedule, clock)
    schedule.delivered(call, reply(call, seconds_per_row), clock())
    schedule.take(0)


def test_every_slot_gets_work_when_the_batch_allows_it() -> None:
    schedule, clock = schedule_with(3)
    measured(schedule, clock, seconds_per_row=1e-6)
    schedule.add(1, 30)
    calls = hand_out(schedule, clock)
    assert sorted(call.slot for call in calls) == ["s0", "s1", "s2"]
    assert [row for call in calls for row in call.chunk.rows] == list(range(30))


def test_chunks_are_whole_blocks() -> None:
    schedule, clock = schedule_with(2)
    measured(schedule, clock)
    schedule.add(1, 90)
    calls = hand_out(schedule, clock)
    assert all(call.chunk.rows[0] % 4 == 0 for call in calls)


def test_chunks_hold_about_the_target_of_work() -> None:
    schedule, clock = schedule_with(2, block=1)
    measured(schedule, clock, seconds_per_row=0.01)
    schedule.add(1, 1000)
    sizes = [len(call.chunk.rows) for call in hand_out(schedule, clock)]
    assert all(25 <= size <= 35 for size in sizes)


def test_a_slot_is_given_a_second_call_only_while_there_is_plenty() -> None:
    schedule, clock = schedule_with(2, block=1)
    measured(schedule, clock, seconds_per_row=0.3)
    schedule.add(1, 4)
    assert len(hand_out(schedule, clock)) == 2
    schedule.add(2, 20)
    calls = hand_out(schedule, clock)
    assert len(calls) == 2 * QUEUED_PER_SLOT - 2
    assert {call.chunk.batch for call in calls} == {1}  # the oldest batch first


def test_the_batch_after_keeps_workers_busy() -> None:
    schedule, clock = schedule_with(2, block=1)
    measured(schedule, clock, seconds_per_row=0.3)
    schedule.add(1, 2)
    schedule.add(2, 2)
    first, _ = hand_out(schedule, clock)
    schedule.delivered(first, reply(first), clock())
    (call,) = hand_out(schedule, clock)
    assert call.chunk.batch == 2


def test_the_first_reply_counts_and_a_late_double_is_dropped() -> None:
    schedule, clock = schedule_with(2, block=1)
    measured(schedule, clock)
    schedule.add(1, 1)
    (call,) = hand_out(schedule, clock)
    clock.now += 1.0
    (double,) = hand_out(schedule, clock)
    assert (double.chunk, double.slot != call.slot) == (call.chunk, True)
    assert hand_out(schedule, clock) == []
    assert schedule.delivered(double, reply(double), clock())
    assert schedule.complete(1)
    assert schedule.take(1).arrays["value"].tolist() == [0]
    assert not schedule.delivered(call, reply(call), clock())


def test_a_chunk_in_time_is_not_doubled() -> None:
    schedule, clock = schedule_with(2, block=1)
    measured(schedule, clock, seconds_per_row=1.0)
    schedule.add(1, 1)
    hand_out(schedule, clock)
    clock.now += 1.9
    assert hand_out(schedule, clock) == []


def test_what_waited_behind_a_lost_call_goes_elsewhere_unblamed() -> None:
    schedule, clock = schedule_with(2, block=1)
    measured(schedule, clock, seconds_per_row=0.3)
    schedule.add(1, 8)
    calls = hand_out(schedule, clock)
    on_s0 = [call for call in calls if call.slot == "s0"]
    assert len(on_s0) == QUEUED_PER_SLOT
    schedule.lose_slot("s0", FailureType.WORKER_CRASH, "died")
    for call in [call for call in calls if call.slot == "s1"]:
        schedule.delivered(call, reply(call), clock())
    assert {call.chunk for call in hand_out(schedule, clock)} <= {call.chunk for call in on_s0}


def test_a_retry_goes_to_any_idle_slot_where_the_chunk_has_not_failed() -> None:
    schedule, clock = schedule_with(2, block=1)
    measured(schedule, clock)
    schedule.add(1, 1)
    (call,) = hand_out(schedule, clock)
    schedule.failed(call, clock(), FailureType.NETWORK_ERROR, "lost")
    (again,) = hand_out(schedule, clock)
    assert again.chunk == call.chunk
    assert again.slot != call.slot


def test_a_deadline_that_was_guessed_is_longer_each_time() -> None:
    schedule, clock = schedule_with(2, block=1, deadline_floor=5.0, deadline_factor=4.0)
    measured(schedule, clock)
    schedule.add(1, 1)
    (call,) = hand_out(schedule, clock)
    assert schedule.allowance(call.chunk) == 5.0
    clock.now += 5.1
    assert schedule.overdue(clock()) == [call.slot]
    schedule.lose_slot(call.slot, FailureType.TASK_TIMEOUT, "late")
    assert schedule.allowance(call.chunk) == 10.0


def test_before_anything_is_measured_each_row_may_take_the_users_timeout() -> None:
    schedule, clock = schedule_with(1, block=8, evaluation_timeout=60.0, deadline_floor=5.0)
    schedule.add(1, 8)
    (call,) = hand_out(schedule, clock)
    assert schedule.allowance(call.chunk) == 5.0 + 8 * 60.0


def test_a_waiting_calls_time_runs_from_when_it_comes_to_the_head() -> None:
    schedule, clock = schedule_with(1, block=1)
    measured(schedule, clock, seconds_per_row=0.3)
    schedule.add(1, 8)
    first, second = hand_out(schedule, clock)
    assert second.since is None
    clock.now += 4.0
    schedule.delivered(first, reply(first), clock())
    clock.now += 4.0
    assert schedule.overdue(clock()) == []
    clock.now += 1.1
    assert schedule.overdue(clock()) == ["s0"]


def test_dropped_batches_leave_nothing_behind() -> None:
    schedule, clock = schedule_with(2)
    schedule.add(1, 50)
    calls = hand_out(schedule, clock)
    schedule.drop_batches()
    for call in calls[1:]:
        assert not schedule.delivered(call, reply(call), clock())
    schedule.lose_slot(calls[0].slot, FailureType.WORKER_CRASH, "died")
    assert hand_out(schedule, clock) == []


def test_with_fault_tolerance_off_the_first_failure_ends_it() -> None:
    schedule, clock = schedule_with(2, enable_fault_tolerance=False)
    schedule.add(1, 8)
    call, _ = hand_out(schedule, clock)
    with pytest.raises(GivenUp, match="died"):
        schedule.lose_slot(call.slot, FailureType.WORKER_CRASH, "died")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_becomes_of_the_calls_every_batch_ends_complete_and_in_order(data: Any) -> None:
    """Transient faults of every kind, doubles, late replies, workers that die with a queue; then peace."""
    slots, block = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    manager, clock, _ = manager_with(slots, max_restarts=10_000, max_retries=10_000, breaker_failures=10_000)
    schedule = Schedule(manager, block)
    for index in range(slots):
        schedule.add_slot(f"s{index}")
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=3))
    for batch, size in enumerate(sizes):
        schedule.add(batch, size)
    faults = data.draw(st.integers(0, 25))
    steps = 0
    while not all(schedule.complete(batch) for batch in range(len(sizes))):
        steps += 1
        assert steps < 3000, "it never ends"
        hand_out(schedule, clock)
        calls = list(schedule.calls())
        clock.now += data.draw(st.sampled_from([0.01, 0.3, 2.0])) if faults else 1.0
        for name in manager.due_restarts():
            manager.worker_starting(name)
            manager.worker_started(name)
            schedule.add_slot(name)
        if not calls:
            clock.now += 10.0  # until what was put off is due
            continue
        heads = [call for call in calls if call.since is not None]
        call = data.draw(st.sampled_from(heads)) if faults else heads[0]
        what = data.draw(st.sampled_from(["reply", "reply", "crash", "timeout", "lost"])) if faults else "reply"
        if what == "reply":
            schedule.delivered(call, reply(call), clock())
            continue
        faults -= 1
        if what == "lost":
            schedule.failed(call, clock(), FailureType.NETWORK_ERROR, "lost")
        else:
            kind = FailureType.WORKER_CRASH if what == "crash" else FailureType.TASK_TIMEOUT
            schedule.lose_slot(call.slot, kind, "died")
    for batch, size in enumerate(sizes):
        finished = schedule.take(batch)
        assert finished.failures == []
        assert finished.arrays["value"].tolist() == list(range(size))
