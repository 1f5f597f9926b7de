"""Instances in VRPLIB / TSPLIB files: read with every value checked, and written.

The `vrplib` package converts the text. It takes a file that is cut in half, a NaN, a section given twice or rows of
another number than the dimension for good, and reads with the locale's encoding; so the layout and each row's form
are checked before it (`vrplib_text`), the values after it, and it never sees anything that was not checked. Explicit
matrices are read here: `vrplib` knows two of the five layouts.
"""

from __future__ import annotations

import math
import os
import re
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from vrplib.parse import parse_vrplib

from evo.errors import InstanceError, UsageError

from .instance import FieldError, Instance, Rounding
from .solution import read_sol, write_text
from .vrplib_text import Layout, Section, Value, scan

TYPES = ("CVRP", "VRP", "DCVRP", "DVRP")
EDGE_WEIGHT_TYPES = ("EUC_2D", "CEIL_2D", "EXPLICIT")
EDGE_WEIGHT_FORMATS = ("FULL_MATRIX", "LOWER_ROW", "UPPER_ROW", "LOWER_DIAG_ROW", "UPPER_DIAG_ROW")

_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_IS_NUMBER = re.compile(_NUMBER)
_NODE = re.compile(r"\d{1,18}", re.ASCII)  # not any number of digits: int() raises on more than 4300
_NODE_NUMBER = re.compile(rf"({_NODE.pattern})\s+{_NUMBER}", re.ASCII)
_NODE_TWO_NUMBERS = re.compile(rf"({_NODE.pattern})\s+{_NUMBER}\s+{_NUMBER}", re.ASCII)
_BEST_IN_COMMENT = re.compile(r"\b(?:optimal|best)(?:\s+known)?(?:\s+value)?\s*:\s*(\d+(?:\.\d+)?)", re.IGNORECASE)


def read(path: str | os.PathLike[str], *, round: bool = True, best_known: float | None = None) -> Instance:
    """Read an instance from a VRPLIB file.

    Node 0 of the instance is the file's depot; customers keep their order. So customer k is node k + 1 of the file,
    as CVRPLIB numbers them in `.sol` files, where the depot is node 1 (it is in all of CVRPLIB); where the depot is
    node d, the file's nodes ``1 … d - 1`` are customers ``1 … d - 1``, and the later ones customer k is node k + 1.

    Parameters
    ----------
    path
        A file with EUC_2D or CEIL_2D coordinates or an EXPLICIT symmetric matrix (FULL_MATRIX, LOWER_ROW, UPPER_ROW,
        LOWER_DIAG_ROW, UPPER_DIAG_ROW). VEHICLES is a limit of the fleet (a number in the name or in a comment is
        not); DISTANCE limits each route's distance plus its customers' SERVICE_TIME.
    round
        Round distances as EUC_2D (to the nearest integer) and CEIL_2D (up) say; False keeps real distances. An
        explicit matrix is used as it is.
    best_known
        Cost of the best solution known. None: the cost in the `.sol` file of the same stem beside the file, else the
        "Optimal value: …" or "Best value: …" in the COMMENT, where it is of the instance's kind (a cost for rounded
        distances is an integer, and means nothing for real ones).

    Raises
    ------
    InstanceError
        When the file cannot be used; one line with file, line, field, what was expected and what was found.
    """
    layout = scan(path)
    n = _dimension(layout)
    _check_types(layout)
    capacity = _integer(layout, "CAPACITY", layout.value("CAPACITY", "an integer > 0"))
    depot = _depot(layout, n)
    # Rows may come in any order of their nodes: vrplib drops the numbers, so they are kept here.
    nodes = {name: _check_rows(layout, layout.sections[name], n) for name in _node_sections(layout)}
    data = parse_vrplib(_text_for_vrplib(layout, nodes), compute_edge_weights=False)
    order = np.concatenate(([depot], np.delete(np.arange(n), depot)))
    arrays = {name: _in_order(layout, name, data[name.lower()], nodes[name], order) for name in nodes}

    distances = None
    coordinates = arrays.get("NODE_COORD", arrays.get("DISPLAY_DATA"))
    if layout.values["EDGE_WEIGHT_TYPE"].text == "EXPLICIT":
        distances = _matrix(layout, n)[np.ix_(order, order)]
    integral = round if distances is None else distances.dtype.kind == "i"
    comment = layout.values["COMMENT"].text if "COMMENT" in layout.values else ""
    try:
        return Instance(
            name=layout.values["NAME"].text if "NAME" in layout.values else Path(path).stem,
            demands=_demands(layout, arrays["DEMAND"], order, capacity),
            capacity=capacity,
            coordinates=coordinates,
            distances=distances,
            rounding=_rounding(layout, round),
            max_vehicles=_integer(layout, "VEHICLES", layout.values["VEHICLES"])
            if "VEHICLES" in layout.values
            else None,
            max_duration=_number(layout, "DISTANCE", layout.values["DISTANCE"])
            if "DISTANCE" in layout.values
            else None,
            service_times=_service_times(layout, arrays, n),
            best_known=_best_known(Path(path), comment, integral) if best_known is None else best_known,
            comment=comment.strip().strip('"').strip(),
        )
    except FieldError as error:
        key, line = _origin(layout, error.field)
        layout.refuse(line, key, error.what)


