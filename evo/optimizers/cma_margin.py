"""CMA-ES with Margin: no integer variable's distribution may shrink onto one value for good.

Source: Hamano, Saito, Nomura, Shirakawa (2022), DOI 10.1145/3512290.3528827, arXiv 2205.13482. Samples become
m + sigma A y with a diagonal A; after every update A and m of each integer are moved just so far that the values beside
the mean's keep the probability alpha / 2 each, alpha = 1 / (n lambda).
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from evo.optimizers.box import Box

_NORMAL = NormalDist()


class Margin:
    """The matrix A of a space whose dimensions are all discrete.

    Coordinates are those of `cma_bounds`: the box is [-1/2, 1/2], so a value v of a dimension of k values owns the
    interval from v / k - 1/2 to (v + 1) / k - 1/2, counted from 0.
    """

    def __init__(self, box: Box, population: int) -> None:
        self.values = np.rint(box.width)
        self.alpha = 1.0 / (box.size * population)
        self.scale = np.ones(box.size)
        """(n,) the diagonal of A."""

    def keep(self, mean: np.ndarray, sigma: float, variances: np.ndarray) -> np.ndarray:
        """Correct A, and return the corrected mean, (n,)."""
        deviations = sigma * self.scale * np.sqrt(variances)
        mean = mean.copy()
        for j in range(len(mean)):
            k = self.values[j]
            if k < 2:
                continue
            # Thresholds lie at i / k - 1/2 for i = 1 … k - 1.
            value = min(max(math.floor((mean[j] + 0.5) * k), 0), k - 1)
            below, above = value / k - 0.5, (value + 1) / k - 0.5
            if value == 0 or value == k - 1:
                mean[j] = self._edge(mean[j], deviations[j], above if value == 0 else below)
            else:
                mean[j], width = self._between(mean[j], deviations[j], below, above)
                self.scale[j] *= width / deviations[j]
        return mean

    def _edge(self, mean: float, deviation: float, threshold: float) -> float:
        """Equation 8: at the end of the range, or of two values, the mean stays near the only threshold."""
        reach = -_NORMAL.inv_cdf(self.alpha) * deviation
        return threshold + math.copysign(min(abs(mean - threshold), reach), mean - threshold)

    def _between(self, mean: float, deviation: float, below: float, above: float) -> tuple[float, float]:
        """Equations 9 to 15: mean and deviation that leave alpha / 2 or more on both sides."""
        half = 0.5 * self.alpha
        p_low = 0.5 * math.erfc((mean - below) / (deviation * math.sqrt(2.0)))
        p_up = 0.5 * math.erfc((above - mean) / (deviation * math.sqrt(2.0)))
        if p_low >= half and p_up >= half:
            return mean, deviation
        p_mid = 1.0 - p_low - p_up
        low, up = max(half, p_low), max(half, p_up)
        excess = (1.0 - low - up - p_mid) / (low + up + p_mid - 3.0 * half)
        low, up = low + excess * (low - half), up + excess * (up - half)
        q_low, q_up = -_NORMAL.inv_cdf(min(low, 0.5)), -_NORMAL.inv_cdf(min(up, 0.5))
        new = (below * q_up + above * q_low) / (q_low + q_up)
        return new, (above - below) / (q_low + q_up)
