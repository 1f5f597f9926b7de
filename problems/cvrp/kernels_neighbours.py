"""Each customer's nearest customers, from coordinates, by a grid: time and memory in proportion to n."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compilation import entry, inlined, kernel

CUSTOMERS_PER_CELL = 4.0


@inlined
def nearer(square: Any, v: Any, other_square: Any, other: Any) -> Any:
    """Whether v comes before another; equal ones by number."""
    return square < other_square or (square == other_square and v < other)


@kernel
def insert(squares: Any, found: Any, count: Any, square: Any, v: Any) -> Any:
    """Insert into the sorted list of the nearest, which is full at `len(found)`; returns how many there are."""
    near = len(found)
    if count == near and not nearer(square, v, squares[near - 1], found[near - 1]):
        return count
    i = min(count, near - 1)
    while i > 0 and nearer(square, v, squares[i - 1], found[i - 1]):
        squares[i], found[i] = squares[i - 1], found[i - 1]
        i -= 1
    squares[i], found[i] = square, v
    return min(count + 1, near)


@entry
def nearest_by_grid(xy: Any, nearest: Any) -> None:
    """Fill ``(n, near)`` int32, nearest first, equal ones by number; row 0, the depot's, too, of customers alone.

    Parameters
    ----------
    xy
        ``(n, 2)`` float64; row 0 is the depot's.
    nearest
        Room for the result; near <= n - 2.
    """
    n, near = nearest.shape
    x_least, x_most, y_least, y_most = xy[1, 0], xy[1, 0], xy[1, 1], xy[1, 1]
    for i in range(1, n):
        x_least, x_most = min(x_least, xy[i, 0]), max(x_most, xy[i, 0])
        y_least, y_most = min(y_least, xy[i, 1]), max(y_most, xy[i, 1])
    width, height = x_most - x_least, y_most - y_least
    side = max(np.sqrt(width * height * CUSTOMERS_PER_CELL / n), max(width, height) * CUSTOMERS_PER_CELL / n)
    side = max(side, 1e-300)
    columns: Any = np.int64(width / side) + 1
    lines: Any = np.int64(height / side) + 1
    # Customers sorted by cell, within a cell by number.
    begins = np.zeros(columns * lines + 1, np.int64)
    cells = np.zeros(n, np.int64)
    for i in range(1, n):
        column = min(np.int64((xy[i, 0] - x_least) / side), columns - 1)
        line = min(np.int64((xy[i, 1] - y_least) / side), lines - 1)
        cells[i] = line * columns + column
        begins[cells[i] + 1] += 1
    for c in range(columns * lines):
        begins[c + 1] += begins[c]
    filled = begins.copy()
    members = np.zeros(n, np.int64)
    for i in range(1, n):
        members[filled[cells[i]]] = i
        filled[cells[i]] += 1
    squares = np.zeros(near)
    found = np.zeros(near, np.int64)
    for u in range(n):
        x, y = xy[u, 0], xy[u, 1]
        column = min(max(np.int64(np.floor((x - x_least) / side)), 0), columns - 1)
        line = min(max(np.int64(np.floor((y - y_least) / side)), 0), lines - 1)
        # How far the node itself is from its cell: only a depot outside of all customers is.
        beyond_x = max(x_least + column * side - x, x - (x_least + (column + 1) * side))
        beyond_y = max(y_least + line * side - y, y - (y_least + (line + 1) * side))
        beyond = max(beyond_x, beyond_y, 0.0)
        count = 0
        for ring in range(max(columns, lines) + 1):
            for b in range(max(line - ring, 0), min(line + ring, lines - 1) + 1):
                # Of the square of cells at this distance only the rim is new.
                step = 1 if ring == 0 or abs(b - line) == ring else 2 * ring
                for a in range(column - ring, column + ring + 1, step):
                    if 0 <= a < columns:
                        for k in range(begins[b * columns + a], begins[b * columns + a + 1]):
                            v = members[k]
                            if v != u:
                                dx, dy = x - xy[v, 0], y - xy[v, 1]
                                count = insert(squares, found, count, dx * dx + dy * dy, v)
            # Everything nearer than so many cells' width has been seen.
            seen = ring * side - beyond
            if count == near and seen > 0 and squares[near - 1] < seen * seen:
                break
        for i in range(near):
            nearest[u, i] = found[i]