def write_vrp(path: str | os.PathLike[str], instance: Instance) -> None:
    """Write an instance as a VRPLIB file that `read` reads back the same, the best known cost apart.

    Raises
    ------
    UsageError
        When the file cannot be written, or the format cannot say what the instance holds: real distances are a
        reader's choice, not the file's, so ``rounding="none"`` is written as EUC_2D.
    """
    explicit = instance.distances is not None
    kind = "EXPLICIT" if explicit else "CEIL_2D" if instance.rounding == "ceil" else "EUC_2D"
    for field, text in (("name", instance.name), ("comment", instance.comment)):
        if text != text.strip().strip('"').strip() or "\n" in text or "\r" in text:
            raise UsageError(f"{path}: {field}: expected one line without blanks or quotes around it, found {text!r}")
    lines = [f"NAME : {instance.name}"]
    if instance.comment:
        lines.append(f"COMMENT : {instance.comment}")
    lines += ["TYPE : CVRP", f"DIMENSION : {instance.n}", f"EDGE_WEIGHT_TYPE : {kind}"]
    if explicit:
        lines.append("EDGE_WEIGHT_FORMAT : LOWER_ROW")
    lines.append(f"CAPACITY : {instance.capacity}")
    if instance.max_vehicles is not None:
        lines.append(f"VEHICLES : {instance.max_vehicles}")
    if instance.max_duration is not None:
        lines.append(f"DISTANCE : {_shortest(instance.max_duration)}")
    if instance.distances is not None:
        lines.append("EDGE_WEIGHT_SECTION")
        lines += [" ".join(map(_shortest, row[:i])) for i, row in enumerate(instance.distances.tolist()) if i]
    if instance.coordinates is not None:
        lines.append("NODE_COORD_SECTION")
        lines += [f"{i} {_shortest(x)} {_shortest(y)}" for i, (x, y) in enumerate(instance.coordinates.tolist(), 1)]
    lines.append("DEMAND_SECTION")
    lines += [f"{i} {demand}" for i, demand in enumerate(instance.demands.tolist(), 1)]
    if instance.service_times is not None:
        lines.append("SERVICE_TIME_SECTION")
        lines += [f"{i} {_shortest(time)}" for i, time in enumerate(instance.service_times.tolist(), 1)]
    write_text(path, [*lines, "DEPOT_SECTION", "1", "-1", "EOF"])


def _shortest(number: float) -> str:
    """The shortest text that reads back as the same number."""
    return repr(int(number)) if number == int(number) and abs(number) < 2**53 else repr(number)


# -- keys -----------------------------------------------------------------------------------------------------------


def _number(layout: Layout, key: str, value: Value) -> float:
    number = float(value.text) if _IS_NUMBER.fullmatch(value.text) else math.nan
    if not math.isfinite(number):
        layout.refuse(value.line, key, f"expected a finite number, found {value.text[:40]!r}")
    return number


def _integer(layout: Layout, key: str, value: Value) -> int:
    number = _number(layout, key, value)
    if not number.is_integer() or number <= 0:
        layout.refuse(value.line, key, f"expected an integer > 0, found {value.text[:40]!r}")
    return int(number)


def _dimension(layout: Layout) -> int:
    value = layout.value("DIMENSION", "the number of nodes")
    n = _integer(layout, "DIMENSION", value)
    if n < 2:
        layout.refuse(value.line, "DIMENSION", f"expected the depot and at least one customer, found {n} node")
    return n


def _check_types(layout: Layout) -> None:
    choices: list[tuple[str, tuple[str, ...]]] = [("EDGE_WEIGHT_TYPE", EDGE_WEIGHT_TYPES)]
    if "TYPE" in layout.values:
        choices.insert(0, ("TYPE", TYPES))
    if "EDGE_WEIGHT_TYPE" in layout.values and layout.values["EDGE_WEIGHT_TYPE"].text == "EXPLICIT":
        choices.append(("EDGE_WEIGHT_FORMAT", EDGE_WEIGHT_FORMATS))
    for key, supported in choices:
        value = layout.value(key, f"one of {', '.join(supported)}")
        if value.text not in supported:
            layout.refuse(value.line, key, f"expected one of {', '.join(supported)}, found {value.text!r}")


