"""Exponential backoff with a cap, and a jitter that is a hash: the same events, the same waits."""

from __future__ import annotations

import hashlib

JITTER = 0.1
"""A wait is shortened by up to this share, so that those that failed together do not come back together."""


def backoff(attempt: int, base: float, cap: float, *ids: object) -> float:
    """Seconds to wait before a repetition.

    Parameters
    ----------
    attempt
        0 for the first wait, which is `base` long; every further one is twice as long.
    base, cap
        The first and the longest wait, seconds.
    ids
        What is repeated: plain values whose text names it.
    """
    wait = min(cap, base * 2.0 ** min(attempt, 60))
    text = "\x1f".join(map(str, (attempt, *ids)))
    share = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64
    return wait * (1.0 - JITTER * share)
