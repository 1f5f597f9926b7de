"""`Reaper`: a small process that ends Ray's ones should their driver be killed.

By themselves two of them linger for a minute. It waits on a pipe that closes when the driver is gone, however it went.
A process is only ended if it is still the one that was named: its number and the moment it was born.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress

import psutil

_SCRIPT = r"""
import os, signal, sys
os.setsid()
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
named, word = sys.argv[1:], sys.stdin.buffer.read()
def born(pid):
    with open("/proc/%s/stat" % pid, "rb") as file:
        return file.read().rpartition(b")")[2].split()[19].decode()
if word != b"dismissed":
    for pid, birth in (name.split(":") for name in named):
        try:
            if born(pid) == birth:
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            pass
"""


def _birth(process: psutil.Process) -> str:
    """When a process was born, in the kernel's ticks; empty where the kernel does not tell."""
    try:
        with open(f"/proc/{process.pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except OSError:
        return ""


class Reaper:
    """Ends some processes when this one is gone. Where there is no ``/proc`` it does nothing.

    Parameters
    ----------
    processes
        Those to be ended.
    """

    def __init__(self, processes: Iterable[psutil.Process]) -> None:
        named = [f"{process.pid}:{birth}" for process in processes if (birth := _birth(process))]
        self._process: subprocess.Popen[bytes] | None = None
        if named:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _SCRIPT, *named], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
            )

    def dismiss(self) -> None:
        """There is nothing to be ended any more."""
        if self._process is None:
            return
        with suppress(OSError):
            self._process.communicate(b"dismissed", timeout=5.0)
        self._process = None
