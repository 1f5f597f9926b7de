"""A solution of a CVRP instance, and the `.sol` files of CVRPLIB that hold one."""

from __future__ import annotations

import contextlib
import math
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evo.errors import UsageError

_ROUTE = re.compile(r"route\s*#?\s*\d+\s*:(.*)", re.IGNORECASE)
_INTEGER = re.compile(r"\d{1,18}", re.ASCII)  # not any number of digits: int() raises on more than 4300
_COST = re.compile(r"cost\s*:?\s*(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class Solution:
    """Routes and their cost.

    Parameters
    ----------
    routes
        Each route's customers in the order of the visits, without the depot. Customers are ``1 … n - 1`` as in
        CVRPLIB's `.sol` files: customer k is node k + 1 of the instance file. Empty routes are left out.
    cost
        Total distance; an int where distances are rounded.
    """

    routes: list[list[int]]
    cost: int | float

    def __post_init__(self) -> None:
        # plain Python numbers, whatever arrays they came from: they end in JSON and in text
        routes = [[int(customer) for customer in route] for route in self.routes]
        object.__setattr__(self, "routes", [route for route in routes if route])
        object.__setattr__(
            self, "cost", int(self.cost) if isinstance(self.cost, (int, np.integer)) else float(self.cost)
        )


def write_sol(path: str | os.PathLike[str], solution: Solution) -> None:
    """Write a solution in CVRPLIB's format, all of it or nothing.

    Raises
    ------
    UsageError
        When the file cannot be written.
    """
    lines = [f"Route #{k}: {' '.join(map(str, route))}" for k, route in enumerate(solution.routes, 1)]
    # repr of a float is the shortest text that reads back as the same number
    lines.append(f"Cost {solution.cost!r}")
    write_text(path, lines)


def read_sol(path: str | os.PathLike[str]) -> Solution:
    """Read a solution in CVRPLIB's format; whatever follows the line of the cost is not looked at.

    Raises
    ------
    UsageError
        When the file cannot be read, or is no such file; the text names the line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    routes: list[list[int]] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line:
            continue
        if match := _ROUTE.fullmatch(line):
            tokens = match[1].split()
            if wrong := [token for token in tokens if not _INTEGER.fullmatch(token)]:
                raise UsageError(f"{path}, line {number}: Route: expected customers' numbers, found {wrong[0][:40]!r}")
            routes.append([int(token) for token in tokens])
        elif match := _COST.fullmatch(line):
            return Solution(routes, _cost(match[1], f"{path}, line {number}"))
        else:
            raise UsageError(f"{path}, line {number}: expected 'Route #k: …' or 'Cost …', found {line[:40]!r}")
    raise UsageError(f"{path}: Cost: expected a line 'Cost …' at the end, found none")


def _cost(text: str, where: str) -> int | float:
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        cost = float(text)
    except ValueError:
        cost = math.nan
    if not 0 <= cost < math.inf:
        raise UsageError(f"{where}: Cost: expected a finite number >= 0, found {text[:40]!r}")
    return cost


def write_text(path: str | os.PathLike[str], lines: Sequence[str]) -> None:
    """Write lines of text so that a reader sees the old file or the whole new one, whatever happens in between.

    Raises
    ------
    UsageError
        When the file cannot be written.
    """
    path = Path(path)
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8", newline="\n"
        ) as file:
            temporary = file.name
            file.writelines(f"{line}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # a temporary file is private; a result need not be
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0)  # the only way to ask for it is to set it
    os.umask(mask)
    return mask