def _rounding(layout: Layout, round: bool) -> Rounding:
    if not round:
        return "none"
    return "ceil" if layout.values["EDGE_WEIGHT_TYPE"].text == "CEIL_2D" else "nearest"


def _best_known(path: Path, comment: str, integral: bool) -> float | None:
    beside = path.with_suffix(".sol")
    cost: float | None = None
    if beside.is_file():
        try:
            cost = read_sol(beside).cost
        except UsageError as error:
            raise InstanceError(f"{error} (read for the best known cost of {path.name})") from None
    elif match := _BEST_IN_COMMENT.search(comment):
        cost = float(match[1])
    return cost if cost is not None and float(cost).is_integer() == integral else None


def _origin(layout: Layout, field: str) -> tuple[str, int | None]:
    """Key or section, and its line, that a field of the instance was read from."""
    keys = {
        "capacity": "CAPACITY",
        "max_vehicles": "VEHICLES",
        "max_duration": "DISTANCE",
        "service_times": "SERVICE_TIME",
    }
    sections = {"coordinates": "NODE_COORD", "distances": "EDGE_WEIGHT", "demands": "DEMAND"}
    if field in keys and keys[field] in layout.values:
        return keys[field], layout.values[keys[field]].line
    name = sections.get(field, keys.get(field, field))
    return f"{name}_SECTION", layout.sections[name].line if name in layout.sections else None


# -- sections -------------------------------------------------------------------------------------------------------


def _node_sections(layout: Layout) -> list[str]:
    """Sections with one row for each node, in a file that has the sections that its kind must have, and no other."""
    explicit = layout.values["EDGE_WEIGHT_TYPE"].text == "EXPLICIT"
    for name in ("EDGE_WEIGHT" if explicit else "NODE_COORD", "DEMAND"):
        layout.section(name)
    if not explicit and "EDGE_WEIGHT" in layout.sections:
        line = layout.sections["EDGE_WEIGHT"].line
        kind = layout.values["EDGE_WEIGHT_TYPE"].text
        layout.refuse(line, "EDGE_WEIGHT_SECTION", f"expected with EDGE_WEIGHT_TYPE EXPLICIT alone, found with {kind}")
    if "SERVICE_TIME" in layout.values and "SERVICE_TIME" in layout.sections:
        line = layout.sections["SERVICE_TIME"].line
        before = layout.values["SERVICE_TIME"].line
        layout.refuse(line, "SERVICE_TIME_SECTION", f"expected once, found as a key at line {before}")
    return [name for name in ("NODE_COORD", "DISPLAY_DATA", "DEMAND", "SERVICE_TIME") if name in layout.sections]


def _check_rows(layout: Layout, section: Section, n: int) -> npt.NDArray[np.int64]:
    """Check the form of a section's rows; return each row's node, counted from 0."""
    title = f"{section.name}_SECTION"
    two = section.name in ("NODE_COORD", "DISPLAY_DATA")
    match = (_NODE_TWO_NUMBERS if two else _NODE_NUMBER).fullmatch
    seen: dict[int, int] = {}
    for row, line in zip(section.rows, section.lines, strict=True):
        found = match(row)
        if found is None:
            expected = "a node and two finite numbers" if two else "a node and one finite number"
            layout.refuse(line, title, f"expected {expected}, found {row[:60]!r}")
        node = int(found[1])
        if not 1 <= node <= n:
            layout.refuse(line, title, f"expected a node from 1 to the DIMENSION {n}, found {node}")
        if node in seen:
            layout.refuse(line, title, f"expected node {node} once, found before at line {seen[node]}")
        seen[node] = line
    if len(seen) != n:
        layout.refuse(section.last_line, title, f"expected {n} rows (DIMENSION), found {len(seen)}")
    return np.fromiter(seen, np.int64, n) - 1


def _text_for_vrplib(layout: Layout, nodes: dict[str, npt.NDArray[np.int64]]) -> str:
    """The checked sections alone, as plainly as the format allows: no names, comments or marks to stumble over."""
    rows = chain.from_iterable((f"{name}_SECTION", *layout.sections[name].rows) for name in nodes)
    return "\n".join((*rows, "EOF"))


