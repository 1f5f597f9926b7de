"""What the conformance suite lets every optimizer search: each space, noise, poison, an optimum on the bounds."""

from __future__ import annotations

from typing import Any

import numpy as np

import evo
from evo.importing import import_name
from evo.optimizers import BUILTIN
from evo.optimizers.generational import Generational
from evo.spaces import Space

SPACES: dict[str, Space] = {
    "real": evo.Real([-5, -1, 0], [5, 3, 0.5]),
    "integer": evo.Integer([-4, 0, 7, -2], [9, 1, 7, 50]),
    "binary": evo.Binary(12),
    "permutation": evo.Permutation(7),
}


def optimizer_class(name: str) -> type[Generational]:
    cls = import_name(BUILTIN[name], "optimizer.type")
    assert issubclass(cls, Generational)
    return cls


CASES = [
    (name, kind)
    for name in BUILTIN
    for kind, space in SPACES.items()
    if isinstance(space, optimizer_class(name).spaces)
]
"""Every registered optimizer with every space that it knows."""


def cost(x: np.ndarray) -> np.ndarray:
    """Smallest in a corner: at the lower bounds, without ones, in order."""
    weights = 1.0 + np.arange(x.shape[1]) / 10.0
    return np.asarray(((x - np.arange(x.shape[1])) ** 2 * weights).sum(axis=1)) + x[:, 0]


class Plain(evo.Problem):
    """Deterministic; the optimum lies on bounds."""

    block = 8

    def __init__(self, kind: str) -> None:
        self.space = SPACES[kind]

    def evaluate(self, x: np.ndarray) -> Any:
        return cost(x.astype(np.float64))


class Noisy(Plain):
    """Every individual's noise is its own stream's."""

    noisy = True

    def evaluate(self, x: np.ndarray, rng: np.random.Generator) -> Any:  # type: ignore[override]  # noisy signature
        return cost(x.astype(np.float64)) + rng.normal(0.0, 0.5, len(x))


class Poisonous(Plain):
    """Here evaluation raises, there the objective is NaN: both to be quarantined."""

    def evaluate(self, x: np.ndarray) -> Any:
        if self.forbidden(x).any():
            raise ValueError("poison")
        return np.where(self.murky(x), np.nan, cost(x.astype(np.float64)))

    @staticmethod
    def forbidden(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.floor(x.astype(np.float64)[:, [0, -1]].sum(axis=1)) % 7 == 1)

    @staticmethod
    def murky(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.floor(x.astype(np.float64)[:, :2].sum(axis=1)) % 5 == 1)


class Improved(Plain):
    """Memetic: every individual comes back changed, and inside the space."""

    def improve(self, x: np.ndarray) -> Any:  # type: ignore[override]  # a method in place of the optional attribute
        if isinstance(self.space, evo.Permutation):
            return np.roll(x, 1, axis=1)
        x[::2, 0] = x.min(axis=0)[0]
        return x
