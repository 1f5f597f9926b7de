"""The covariance matrix of CMA-ES, full or diagonal, and its square root.

Equation numbers: Hansen (2016), arXiv 1604.00772. Samples are y = B D z with z ~ N(0, I) and C = B D² Bᵀ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from evo.optimizers.cma_parameters import StrategyParameters
from evo.optimizers.generational import array_of

STALE = 0.05
"""The decomposition is renewed when C may have changed by this share: (c_1 + c_mu) x generations. B.2 allows the delay;
up to 0.1 costs no evaluations that could be measured on 10 to 40 dimensions."""
SMALLEST = 1e-20
"""Eigenvalues below this share of the largest are raised to it: rounding may make them negative."""


class Covariance(ABC):
    """C, starting as the identity."""

    D: np.ndarray
    """(n,) square roots of the eigenvalues."""

    def __init__(self, n: int) -> None:
        self.n = n

    def prepare(self, parameters: StrategyParameters) -> None:  # noqa: B027 - only the full matrix has work to put off
        """Called before a generation is sampled."""

    @abstractmethod
    def coloured(self, z: np.ndarray) -> np.ndarray:
        """y = B D z, for one (n,) or a batch (m, n)."""

    @abstractmethod
    def rotated(self, z: np.ndarray) -> np.ndarray:
        """B z: C^(-1/2) y for y = B D z."""

    @abstractmethod
    def whitened(self, y: np.ndarray) -> np.ndarray:
        """The z of which y was made, for a batch (m, n)."""

    @abstractmethod
    def update(
        self, keep: float, c_1: float, path: np.ndarray, c_mu: float, weights: np.ndarray, y: np.ndarray
    ) -> None:
        """C <- keep C + c_1 p pᵀ + c_mu sum of w_i y_i y_iᵀ, equation 47."""

    @abstractmethod
    def mirror(self, signs: np.ndarray) -> None:
        """Turn the axes round in which `signs`, (n,), is -1."""

    @abstractmethod
    def variances(self) -> np.ndarray:
        """The diagonal of C, (n,)."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Arrays and numbers."""

    @abstractmethod
    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""


class FullCovariance(Covariance):
    """C in full; its eigen-decomposition, O(n³), is renewed every few generations, so that O(n²) a sample is left."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.C = np.eye(n)
        self.B = np.eye(n)
        self.D = np.ones(n)
        self._renewed()

    def _renewed(self) -> None:
        self.age = 0
        self._BD = np.ascontiguousarray((self.B * self.D).T)  # rows of samples times this: one product a batch

    def prepare(self, parameters: StrategyParameters) -> None:
        if self.age == 0 or self.age * (parameters.c_1 + parameters.c_mu) < STALE:
            return
        values, self.B = np.linalg.eigh(self.C)  # reads the lower triangle alone: rounding cannot make C asymmetric
        self.D = np.sqrt(np.maximum(values, SMALLEST * values[-1]))
        self._renewed()

    def coloured(self, z: np.ndarray) -> np.ndarray:
        return np.asarray(z @ self._BD)

    def rotated(self, z: np.ndarray) -> np.ndarray:
        return np.asarray(self.B @ z)

    def whitened(self, y: np.ndarray) -> np.ndarray:
        return np.asarray((y @ self.B) / self.D)

    def update(
        self, keep: float, c_1: float, path: np.ndarray, c_mu: float, weights: np.ndarray, y: np.ndarray
    ) -> None:
        # The path is one more row of the sum: all of the update is one matrix product.
        rows = np.concatenate((y, path[None]))
        self.C *= keep
        self.C += (rows.T * np.concatenate((c_mu * weights, (c_1,)))) @ rows
        self.age += 1

    def mirror(self, signs: np.ndarray) -> None:
        self.C *= np.outer(signs, signs)
        self.B *= signs[:, None]
        self._BD *= signs

    def variances(self) -> np.ndarray:
        return self.C.diagonal()

    def state(self) -> dict[str, Any]:
        return {"C": self.C, "B": self.B, "D": self.D, "age": self.age}

    def load(self, state: Mapping[str, Any]) -> None:
        n = self.n
        self.C, self.B = array_of(state, "C", (n, n)), array_of(state, "B", (n, n))
        self.D = array_of(state, "D", (n,))
        self._renewed()
        self.age = int(state["age"])


class DiagonalCovariance(Covariance):
    """Variances alone: linear in n (sep-CMA-ES; Ros and Hansen 2008)."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.D = np.ones(n)

    def coloured(self, z: np.ndarray) -> np.ndarray:
        return np.asarray(z * self.D)

    def rotated(self, z: np.ndarray) -> np.ndarray:
        return z

    def whitened(self, y: np.ndarray) -> np.ndarray:
        return np.asarray(y / self.D)

    def update(
        self, keep: float, c_1: float, path: np.ndarray, c_mu: float, weights: np.ndarray, y: np.ndarray
    ) -> None:
        variances = keep * self.D**2 + c_1 * path**2 + c_mu * (weights @ (y * y))
        self.D = np.sqrt(np.maximum(variances, SMALLEST * variances.max()))

    def mirror(self, signs: np.ndarray) -> None:
        pass  # variances have no direction

    def variances(self) -> np.ndarray:
        return self.D**2

    def state(self) -> dict[str, Any]:
        return {"D": self.D}

    def load(self, state: Mapping[str, Any]) -> None:
        self.D = array_of(state, "D", (self.n,))