def _in_order(
    layout: Layout, name: str, data: Any, nodes: npt.NDArray[np.int64], order: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Values by the instance's numbering (depot first), checked to be finite."""
    values = np.asarray(data, dtype=np.float64)
    finite = np.isfinite(values).reshape(len(nodes), -1).all(axis=1)
    if not finite.all():
        section = layout.sections[name]
        row = int(np.argmin(finite))
        layout.refuse(section.lines[row], f"{name}_SECTION", f"expected finite numbers, found {section.rows[row]!r}")
    by_node = np.empty_like(values)
    by_node[nodes] = values
    return by_node[order]


def _demands(
    layout: Layout, demands: npt.NDArray[np.float64], order: npt.NDArray[np.int64], capacity: int
) -> npt.NDArray[np.int64]:
    for expected, wrong in (
        ("an integer", demands != np.floor(demands)),
        (">= 0", demands < 0),
        ("0 at the depot", np.concatenate(([demands[0] != 0], np.zeros(len(demands) - 1, dtype=bool)))),
        (f"at most the capacity {capacity}", demands > capacity),
    ):
        if wrong.any():
            node = int(order[np.argmax(wrong)]) + 1
            section = layout.sections["DEMAND"]
            row = next(i for i, text in enumerate(section.rows) if int(text.split()[0]) == node)
            layout.refuse(
                section.lines[row],
                "DEMAND_SECTION",
                f"expected {expected}, found {section.rows[row].split()[1]} at node {node}",
            )
    return demands.astype(np.int64)


def _service_times(
    layout: Layout, arrays: dict[str, npt.NDArray[np.float64]], n: int
) -> npt.NDArray[np.float64] | None:
    if "SERVICE_TIME" in arrays:
        return arrays["SERVICE_TIME"]
    if "SERVICE_TIME" not in layout.values:
        return None
    times = np.full(n, _number(layout, "SERVICE_TIME", layout.values["SERVICE_TIME"]))
    times[0] = 0.0  # one time for every customer; the depot takes none
    return times


def _depot(layout: Layout, n: int) -> int:
    """The depot's node, counted from 0."""
    section = layout.section("DEPOT")
    depots: list[int] = []
    for row, line in zip(section.rows, section.lines, strict=True):
        for token in row.split():
            if token == "-1":
                continue
            if not (_NODE.fullmatch(token) and 1 <= int(token) <= n):
                layout.refuse(
                    line, "DEPOT_SECTION", f"expected a node from 1 to the DIMENSION {n}, found {token[:40]!r}"
                )
            depots.append(int(token))
    if len(depots) != 1:
        found = f"{len(depots)}: {', '.join(map(str, depots[:10]))}" if depots else "none"
        layout.refuse(section.last_line, "DEPOT_SECTION", f"expected one depot, found {found}")
    return depots[0] - 1


def _matrix(layout: Layout, n: int) -> npt.NDArray[np.float64] | npt.NDArray[np.int64]:
    """The explicit distances as a full matrix: integers where all of them are."""
    section = layout.sections["EDGE_WEIGHT"]
    form = layout.values["EDGE_WEIGHT_FORMAT"].text
    diagonal = "DIAG" in form
    expected = n * n if form == "FULL_MATRIX" else n * (n + 1) // 2 if diagonal else n * (n - 1) // 2
    # The rows of the matrix may be broken anywhere (TSPLIB 95): the section is one stream of numbers.
    tokens = [row.split() for row in section.rows]
    count = sum(map(len, tokens))
    if count != expected:
        layout.refuse(
            section.last_line,
            "EDGE_WEIGHT_SECTION",
            f"expected {expected} numbers ({form}, DIMENSION {n}), found {count}",
        )
    for row, line in zip(tokens, section.lines, strict=True):
        for token in row:
            if not _IS_NUMBER.fullmatch(token):
                layout.refuse(line, "EDGE_WEIGHT_SECTION", f"expected a finite number, found {token[:40]!r}")
    weights = np.fromiter(map(float, chain.from_iterable(tokens)), np.float64, count)
    if form == "FULL_MATRIX":
        matrix = weights.reshape(n, n)
    else:
        matrix = np.zeros((n, n))
        if form.startswith("LOWER"):
            rows, columns = np.tril_indices(n, 0 if diagonal else -1)
        else:
            rows, columns = np.triu_indices(n, 0 if diagonal else 1)
        matrix[rows, columns] = weights
        matrix[columns, rows] = weights
    with np.errstate(invalid="ignore"):
        integers = np.isfinite(matrix).all() and np.abs(matrix).max() < 2**53 and (matrix == np.floor(matrix)).all()
    return matrix.astype(np.int64) if integers else matrix
