"""What the conformance suite lets every optimizer search: each space, one objective and two, noise, poison, bounds."""

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
    "categorical": evo.Categorical([0, 1, 4, 9], shape=5),
    "mixed": evo.Mixed(
        rate=evo.Real(0.01, 1, shape=2, log=True),
        count=evo.Integer(0, 9),
        on=evo.Binary(2),
        way=evo.Categorical(["in", "out", "through"]),
        order=evo.Permutation(3),
    ),
}
SPACES |= {f"two {kind}": space for kind, space in SPACES.items()}
"""Two objectives where the name says so."""


def optimizer_class(name: str) -> type[Generational]:
    cls = import_name(BUILTIN[name], "optimizer.type")
    assert issubclass(cls, Generational)
    return cls


def knows(name: str, kind: str) -> bool:
    cls = optimizer_class(name)
    several = kind.startswith("two ")
    return isinstance(SPACES[kind], cls.spaces) and cls.objectives in ("any", "several" if several else "one")


CASES = [(name, kind) for name in BUILTIN for kind in SPACES if knows(name, kind)]
"""Every registered optimizer with every space that it knows, and as many objectives as it knows."""


def cost(x: np.ndarray) -> np.ndarray:
    """Smallest in a corner: at the lower bounds, without ones, in order."""
    weights = 1.0 + np.arange(x.shape[1]) / 10.0
    return np.asarray(((x - np.arange(x.shape[1])) ** 2 * weights).sum(axis=1)) + x[:, 0]


def numbers(x: Any) -> np.ndarray:
    """What the user's code sees of a batch as numbers, (batch, n)."""
    if not isinstance(x, dict):
        return np.asarray(x, dtype=np.float64)
    columns = {**x, "way": (x["way"] == "through") + 2.0 * (x["way"] == "out")}
    return np.column_stack([np.asarray(column, dtype=np.float64) for column in columns.values()])


class Plain(evo.Problem):
    """Deterministic; the optimum lies on bounds."""

    block = 8

    def __init__(self, kind: str) -> None:
        self.space = SPACES[kind]
        if kind.startswith("two "):
            self.directions = ("min", "max")

    def costs(self, x: Any) -> np.ndarray:
        """(batch,), or (batch, 2): the second is best where the genome is in the opposite order, and maximised."""
        found = numbers(x)
        first = cost(found)
        return np.column_stack((first, -cost(found[:, ::-1]))) if len(self.directions) else first

    def evaluate(self, x: np.ndarray) -> Any:
        return self.costs(x)


class Noisy(Plain):
    """Every individual's noise is its own stream's."""

    noisy = True

    def evaluate(self, x: np.ndarray, rng: np.random.Generator) -> Any:  # type: ignore[override]  # noisy signature
        found = self.costs(x)
        return found + rng.normal(0.0, 0.5, found.shape)


class Poisonous(Plain):
    """Here evaluation raises, there the objective is NaN: both to be quarantined."""

    def evaluate(self, x: np.ndarray) -> Any:
        if self.forbidden(x).any():
            raise ValueError("poison")
        found = self.costs(x)
        found[self.murky(x)] = np.nan
        return found

    @staticmethod
    def forbidden(x: Any) -> np.ndarray:
        return np.asarray(np.floor(numbers(x)[:, [0, -1]].sum(axis=1)) % 7 == 1)

    @staticmethod
    def murky(x: Any) -> np.ndarray:
        return np.asarray(np.floor(numbers(x)[:, :2].sum(axis=1)) % 5 == 1)


class Improved(Plain):
    """Memetic: every individual comes back changed, and inside the space."""

    def improve(self, x: Any) -> Any:  # type: ignore[override]  # a method in place of the optional attribute
        if isinstance(x, dict):
            x["count"][::2] = x["count"].min()
            x["order"] = np.roll(x["order"], 1, axis=1)
            return x
        if isinstance(self.space, evo.Permutation):
            return np.roll(x, 1, axis=1)
        x[::2, 0] = x.min(axis=0)[0]
        return x
