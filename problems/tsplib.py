"""Symmetric TSPLIB files: cities' places or distances, as integer distances by TSPLIB's own rules.

Source: Reinelt (1991), "TSPLIB - a traveling salesman problem library", DOI 10.1287/ijoc.3.4.376; the rules are those
of its documentation of 1995. (vrplib reads the layout, but neither rounds nor knows most of the matrix formats.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from evo.errors import InstanceError

SECTIONS = ("NODE_COORD_SECTION", "EDGE_WEIGHT_SECTION", "DISPLAY_DATA_SECTION", "TOUR_SECTION")


def read(path: str | Path) -> tuple[str, np.ndarray]:
    """An instance's name and its distances, (n, n) float64, symmetric.

    Raises
    ------
    InstanceError
        The file cannot be read, is of another kind, or its rule of distances is unknown; the text names the file.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InstanceError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return _parsed(text, path.stem)
    except InstanceError as error:
        raise InstanceError(f"{path}: {error}") from None


def _parsed(text: str, stem: str) -> tuple[str, np.ndarray]:
    keys, numbers = _layout(text)
    kind = keys.get("TYPE", "TSP")
    if kind.split()[0] != "TSP":
        raise InstanceError(f"TYPE: expected TSP, found {kind}")
    count = _whole("DIMENSION", keys.get("DIMENSION", ""))
    rule = keys.get("EDGE_WEIGHT_TYPE", "")
    if rule == "EXPLICIT":
        weights = numbers.get("EDGE_WEIGHT_SECTION", np.empty(0))
        distances = _matrix(keys.get("EDGE_WEIGHT_FORMAT", ""), weights, count)
    elif rule in RULES:
        places = numbers.get("NODE_COORD_SECTION", np.empty(0))
        if len(places) != 3 * count:
            raise InstanceError(f"NODE_COORD_SECTION: expected 3 x {count} numbers, found {len(places)}")
        rows = places.reshape(count, 3)
        if not np.array_equal(np.sort(rows[:, 0]), np.arange(1, count + 1)):
            raise InstanceError(f"NODE_COORD_SECTION: expected the cities 1 to {count}, each once")
        distances = RULES[rule](rows[np.argsort(rows[:, 0]), 1:])
    else:
        raise InstanceError(f"EDGE_WEIGHT_TYPE: expected EXPLICIT or one of {', '.join(RULES)}, found {rule or 'none'}")
    np.fill_diagonal(distances, 0.0)
    return keys.get("NAME", stem), distances


def _layout(text: str) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """The keys, and the sections' numbers in a row."""
    keys: dict[str, str] = {}
    words: dict[str, list[str]] = {}
    section = ""
    for at, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line:
            continue
        if line == "EOF":
            break
        if line.rstrip(": ") in SECTIONS:
            section = line.rstrip(": ")
            words[section] = []
        elif line[0].isalpha():
            name, colon, value = line.partition(":")
            if not colon:
                raise InstanceError(f"line {at}: expected KEY : value or a section's name, found {line[:40]!r}")
            keys[name.strip()] = value.strip()
            section = ""
        elif section:
            words[section] += line.split()
        else:
            raise InstanceError(f"line {at}: expected KEY : value or a section's name, found {line[:40]!r}")
    try:
        numbers = {name: np.array(found, dtype=np.float64) for name, found in words.items()}
    except ValueError as error:
        raise InstanceError(f"expected numbers in the sections: {error}") from None
    for name, found in numbers.items():
        if not np.isfinite(found).all():
            raise InstanceError(f"{name}: expected finite numbers")
    return keys, numbers


def _whole(name: str, value: str) -> int:
    if not value.isdecimal() or int(value) < 3:
        raise InstanceError(f"{name}: expected a whole number, at least 3, found {value or 'none'}")
    return int(value)


