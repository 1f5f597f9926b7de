"""Beacons, heartbeats and the watch over a cluster, without Ray."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from time import monotonic, sleep
from typing import Any

import psutil
import pytest

from evo.distributed import out_of_memory
from evo.distributed.beacon import read_from
from evo.distributed.blocks import evaluate_chunk
from evo.distributed.cluster_watch import ClusterWatch, host_and_port
from evo.distributed.node_monitor import NodeMonitor, Watched
from evo.distributed.reaper import Reaper


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = monotonic() + seconds
    while not holds():
        assert monotonic() < deadline
        sleep(0.01)


@pytest.fixture
def child() -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def watched(process: subprocess.Popen[bytes], beacon: str = "none") -> dict[str, Watched]:
    return {"worker-0": Watched(process.pid, psutil.Process(process.pid).create_time(), beacon)}


def test_a_beacon_tells_where_a_worker_was_when_it_was_killed_and_leaves_no_file(child: Any) -> None:
    name = token_hex(8)
    process = child(
        f"from evo.distributed.beacon import Beacon\nb = Beacon({name!r}); b.call = 7; b(3, 2)\n"
        "print(flush=True); input()"
    )
    process.stdout.readline()
    reader = read_from(name)
    assert reader is not None
    process.kill()
    process.wait()
    place = reader.read()
    assert (place.call, place.first, place.count) == (7, 3, 2)
    assert 0 <= place.seconds < 60
    assert not Path(tempfile.gettempdir(), f"evo-beacon-{name}").exists()
    assert read_from(name) is None


def test_an_evaluation_tells_its_beacon_of_every_block_and_of_rows_examined_alone() -> None:
    from modal_evaluator import ModalEvaluator, batch

    evaluator, each, told = ModalEvaluator(4), batch(10, mode="raises", bad=[5]), []
    evaluator.warm_up()
    evaluate_chunk(evaluator, each.rows, each.context, at_work=lambda first, count: told.append((first, count)))
    alone = [(4, 1), (5, 1), (6, 1), (7, 1)]
    assert told == [(0, 4), (4, 4), *alone, (4, 4), (8, 2), (0, 0)]


def test_a_heartbeat_comes_from_a_worker_that_holds_the_gil_and_none_from_a_dead_or_another_one(child: Any) -> None:
    monitor = NodeMonitor()
    busy = child("print(flush=True)\nwhile True: pass")
    busy.stdout.readline()
    seen = watched(busy)
    first = monitor.look(seen).workers["worker-0"]
    assert first.alive
    assert not first.stopped
    until(lambda: monitor.look(seen).workers["worker-0"].cpu > first.cpu)
    other = {"worker-0": seen["worker-0"]._replace(born=seen["worker-0"].born - 100)}
    assert not monitor.look(other).workers["worker-0"].alive
    busy.kill()
    until(lambda: not monitor.look(seen).workers["worker-0"].alive)  # a zombie is dead too


def test_a_stopped_worker_is_told_apart_and_an_idle_one_by_how_long_it_does_nothing(child: Any) -> None:
    monitor = NodeMonitor()
    idle = child("print(flush=True); input()")
    idle.stdout.readline()
    seen = watched(idle)
    until(lambda: monitor.look(seen).workers["worker-0"].idle > 0.2)
    os.kill(idle.pid, signal.SIGSTOP)
    until(lambda: monitor.look(seen).workers["worker-0"].stopped)


def test_work_in_a_process_that_the_worker_started_is_work(child: Any) -> None:
    monitor = NodeMonitor()
    parent = child(
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-c', 'while True: pass'])\nprint(p.pid, flush=True)\ninput()"
    )
    grandchild = int(parent.stdout.readline())
    try:
        seen, began = watched(parent), monotonic()
        while monotonic() < began + 0.6:
            assert monitor.look(seen).workers["worker-0"].idle < 0.3
            sleep(0.1)
    finally:
        os.kill(grandchild, signal.SIGKILL)


def test_the_kernels_count_of_processes_killed_for_want_of_memory_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "memory.events"
    file.write_text("low 0\noom 3\noom_kill 2\noom_group_kill 0\n")
    assert out_of_memory._counted(file) == 2
    assert out_of_memory._counted(tmp_path / "nothing") == 0
    assert out_of_memory.kills() >= 0


@pytest.fixture
def head() -> Iterator[socket.socket]:
    listener = socket.create_server(("127.0.0.1", 0))
    yield listener
    listener.close()


NODE = {"NodeID": "a", "Alive": True, "NodeManagerAddress": "10.0.0.1", "Resources": {"CPU": 2.0}}


def test_the_watch_sees_nodes_come_and_go(head: socket.socket) -> None:
    there = [NODE]
    watch = ClusterWatch(lambda: list(there), head.getsockname(), period=0.01).start()
    until(lambda: set(watch.nodes() or {}) == {"a"})
    there.append({**NODE, "NodeID": "b"})
    until(lambda: set(watch.nodes() or {}) == {"a", "b"})
    there[0] = {**NODE, "Alive": False}
    until(lambda: set(watch.nodes() or {}) == {"b"})
    assert watch.head_trouble() == ""
    watch.stop()


def test_a_head_that_is_gone_is_noticed_without_asking_it(head: socket.socket) -> None:
    asked = threading.Event()

    def ask() -> list[dict[str, Any]]:
        asked.set()
        return [NODE]

    watch = ClusterWatch(ask, head.getsockname(), period=0.01).start()
    until(asked.is_set)
    head.close()
    began = monotonic()
    until(lambda: watch.head_trouble() != "")
    assert "refused" in watch.head_trouble().lower()
    assert monotonic() - began < 5.0
    asked.clear()
    sleep(0.5)
    assert not asked.is_set()  # Ray's answer would never come
    watch.stop()


def test_a_head_that_dies_while_it_is_asked_is_noticed_as_soon(head: socket.socket) -> None:
    asked, answered = threading.Event(), threading.Event()

    def ask() -> list[dict[str, Any]]:
        asked.set()
        answered.wait(20)
        return []

    watch = ClusterWatch(ask, head.getsockname(), period=0.01).start()
    until(asked.is_set)
    head.close()
    began = monotonic()
    until(lambda: "refused" in watch.head_trouble().lower())
    assert monotonic() - began < 5.0
    watch.stop()
    answered.set()


def test_a_head_that_accepts_and_never_answers_is_noticed_and_keeps_nobody(
    head: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evo.distributed.cluster_watch._SILENCE_SECONDS", 0.2)
    hangs = threading.Event()

    def ask() -> list[dict[str, Any]]:
        hangs.wait(20)
        return []

    watch = ClusterWatch(ask, head.getsockname()).start()
    until(lambda: "no answer within" in watch.head_trouble())
    began = monotonic()
    watch.stop()
    assert monotonic() - began < 2.0
    hangs.set()


@pytest.mark.parametrize(
    ("address", "place"),
    [("10.0.0.1:6379", ("10.0.0.1", 6379)), ("ray://h:10001", ("h", 10001)), ("auto", None), ("[::1]:5", ("::1", 5))],
)
def test_an_addresss_host_and_port(address: str, place: Any) -> None:
    assert host_and_port(address) == place


def test_when_the_driver_is_killed_the_reaper_ends_what_was_named_and_nothing_else(child: Any) -> None:
    named, spared = child("input()"), child("input()")
    driver = child(
        "import psutil, sys\nfrom evo.distributed.reaper import Reaper\n"
        f"reaper = Reaper([psutil.Process({named.pid})])\nprint(flush=True)\ninput()"
    )
    driver.stdout.readline()
    reapers = psutil.Process(driver.pid).children()
    driver.kill()
    driver.wait()
    assert named.wait(10) == -signal.SIGKILL
    psutil.wait_procs(reapers, timeout=10)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in reapers)
    assert spared.poll() is None


def test_a_reaper_that_is_dismissed_ends_nothing(child: Any) -> None:
    named = child("input()")
    reaper = Reaper([psutil.Process(named.pid)])
    reaper.dismiss()
    reaper.dismiss()
    assert named.poll() is None
