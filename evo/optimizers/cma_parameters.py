"""The strategy parameters of CMA-ES, as functions of dimension and population (Hansen 2016, arXiv 1604.00772, table 1).

Equation numbers are that paper's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


def default_population(n: int) -> int:
    """Lambda = 4 + floor(3 ln n), equation 48."""
    return 4 + int(3 * math.log(n))


@dataclass(frozen=True, slots=True)
class StrategyParameters:
    """Weights and rates of one restart. A pure function of `n`, `population` and the two switches."""

    n: int
    population: int
    mu: int
    weights: np.ndarray
    """(population,), the first mu positive with sum 1, the others negative, or 0 without the active update."""
    mu_eff: float
    c_sigma: float
    d_sigma: float
    c_c: float
    c_1: float
    c_mu: float
    chi: float
    """E‖N(0, I)‖."""

    @classmethod
    def of(cls, n: int, population: int, *, active: bool = True, separable: bool = False) -> StrategyParameters:
        """The defaults.

        Parameters
        ----------
        separable
            The rates of the covariance for a diagonal matrix: (n + 2) / 3 times as large (Ros and Hansen 2008, DOI
            10.1007/978-3-540-87700-4_30).
        """
        mu = population // 2
        raw = math.log((population + 1) / 2) - np.log(np.arange(1, population + 1))  # (49)
        plus, minus = raw[:mu], np.minimum(raw[mu:], 0.0)
        mu_eff = float(plus.sum() ** 2 / (plus**2).sum())
        faster = (n + 2) / 3 if separable else 1.0
        c_1 = min(1.0, faster * 2.0 / ((n + 1.3) ** 2 + mu_eff))  # (57)
        c_mu = min(1.0 - c_1, faster * 2.0 * (0.25 + mu_eff + 1 / mu_eff - 2) / ((n + 2) ** 2 + mu_eff))  # (58)
        weights = np.zeros(population)
        weights[:mu] = plus / plus.sum()  # (53)
        if active and minus.any():
            mu_eff_minus = float(minus.sum() ** 2 / (minus**2).sum())
            bound = min(
                1.0 + c_1 / c_mu,  # (50)
                1.0 + 2.0 * mu_eff_minus / (mu_eff + 2.0),  # (51)
                max(0.0, (1.0 - c_1 - c_mu) / (n * c_mu)),  # (52): the matrix stays positive definite
            )
            weights[mu:] = bound * minus / -minus.sum()
        c_sigma = (mu_eff + 2.0) / (n + mu_eff + 5.0)  # (55)
        d_sigma = 1.0 + 2.0 * max(0.0, math.sqrt((mu_eff - 1.0) / (n + 1.0)) - 1.0) + c_sigma
        c_c = (4.0 + mu_eff / n) / (n + 4.0 + 2.0 * mu_eff / n)  # (56)
        chi = math.sqrt(n) * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n))
        return cls(n, population, mu, weights, mu_eff, c_sigma, d_sigma, c_c, c_1, c_mu, chi)
