"""`Network`: network namespaces joined by a bridge, so that a node can be cut off for real. Needs root and `ip`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class NetworkPlace:
    """One end of the bridge: this machine's own (`prefix` is empty), or a namespace's."""

    name: str
    address: str
    prefix: Sequence[str]

    def cut_off(self) -> None:
        """No packet gets in or out; nobody is told."""
        _ip("link", "set", self.name, "down")

    def reconnect(self) -> None:
        """Packets pass again."""
        _ip("link", "set", self.name, "up")


def missing_privilege() -> str:
    """Why namespaces cannot be made here; empty where they can."""
    if shutil.which("ip") is None:
        return "network namespaces need the command ip (package iproute2)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"evotry{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"network namespaces cannot be made here: {made.stderr.strip()}"
    _ip("netns", "del", name)
    return ""


class Network:
    """A bridge with this machine at one end, and a namespace for each node.

    Parameters
    ----------
    count
        Namespaces.
    """

    def __init__(self, count: int) -> None:
        number = os.getpid() % 60_000
        self._bridge = f"evob{number}"
        self._subnet = f"10.{100 + number % 100}.{number // 250 % 250}"
        self._count = count
        self.host = NetworkPlace(self._bridge, f"{self._subnet}.1", ())
        self.places: list[NetworkPlace] = []
        self._number = number

    def __enter__(self) -> Self:
        try:
            _ip("link", "add", self._bridge, "type", "bridge")
            _ip("addr", "add", f"{self.host.address}/24", "dev", self._bridge)
            _ip("link", "set", self._bridge, "up")
            for index in range(self._count):
                self.places.append(self._place(index))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _place(self, index: int) -> NetworkPlace:
        namespace, outside, inside = (f"evo{letter}{self._number}x{index}" for letter in "nvw")
        address = f"{self._subnet}.{index + 2}"
        _ip("netns", "add", namespace)
        _ip("link", "add", outside, "type", "veth", "peer", "name", inside)
        _ip("link", "set", inside, "netns", namespace)
        _ip("link", "set", outside, "master", self._bridge, "up")
        within = ("ip", "netns", "exec", namespace)
        for words in (
            ("addr", "add", f"{address}/24", "dev", inside),
            ("link", "set", inside, "up"),
            ("link", "set", "lo", "up"),
            ("route", "add", "default", "via", self.host.address),
        ):
            _ip(*words, prefix=within)
        return NetworkPlace(outside, address, within)

    def close(self) -> None:
        """Take all of it away; idempotent."""
        for index in range(self._count):
            for words in (
                ("netns", "del", f"evon{self._number}x{index}"),
                ("link", "del", f"evov{self._number}x{index}"),
            ):
                subprocess.run(["ip", *words], capture_output=True, check=False)  # the link goes with its namespace
        subprocess.run(["ip", "link", "del", self._bridge], capture_output=True, check=False)


def _ip(*words: str, prefix: Sequence[str] = ()) -> None:
    subprocess.run([*prefix, "ip", *words], check=True, capture_output=True, timeout=10)
