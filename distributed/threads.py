"""BLAS and OpenMP pinned to one thread, since a matrix product's last bit depends on their number."""

from __future__ import annotations

import os

from threadpoolctl import threadpool_limits

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""What numerical libraries read when they are loaded."""


class OneThread:
    """From its making until `release`, the numerical libraries of this process use one thread.

    Libraries that are loaded already are told; ones that are loaded later read the environment. (NUMBA_NUM_THREADS is
    left alone: numba refuses that it changes in a running process.)
    """

    def __init__(self) -> None:
        self._before: dict[str, str | None] = {name: os.environ.get(name) for name in VARIABLES}
        os.environ.update(dict.fromkeys(VARIABLES, "1"))
        self._limits = threadpool_limits(limits=1)
        self._released = False

    def release(self) -> None:
        """Restore what was found. Idempotent."""
        if self._released:
            return
        self._released = True
        self._limits.restore_original_limits()
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
