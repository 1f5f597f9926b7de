"""`evo.distributed.map`: order, failures, what is kept, what is shared; in this process and in workers that die."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evo import distributed
from evo.distributed.ray_start import RayCluster
from evo.errors import ProblemError, SettingsError

QUICK = {"retry_delay": 0.1}
HERE_AND_THERE = pytest.mark.parametrize("workers", [0, 1])


@pytest.fixture(scope="module", autouse=True)
def shared_ray() -> Iterator[None]:
    cluster = RayCluster(None, 2)
    cluster.start()
    assert cluster.started(120)
    yield
    cluster.close()


class Point:
    def __init__(self, x: float) -> None:
        self.x = x


class Picky(Exception):
    """Cannot be unpickled: it takes two arguments, and pickle gives it one."""

    def __init__(self, item: int, why: str) -> None:
        super().__init__(f"{item}: {why}")


def double(item: Any) -> Any:
    return 2 * item


def slow_at_first(item: int) -> int:
    time.sleep(0.1 if item < 4 else 0.001)
    return item


def fails_at_3(item: int) -> int:
    time.sleep(0.02)
    if item == 3:
        raise ValueError(f"item {item}\nis poison")
    return item


def test_results_come_in_the_order_of_the_items() -> None:
    for workers in (0, 2):
        assert distributed.map(slow_at_first, iter(range(100)), workers=workers) == list(range(100))


@HERE_AND_THERE
def test_items_and_results_may_be_anything_that_can_be_pickled(workers: int) -> None:
    mixed = [1, "a", None, [1, [2]], np.arange(3), {"k": (1,)}, Point(1.0)]
    found = distributed.map(lambda item: [item, item], mixed, workers=workers)
    assert found.indices == list(range(7))
    assert found.failures == []
    assert found[:4] == [[1, 1], ["a", "a"], [None, None], [[1, [2]], [1, [2]]]]
    np.testing.assert_array_equal(found[4][1], np.arange(3))
    assert found[5] == [{"k": (1,)}] * 2
    assert type(found[6][1]) is Point  # though its class went to the worker and back by value
    assert found[6][1].x == 1.0


def test_no_items_need_no_worker() -> None:
    begin = time.monotonic()
    assert distributed.map(double, []) == []
    assert time.monotonic() - begin < 0.5


@HERE_AND_THERE
def test_a_failure_is_raised_from_what_the_function_raised_with_what_was_done(workers: int) -> None:
    with pytest.raises(distributed.MapError, match=r"items\[3\]: ValueError: item 3 is poison; \d+ of 400") as raised:
        distributed.map(fails_at_3, range(400), workers=workers)
    partial = raised.value.partial
    assert isinstance(raised.value.__cause__, ValueError)
    assert partial == partial.indices
    assert 0 < len(partial) < 300  # it did not wait for the rest
    assert [failure.index for failure in partial.failures] == [3]
    assert "in fails_at_3" in partial.failures[0].traceback
    if workers:
        assert "in fails_at_3" in raised.value.__cause__.__notes__[0]


@HERE_AND_THERE
def test_failures_are_skipped_or_returned_where_that_is_asked_for(workers: int) -> None:
    skipped = distributed.map(fails_at_3, range(6), workers=workers, on_error="skip")
    assert skipped == skipped.indices == [0, 1, 2, 4, 5]
    assert [(f.index, f.kind, f.error) for f in skipped.failures] == [
        (3, "evaluation_error", "ValueError: item 3 is poison")
    ]
    returned = distributed.map(fails_at_3, range(6), workers=workers, on_error="return")
    assert returned.indices == list(range(6))
    assert isinstance(returned[3], ValueError)
    assert returned[3] is returned.failures[0].exception


@HERE_AND_THERE
def test_an_item_gets_max_retries_attempts_while_the_function_raises(workers: int, tmp_path: Path) -> None:
    def succeeds_at_the_third(item: int) -> int:
        with (tmp_path / f"{workers}-{item}").open("a") as file:
            file.write("x")
        if (tmp_path / f"{workers}-{item}").stat().st_size < 3:
            raise ConnectionError("busy")
        return item

    assert distributed.map(succeeds_at_the_third, [0], workers=workers, max_retries=3) == [0]
    failed = distributed.map(succeeds_at_the_third, [1], workers=workers, max_retries=2, on_error="skip")
    assert [failure.error for failure in failed.failures] == ["ConnectionError: busy"]
    assert (tmp_path / f"{workers}-1").stat().st_size == 2


def test_what_cannot_travel_from_a_worker_is_the_failure_of_its_item_alone() -> None:
    def odd(item: int) -> Any:
        if item == 1:
            return threading.Lock()
        if item == 2:
            raise Picky(item, "no")
        if item == 4:
            sys.exit(3)
        return item

    found = distributed.map(odd, range(6), workers=1, on_error="return")
    assert [found[at] for at in (0, 3, 5)] == [0, 3, 5]
    assert [(f.index, f.kind) for f in found.failures] == [
        (1, "invalid_result"), (2, "evaluation_error"), (4, "evaluation_error"),
    ]  # fmt: skip
    assert "the result, lock, cannot be pickled" in found.failures[0].error
    assert isinstance(found[2], distributed.ItemError)
    assert "2: no" in str(found[2])
    assert isinstance(found[4], SystemExit)


def test_a_worker_that_dies_costs_nothing_and_an_item_that_kills_costs_itself(tmp_path: Path) -> None:
    def deadly(item: int) -> int:
        time.sleep(0.01)
        if item == 20 and not (tmp_path / "mark").exists():
            (tmp_path / "mark").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if item == 30:
            os._exit(1)
        return item

    found = distributed.map(deadly, range(60), workers=2, on_error="skip", fault_tolerance=QUICK)
    assert found == [item for item in range(60) if item != 30]
    assert [(f.index, f.kind) for f in found.failures] == [(30, "worker_crash")]
    assert "ends the worker's process" in str(found.failures[0].exception)
    assert (tmp_path / "mark").exists()


def test_an_item_beyond_its_timeout_is_ended_and_given_up() -> None:
    def hangs(item: int) -> int:
        while item == 7:
            pass
        return item

    begin = time.monotonic()
    found = distributed.map(hangs, range(20), workers=2, timeout=0.5, on_error="skip", fault_tolerance=QUICK)
    assert found == [item for item in range(20) if item != 7]
    assert [(f.index, f.kind) for f in found.failures] == [(7, "task_timeout")]
    assert time.monotonic() - begin < 25


@HERE_AND_THERE
def test_what_is_shared_is_given_to_every_call(workers: int) -> None:
    table = {"weights": np.arange(1000.0), "name": "w"}

    def by_position(item: int, table: Any) -> float:
        return float(table["weights"][item])

    def by_keyword(item: int, *, shared: Any) -> tuple[str, bool]:
        return shared["name"], bool(shared["weights"].flags.writeable)

    assert distributed.map(by_position, [3, 999], workers=workers, shared=table) == [3.0, 999.0]
    (name, writeable), _ = distributed.map(by_keyword, [0, 1], workers=workers, shared=table)
    assert name == "w"
    assert writeable is (workers == 0)  # in workers it is a view of Ray's store: not copied


@HERE_AND_THERE
def test_progress_is_told_until_all_are_done(workers: int) -> None:
    told: list[tuple[int, int]] = []
    distributed.map(
        fails_at_3, range(30), workers=workers, on_error="skip", progress=lambda done, of: told.append((done, of))
    )
    assert told == sorted(set(told))
    assert told[-1] == (30, 30)
    assert len(told) > 2


@HERE_AND_THERE
def test_what_was_done_survives_ctrl_c(workers: int) -> None:
    def press(done: int, total: int) -> None:
        if done >= 10:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as raised:
        distributed.map(fails_at_3, range(4, 2000), workers=workers, progress=press)
    partial = raised.value.partial  # type: ignore[attr-defined]  # a MapInterrupted
    assert 10 <= len(partial) < 500
    assert partial == [index + 4 for index in partial.indices]


def test_what_was_done_survives_the_loss_of_all_workers(tmp_path: Path) -> None:
    def ends(item: int) -> int:
        time.sleep(0.02)
        if (tmp_path / "mark").exists():
            os._exit(1)
        return item

    config = {"retry_delay": 0.01, "max_restarts": 0, "max_retries": 100}
    with pytest.raises(distributed.MapError, match="max_restarts = 0 times in a row") as raised:
        distributed.map(
            ends, range(400), workers=2, fault_tolerance=config,
            progress=lambda done, total: (tmp_path / "mark").touch() if done >= 10 else None,
        )  # fmt: skip
    partial = raised.value.partial
    assert 10 <= len(partial) < 400
    assert partial == partial.indices


def test_workers_reserve_what_was_asked_for() -> None:
    def who(item: int) -> tuple[int, str, str]:
        time.sleep(0.05)
        return os.getpid(), os.environ["EVO_TEST"], os.environ.get("OMP_NUM_THREADS", "")

    environment = {"env_vars": {"EVO_TEST": "yes"}}
    found = distributed.map(who, range(8), num_cpus=2, runtime_env=environment)
    assert len({pid for pid, _, _ in found}) == 1  # the cluster has two
    assert {(variable, threads) for _, variable, threads in found} == {("yes", "2")}
    with pytest.raises(distributed.MapError, match=r"no node .* has room for a worker \(1 CPU, 1 GPU\)"):
        distributed.map(double, [1], num_gpus=1)
    with pytest.raises(distributed.MapError, match=r"\(1 CPU, 1e\+06 GB of memory\)"):
        distributed.map(double, [1], memory=1e15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workers": -1}, 'workers: expected a whole number, 0 or more, or "auto", found -1'),
        ({"workers": "many"}, "workers: .* found 'many'"),
        ({"on_error": "ignore"}, 'on_error: expected "raise", "skip" or "return", found \'ignore\''),
        ({"timeout": -1}, "evaluation_timeout: expected a number of seconds > 0"),
        ({"timeout": 1, "workers": 0}, "timeout: expected None with workers=0, found 1"),
        ({"runtime_env": {"pip": []}, "workers": 0}, "runtime_env: expected None with workers=0"),
        ({"max_retries": 0}, "max_retries: expected an integer >= 1, found 0"),
        ({"num_cpus": 0}, "num_cpus: expected a number > 0, found 0"),
        ({"num_gpus": -1}, "num_gpus: expected a number >= 0, found -1"),
        ({"memory": "1 GB"}, "memory: expected a number of bytes > 0, found '1 GB'"),
    ],
)
def test_a_wrong_argument_is_an_error_that_names_it(arguments: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        distributed.map(double, [1], **arguments)


def test_what_cannot_be_sent_is_named() -> None:
    with pytest.raises(ProblemError, match=r"items\[1\]: expected one that can be sent to worker processes"):
        distributed.map(double, [1, threading.Lock()], workers=1)
    lock = threading.Lock()
    with pytest.raises(ProblemError, match=r"function: expected one that can be sent to worker processes"):
        distributed.map(lambda item: lock, [1], workers=1)


def test_map_stays_a_function_when_its_module_is_imported() -> None:
    import importlib

    importlib.import_module("evo.distributed.parallel_map")
    assert callable(distributed.map)