def _matrix(layout: str, weights: np.ndarray, count: int) -> np.ndarray:
    """Distances of one of TSPLIB's formats; columns of one triangle are rows of the other."""
    triangles = {
        "UPPER_ROW": np.triu_indices(count, 1),
        "LOWER_ROW": np.tril_indices(count, -1),
        "UPPER_DIAG_ROW": np.triu_indices(count),
        "LOWER_DIAG_ROW": np.tril_indices(count),
    }
    if layout != "FULL_MATRIX" and layout not in triangles:
        raise InstanceError(
            f"EDGE_WEIGHT_FORMAT: expected FULL_MATRIX or one of {', '.join(triangles)}, found {layout or 'none'}"
        )
    expected = count * count if layout == "FULL_MATRIX" else len(triangles[layout][0])
    if len(weights) != expected:
        raise InstanceError(f"EDGE_WEIGHT_SECTION: expected {expected} numbers, found {len(weights)}")
    if layout == "FULL_MATRIX":
        distances = weights.reshape(count, count).copy()
        if not np.array_equal(distances, distances.T):
            raise InstanceError("EDGE_WEIGHT_SECTION: expected a symmetric matrix")
        return distances
    distances = np.zeros((count, count))
    distances[triangles[layout]] = weights
    return np.asarray(distances + np.tril(distances, -1).T + np.triu(distances, 1).T)


def _differences(places: np.ndarray) -> np.ndarray:
    return np.asarray(np.hypot(*(column[:, None] - column[None, :] for column in places.T)))


def euclidean(places: np.ndarray) -> np.ndarray:
    """EUC_2D: rounded to the nearest whole number, a half upwards."""
    return np.floor(_differences(places) + 0.5)


def _manhattan(places: np.ndarray) -> np.ndarray:
    return np.asarray(np.floor(sum(np.abs(column[:, None] - column[None, :]) for column in places.T) + 0.5))


def _pseudo_euclidean(places: np.ndarray) -> np.ndarray:
    exact = _differences(places) / math.sqrt(10.0)
    rounded = np.floor(exact + 0.5)
    return np.where(rounded < exact, rounded + 1.0, rounded)


def _geographical(places: np.ndarray) -> np.ndarray:
    """Kilometres on a sphere; coordinates are DDD.MM, degrees and minutes. 3.141592 is what the rule says pi is."""
    degrees = np.trunc(places)
    radians = 3.141592 * (degrees + 5.0 * (places - degrees) / 3.0) / 180.0
    latitude, longitude = radians.T
    q1 = np.cos(longitude[:, None] - longitude[None, :])
    q2 = np.cos(latitude[:, None] - latitude[None, :])
    q3 = np.cos(latitude[:, None] + latitude[None, :])
    cosine = 0.5 * ((1.0 + q1) * q2 - (1.0 - q1) * q3)
    return np.asarray(np.floor(6378.388 * np.arccos(np.clip(cosine, -1.0, 1.0)) + 1.0))


RULES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "EUC_2D": euclidean,
    "CEIL_2D": lambda places: np.ceil(_differences(places)),
    "MAN_2D": _manhattan,
    "ATT": _pseudo_euclidean,
    "GEO": _geographical,
}
"""EDGE_WEIGHT_TYPE -> (n, 2) coordinates to (n, n) distances."""
OPTIMA = {
    "a280": 2579,
    "att48": 10628,
    "bayg29": 1610,
    "bays29": 2020,
    "berlin52": 7542,
    "bier127": 118282,
    "burma14": 3323,
    "ch130": 6110,
    "ch150": 6528,
    "d198": 15780,
    "dantzig42": 699,
    "eil51": 426,
    "eil76": 538,
    "eil101": 629,
    "fri26": 937,
    "gr17": 2085,
    "gr21": 2707,
    "gr24": 1272,
    "gr48": 5046,
    "kroA100": 21282,
    "kroB100": 22141,
    "kroC100": 20749,
    "kroD100": 21294,
    "kroE100": 22068,
    "lin105": 14379,
    "lin318": 42029,
    "pcb442": 50778,
    "pr76": 108159,
    "pr1002": 259045,
    "rat99": 1211,
    "rd100": 7910,
    "st70": 675,
    "swiss42": 1273,
    "tsp225": 3916,
    "ulysses16": 6859,
    "ulysses22": 7013,
}
"""Proven shortest tours, by TSPLIB's name."""
