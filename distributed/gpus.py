"""What the GPUs of this machine are doing, asked for within a time limit: nvidia-smi may hang, and GPUtil has no limit.

GPUtil runs in a process of its own, which is killed with everything it started. No GPU, no driver, an import that fails
(`distutils` is gone since Python 3.12) are all normal, and give an empty list.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from typing import Any

_ASK = """
import GPUtil, json
print(json.dumps([[g.id, g.load, g.memoryUsed, g.memoryTotal, g.temperature] for g in GPUtil.getGPUs()]))
"""
_FIELDS = ("load", "memory_used", "memory_total", "temperature")


class GpuReader:
    """Reads the GPUs; one question at a time.

    Parameters
    ----------
    time_limit
        Seconds for one reading.
    command
        What prints the GPUs as JSON rows ``[id, load, memory used, memory total, temperature]``; None: GPUtil, where
        this machine has an ``nvidia-smi``.
    """

    def __init__(self, time_limit: float = 5.0, command: list[str] | None = None) -> None:
        self.time_limit = time_limit
        self._command = command
        self._stuck: subprocess.Popen[bytes] | None = None

    def read(self) -> list[dict[str, Any]]:
        """One dict per GPU: ``id``, ``load`` (0 … 1), ``memory_used``, ``memory_total`` (MiB), ``temperature`` (°C).

        A value that the driver does not tell is None. Empty where nothing can be learned in time.
        """
        command = self._command
        if command is None:
            if shutil.which("nvidia-smi") is None:
                return []
            command = [sys.executable, "-c", _ASK]
        if self._stuck is not None:
            if self._stuck.poll() is None:  # not even SIGKILL ends a process that waits for the driver: start no more
                return []
            self._stuck = None
        output = self._output(command)
        try:
            rows = json.loads(output.splitlines()[-1]) if output.strip() else []
            return [_gpu(row) for row in rows]
        except (ValueError, TypeError):
            return []

    def _output(self, command: list[str]) -> str:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a group of its own, so that nvidia-smi ends with it
            )
        except OSError:
            return ""
        try:
            output, _ = process.communicate(timeout=self.time_limit)
        except subprocess.TimeoutExpired:
            self._end(process)
            return ""
        return output.decode(errors="replace") if process.returncode == 0 else ""

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself meanwhile
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdout is not None:
            process.stdout.close()
        try:
            process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            self._stuck = process


def _gpu(row: list[Any]) -> dict[str, Any]:
    identity, *values = row
    gpu: dict[str, Any] = {"id": identity}
    for name, value in zip(_FIELDS, values, strict=True):
        gpu[name] = None if value is None or not math.isfinite(value) else float(value)
    return gpu
