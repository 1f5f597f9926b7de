"""Random numbers inside kernels: SplitMix64, keyed by (seed, generation, row), so that no worker and no order matters.

Source: Steele, Lea, Flood (2014), "Fast splittable pseudorandom number generators", DOI 10.1145/2660193.2660195.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compilation import inlined, kernel

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_27, _30, _31, _32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)


@inlined
def mixed(z: Any) -> Any:
    """A bijection of 64 bits that changes half of them when one changes."""
    z = (z ^ (z >> _30)) * _MIX_1
    z = (z ^ (z >> _27)) * _MIX_2
    return z ^ (z >> _31)


@kernel
def seed_random(state: Any, seed: Any, generation: Any, row: Any) -> None:
    """Start the stream of one row of one generation in ``state[0]``, (1,) uint64."""
    z = mixed(np.uint64(seed) + _GAMMA)
    z = mixed(z + np.uint64(generation) * _GAMMA + _GAMMA)
    state[0] = mixed(z + np.uint64(row) * _GAMMA + _GAMMA)


@inlined
def random_below(state: Any, bound: Any) -> Any:
    """A number of 0 … bound - 1 (bound < 2**32), by multiplication: its bias is below bound / 2**32."""
    state[0] += _GAMMA
    return np.int64(((mixed(state[0]) >> _32) * np.uint64(bound)) >> _32)


@kernel
def shuffle(state: Any, items: Any) -> None:
    """Put `items` in random order (Fisher and Yates)."""
    for i in range(len(items) - 1, 0, -1):
        j = random_below(state, i + 1)
        items[i], items[j] = items[j], items[i]
