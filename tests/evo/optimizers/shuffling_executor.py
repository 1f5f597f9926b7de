"""An executor that cuts batches into random chunks, evaluates them in random order, some twice, through pickles."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from itertools import pairwise

import cloudpickle

from evo.distributed.blocks import block_starts, contiguous, evaluate_chunk, join
from evo.distributed.executor import Batch, ChunkResult, Delivered, Evaluator, Listener, Outcome, ignore


class ShufflingExecutor:
    """As wild as workers may be, in this process; the outcome must not show it."""

    name = "shuffling"

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._evaluator: Evaluator | None = None
        self._batches: deque[Batch] = deque()

    def start(self, evaluator: Evaluator, listener: Listener, delivered: Delivered = ignore) -> None:
        self._evaluator = evaluator

    def submit(self, batch: Batch) -> None:
        self._batches.append(contiguous(batch))

    def collect(self, should_stop: Callable[[], bool]) -> Outcome:
        batch, dice = self._batches.popleft(), self._dice
        assert self._evaluator is not None
        starts = list(block_starts(len(batch), self._evaluator.block))
        cuts = [0, *(at for at in starts[1:] if dice.random() < 0.5), len(batch)]
        chunks = list(pairwise(cuts))
        jobs = chunks + [chunk for chunk in chunks if dice.random() < 0.3]
        dice.shuffle(jobs)
        found: dict[int, ChunkResult] = {}
        for start, end in jobs:
            evaluator, rows = cloudpickle.loads(
                cloudpickle.dumps((self._evaluator, {name: a[start:end] for name, a in batch.rows.items()}))
            )
            found[start] = evaluate_chunk(evaluator, rows, batch.context).shifted(start)
        whole = join([found[start] for start, _ in chunks])
        return Outcome(whole.arrays, whole.failures, {self.name: len(batch)})

    def workers_alive(self) -> int:
        return 3

    def settled(self) -> bool:
        return True

    def close(self) -> None:
        self._batches.clear()
