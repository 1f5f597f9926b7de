"""Problems on which an impure run would show: noise, matrix products, and time enough to be killed in."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import evo
from evo.rng import stream


class Noisy(evo.Problem):
    """A noisy objective: every individual has its own stream."""

    noisy = True

    def __init__(self, seconds: float = 0.0) -> None:
        self.space = evo.Real(-5, 5, shape=4)
        self.seconds = seconds

    def evaluate(self, x: np.ndarray, rng: np.random.Generator) -> Any:  # type: ignore[override]  # noisy signature
        time.sleep(self.seconds)
        return (x**2).sum(axis=1) + rng.normal(0, 0.1, len(x))


class Products(evo.Problem):
    """Chained matrix products: their last bits change with the batch's shape and the number of BLAS threads."""

    block = 16

    def __init__(self, size: int = 48, seconds: float = 0.0) -> None:
        self.space = evo.Real(-1, 1, shape=size)
        self.seconds = seconds
        self.layers = stream(1, 0, 99).normal(size=(3, size, size)) / np.sqrt(size)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        time.sleep(self.seconds)
        for layer in self.layers:
            x = np.tanh(x @ layer)
        return np.asarray((x - 0.3).__pow__(2).sum(axis=1))
