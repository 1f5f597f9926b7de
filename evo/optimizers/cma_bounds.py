"""Bounds for CMA-ES: a smooth map of all of Rⁿ onto the box, so that samples need neither rejection nor penalty.

The normal distribution lives in coordinates in which the box is [-1/2, 1/2]ⁿ. The map is the identity inside, flattens
as a parabola within `MARGIN` of a bound, where its slope reaches 0 at the bound itself, and repeats mirrored beyond. An
optimum on a bound becomes an interior one of a smooth function, which is what CMA-ES is good at. (The idea is Hansen's,
`BoundTransform` in pycma.)
"""

from __future__ import annotations

import numpy as np

MARGIN = 0.05
"""Width of the parabola on both sides of a bound, as a share of the box."""
_FLAT = 0.5 - MARGIN
_LENGTH = 1.0 + 2.0 * MARGIN
"""The line repeats mirrored after this length."""


def into_box(u: np.ndarray) -> np.ndarray:
    """The points of the box, in [-1/2, 1/2], that any coordinates stand for."""
    size = np.abs(u)
    if size.max() <= _FLAT:
        return u
    if size.max() > 0.5 * _LENGTH:
        u = folded(u)[0]
        size = np.abs(u)
    near = 0.5 - (0.5 + MARGIN - size) ** 2 / (4.0 * MARGIN)
    return np.where(size <= _FLAT, u, np.copysign(near, u))


def folded(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same points in coordinates of [-1/2 - MARGIN, 1/2 + MARGIN], and -1 where the line runs backwards, else 1."""
    count = np.rint(u / _LENGTH)
    signs = 1.0 - 2.0 * (count % 2.0)
    return (u - count * _LENGTH) * signs, signs


def out_of_box(x: np.ndarray) -> np.ndarray:
    """The nearest coordinates that stand for points of the box: the inverse on the map's first branch."""
    size = np.abs(x)
    far = 0.5 + MARGIN - 2.0 * np.sqrt(MARGIN * np.maximum(0.5 - size, 0.0))
    return np.where(size <= _FLAT, x, np.copysign(far, x))
