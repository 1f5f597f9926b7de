"""Points of the unit cube for a first population: uniform, a Latin hypercube, or Sobol's sequence."""

from __future__ import annotations

import importlib.util

import numpy as np

from evo.errors import SettingsError

METHODS = ("uniform", "latin-hypercube", "sobol")
MAX_SOBOL_DIMENSIONS = 21201
"""As far as Joe and Kuo's direction numbers go, which SciPy uses."""


def check(method: str, size: int) -> None:
    """See that points of so many dimensions can be had.

    Raises
    ------
    SettingsError
        SciPy is needed and not there, or the sequence does not have so many dimensions.
    """
    if method != "sobol":
        return
    if size > MAX_SOBOL_DIMENSIONS:
        raise SettingsError(f"optimizer.sampling: sobol: expected at most {MAX_SOBOL_DIMENSIONS} genes, found {size}")
    if importlib.util.find_spec("scipy") is None:
        raise SettingsError('optimizer.sampling: sobol needs SciPy: pip install "evo-engine[sobol]"')


def unit_points(method: str, count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Points of [0, 1)^size, (count, size).

    Parameters
    ----------
    method
        ``uniform``: independent. ``latin-hypercube``: in each dimension one point in each of `count` equal intervals
        (McKay, Beckman, Conover 1979, DOI 10.2307/1268522). ``sobol``: Sobol's sequence, scrambled (Joe and Kuo 2008,
        DOI 10.1137/070709359); most even where `count` is a power of two. It needs SciPy: extra ``evo-engine[sobol]``,
        see `check`.
    """
    if method == "uniform":
        return rng.random((count, size))
    if method == "latin-hypercube":
        intervals = rng.permuted(np.tile(np.arange(count), (size, 1)), axis=1).T
        return np.asarray((intervals + rng.random((count, size))) / count)
    from scipy.stats import qmc

    # A seed that is a number means the same in all versions of SciPy, whose keyword for generators changed its name.
    sequence = qmc.Sobol(size, scramble=True, seed=int(rng.integers(2**31)))
    whole = 1 << max(count - 1, 0).bit_length()  # SciPy warns of other numbers
    return np.asarray(sequence.random(whole)[:count])
