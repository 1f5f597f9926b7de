"""The fingerprint of a run's surroundings: equal ones promise equal results, bit for bit."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "numba")


def evo_version() -> str:
    """The version of evo that is installed."""
    try:
        return version("evo-engine")
    except PackageNotFoundError:  # a checkout on the path, never installed
        return "0+unknown"


def processor() -> str:
    """The processor's model, as the operating system names it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def fingerprint() -> dict[str, str]:
    """Versions and processor class."""
    return dict(_fingerprint())


@functools.cache  # a millisecond: too much for every checkpoint
def _fingerprint() -> dict[str, str]:
    return {
        "evo": evo_version(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: version(name) for name in PACKAGES},
        "processor": processor(),
    }


def differences(saved: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What is not as it was, one line each."""
    return [f"{name} was {saved.get(name)}, is {now.get(name)}" for name in now if saved.get(name) != now.get(name)]
