"""What is measured of a machine, what is held against it, and that asking never takes long."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from evo.distributed import gpus, health_monitor
from evo.distributed.gpus import GpuReader
from evo.distributed.health_monitor import HealthMonitor, HealthSampler, HealthThresholds, latency
from evo.errors import SettingsError

WELL: dict[str, Any] = {
    "cpu_percent": 95.0,
    "memory_percent": 95.0,
    "disk_percent": 95.0,
    "gpus": [{"id": 0, "load": 1.0, "memory_used": 95.0, "memory_total": 100.0, "temperature": 85.0}],
}


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the state was not reached in time"
        time.sleep(0.005)


def test_a_sample_has_every_number_in_its_range() -> None:
    health = HealthMonitor(gpus=list).get_system_health()
    json.dumps(health)
    for name in ("cpu_percent", "own_cpu_percent", "memory_percent", "disk_percent"):
        assert 0.0 <= health[name] <= 100.0
    assert health["memory_available_gb"] == pytest.approx(psutil.virtual_memory().available / 2**30, rel=0.5)
    assert health["disk_free_gb"] > 0.0
    assert health["gpus"] == []
    assert health["network_latency_ms"] is None


def test_a_machine_at_its_thresholds_is_healthy() -> None:
    assert HealthMonitor().is_healthy(WELL)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"cpu_percent": 95.6}, "other processes' load: 96 %, more than 95 %"),
        ({"memory_percent": 96.0}, "memory: 96 %, more than 95 %"),
        ({"disk_percent": 99.0}, "disk: 99 %, more than 95 %"),
        ({"gpus": [{**WELL["gpus"][0], "memory_used": 97.0}]}, "memory of GPU 0: 97 %, more than 95 %"),
        ({"gpus": [{**WELL["gpus"][0], "temperature": 86.0}]}, "GPU 0: 86 °C, more than 85 °C"),
    ],
)
def test_anything_above_its_threshold_is_unhealthy_and_named(change: dict[str, Any], complaint: str) -> None:
    monitor = HealthMonitor()
    assert monitor.complaints({**WELL, **change}) == [complaint]
    assert not monitor.is_healthy({**WELL, **change})


def test_a_processor_busy_with_our_own_work_is_healthy() -> None:
    monitor = HealthMonitor()
    assert monitor.is_healthy({**WELL, "cpu_percent": 100.0, "own_cpu_percent": 60.0})
    assert not monitor.is_healthy({**WELL, "cpu_percent": 100.0, "own_cpu_percent": 2.0})


def test_what_is_not_known_is_no_complaint() -> None:
    gpu = {"id": 0, "load": None, "memory_used": None, "memory_total": None, "temperature": None}
    assert HealthMonitor().is_healthy({"gpus": [gpu], "network_latency_ms": None})
    assert HealthMonitor().is_healthy({})


def test_thresholds_can_be_set() -> None:
    monitor = HealthMonitor({"memory_percent": 50, "gpu_temperature": 120})
    assert monitor.complaints(WELL) == ["memory: 95 %, more than 50 %"]
    with pytest.raises(SettingsError, match=r"health.disk_percent: expected a number > 0 and <= 100, found 101"):
        HealthThresholds(disk_percent=101)
    with pytest.raises(SettingsError, match=r"health.disc_percent: expected one of .*disk_percent"):
        HealthMonitor({"disc_percent": 90})


class _Process:
    """Stands for one of ours: its processor time is set by hand."""

    def __init__(self, pid: int) -> None:
        self.pid, self.seconds, self.gone = pid, 0.0, False

    def cpu_times(self) -> Any:
        if self.gone:
            raise psutil.NoSuchProcess(self.pid)
        return SimpleNamespace(user=self.seconds, system=0.0)

    def create_time(self) -> float:
        return 1.0


def test_our_share_is_what_our_processes_spent_since_the_sample_before(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    machine = [0.0, 0.0]
    monkeypatch.setattr(health_monitor, "_processor_seconds", lambda: tuple(machine))
    monkeypatch.setattr(health_monitor, "time", SimpleNamespace(monotonic=lambda: now[0]))
    old, new = _Process(1), _Process(2)
    old.seconds = 500.0
    ours = [old]
    share = health_monitor._ProcessorShare(lambda: ours)

    def passes(seconds: float, busy: float) -> None:
        now[0] += seconds
        machine[0] += busy
        machine[1] += 2 * seconds  # two cores

    passes(10.0, busy=20.0)
    old.seconds += 6.0
    assert share.sample() == (100.0, 30.0)
    passes(10.0, busy=10.0)
    ours.append(new)
    new.seconds = 4.0
    assert share.sample() == (50.0, 20.0)
    passes(10.0, busy=0.0)
    old.gone = True
    assert share.sample() == (0.0, 0.0)
    passes(0.001, busy=0.002)
    assert share.sample() == (0.0, 0.0), "too short a time says nothing"


def test_our_processes_include_children() -> None:
    import subprocess

    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert {psutil.Process().pid, child.pid} <= {process.pid for process in health_monitor.own_processes()}
    finally:
        child.communicate(b"\n", timeout=10)


def test_disk_space_is_that_of_a_folder_yet_to_be_made(tmp_path: Any) -> None:
    health = HealthMonitor(disk=tmp_path / "runs" / "new", gpus=list).get_system_health()
    assert health["disk_free_gb"] == pytest.approx(psutil.disk_usage(str(tmp_path)).free / 2**30, rel=0.2)


def test_the_networks_latency_is_the_time_to_connect_and_none_without_an_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = server.getsockname()
        found = latency(peer, 5.0)
        assert found is not None
        assert 0.0 < found < 5000.0
        assert HealthMonitor(peer=peer, gpus=list).get_system_health()["network_latency_ms"] is not None
    assert latency(peer, 5.0) is None


# ---- GPUs


def printing(text: str, exit_code: int = 0) -> list[str]:
    return [sys.executable, "-S", "-c", f"print({text!r}); raise SystemExit({exit_code})"]


def test_gpus_are_read_with_their_units() -> None:
    reader = GpuReader(20.0, printing("[[0, 0.5, 1024, 8192, 61.0], [1, NaN, 0, 8192, null]]"))
    assert reader.read() == [
        {"id": 0, "load": 0.5, "memory_used": 1024.0, "memory_total": 8192.0, "temperature": 61.0},
        {"id": 1, "load": None, "memory_used": 0.0, "memory_total": 8192.0, "temperature": None},
    ]


@pytest.mark.parametrize(
    "command",
    [
        printing("No devices were found"),
        printing("[[0, 0.5]]"),
        printing("[1, 2]"),
        printing("[]"),
        printing("", exit_code=1),
        ["/nowhere/python"],
    ],
)
def test_no_gpu_is_normal_whatever_the_driver_says(command: list[str]) -> None:
    assert GpuReader(20.0, command).read() == []


def test_without_nvidia_smi_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus.shutil, "which", lambda name: None)
    monkeypatch.setattr(gpus.subprocess, "Popen", lambda *a, **k: pytest.fail("a process was started"))
    assert GpuReader().read() == []


def test_a_driver_that_hangs_is_ended_in_time_with_all_that_it_started(tmp_path: Any) -> None:
    pid_file = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {pid_file}; wait"
    began = time.monotonic()
    assert GpuReader(1.0, ["sh", "-c", script]).read() == []
    assert time.monotonic() - began < 8.0
    grandchild = int(pid_file.read_text())
    until(lambda: not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE)


def test_gputil_itself_is_asked_where_there_is_an_nvidia_smi(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho '0, GPU-1, 37, 16384, 4096, 12288, 535.1, Tesla T4, 123, Disabled, Disabled, 55'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    if sys.version_info >= (3, 12):
        pytest.importorskip("distutils", reason="GPUtil imports distutils, which this Python has no more")
    assert GpuReader(20.0).read() == [
        {"id": 0, "load": 0.37, "memory_used": 4096.0, "memory_total": 16384.0, "temperature": 55.0}
    ]


# ---- in the background


def test_the_sampler_answers_at_once_while_a_sample_hangs() -> None:
    hanging, release = threading.Event(), threading.Event()

    def gpus_that_hang() -> list[dict[str, Any]]:
        hanging.set()
        release.wait(30.0)
        return []

    sampler = HealthSampler(HealthMonitor(gpus=gpus_that_hang), interval=0.01).start()
    try:
        assert hanging.wait(10.0)
        began = time.perf_counter()
        assert sampler.latest() is None
        assert time.perf_counter() - began < 0.1
        release.set()
        until(sampler.latest)
        assert (sampler.latest() or {})["memory_percent"] > 0.0
    finally:
        release.set()
        sampler.stop(10.0)
    assert "evo-health" not in {thread.name for thread in threading.enumerate()}
    sampler.stop()


def test_a_sampler_outlives_a_sample_that_fails() -> None:
    calls: list[int] = []

    def failing_once() -> list[dict[str, Any]]:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("/proc cannot be read")
        return []

    sampler = HealthSampler(HealthMonitor(gpus=failing_once), interval=0.001).start()
    try:
        until(lambda: len(calls) >= 2 and "error" not in (sampler.latest() or {"error": ""}))
    finally:
        sampler.stop(10.0)


def test_an_error_of_a_sample_is_told() -> None:
    def failing() -> list[dict[str, Any]]:
        raise OSError("/proc cannot be read")

    sampler = HealthSampler(HealthMonitor(gpus=failing), interval=0.001).start()
    try:
        until(sampler.latest)
        assert (sampler.latest() or {})["error"] == "OSError: /proc cannot be read"
    finally:
        sampler.stop(10.0)
