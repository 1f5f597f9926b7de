"""A chunk's blocks evaluated so that one bad individual costs itself alone, and no other row's result a single bit.

A block that fails is tried once more. If it fails again its rows are evaluated singly; those that fail alone are
guilty. The block is then evaluated again IN ITS ORIGINAL SHAPE with copies of an innocent row in the guilty places,
since a matrix product may differ in the last bit with the batch's shape: innocent rows get what they would have got in
an undisturbed run. Where no row fails alone, yet the block does, the whole block is given up.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import numpy as np

from .executor import Arrays, Batch, ChunkResult, Context, Evaluator, Interrupted, InvalidRow, RowFailure

TRIES = 2
"""A deterministic exception gets one more try."""

_ERROR_LENGTH = 500

AtWork = Callable[[int, int], object]
"""Told of the rows that the evaluator is about to be given: the first one's offset, and how many."""


def ignore(first: int, count: int) -> None:
    """An `AtWork` that has no use for it."""


def contiguous(batch: Batch) -> Batch:
    """The same batch in C order: what a worker unpickles and what this process slices must be laid out alike."""
    return Batch(batch.generation, {name: np.ascontiguousarray(a) for name, a in batch.rows.items()}, batch.context)


def block_starts(count: int, block: int) -> range:
    """Where the blocks of `count` rows begin: the grid that every executor keeps to."""
    return range(0, count, block)


def evaluate_chunk(
    evaluator: Evaluator,
    rows: Arrays,
    context: Context,
    guilty: Sequence[int] = (),
    *,
    tolerant: bool = True,
    at_work: AtWork = ignore,
) -> ChunkResult:
    """Evaluate the blocks of a chunk one after the other.

    Parameters
    ----------
    rows
        The rows of whole blocks.
    guilty
        Offsets of rows that must not be evaluated, since they kill whoever does. They get placeholders and no
        `RowFailure`: whoever condemned them reports them. No block consists of such rows alone.
    tolerant
        False: the first failure ends it; the result then holds that failure and is of no other use.
    at_work
        Told of every call of the evaluator before it is made: the first row among those of the chunk, and how many.
    """
    began = perf_counter()
    block = evaluator.block
    results = []
    for at in block_starts(len(rows["row"]), block):
        piece = {name: array[at : at + block] for name, array in rows.items()}
        excluded = [offset - at for offset in guilty if at <= offset < at + block]
        told = partial(_told_from, at_work, at)
        stood_in = _stand_ins(piece, excluded) if excluded else piece
        found = evaluate_block(evaluator, stood_in, context, tolerant=tolerant, at_work=told)
        if excluded:
            _put_placeholders(evaluator, piece, context, found, excluded)
            found.failures = [f for f in found.failures if f.row not in excluded]  # a stand-in is no individual
        results.append(found.shifted(at))
        if found.failures and not tolerant:
            break
    at_work(0, 0)
    joined = join(results)
    joined.seconds = perf_counter() - began
    return joined


def _told_from(at_work: AtWork, at: int, first: int, count: int) -> None:
    at_work(at + first, count)


def join(results: list[ChunkResult]) -> ChunkResult:
    """Consecutive chunks as one."""
    if len(results) == 1:
        return results[0]
    arrays = {name: np.concatenate([r.arrays[name] for r in results]) for name in results[0].arrays}
    return ChunkResult(
        arrays,
        [failure for r in results for failure in r.failures],
        sum(r.retries for r in results),
        sum(r.seconds for r in results),
    )


def evaluate_block(
    evaluator: Evaluator, rows: Arrays, context: Context, *, tolerant: bool = True, at_work: AtWork = ignore
) -> ChunkResult:
    """Evaluate one block; rows that fail alone are given up, the others' results are those of an undisturbed run.

    `tolerant` and `at_work` are those of `evaluate_chunk`.
    """
    count = len(rows["row"])
    at_work(0, count)
    found = _attempt(evaluator, rows, context, tries=TRIES if tolerant else 1)
    if isinstance(found, dict):
        return ChunkResult(found)
    if found.failure is None:  # failed once, then well
        return ChunkResult(found.arrays, retries=1)
    if not tolerant:
        failure = found.failure
        first = RowFailure(0, failure.kind, failure.error, failure.traceback)
        return ChunkResult(evaluator.placeholder(rows, context), [first])
    guilty = {0: found.failure} if count == 1 else _failing_alone(evaluator, rows, context, at_work)
    result = ChunkResult({}, retries=TRIES - 1)
    if len(guilty) < count:
        at_work(0, count)
        again = _attempt(evaluator, _stand_ins(rows, guilty), context, tries=1)
        result.retries += 1
        if isinstance(again, dict):
            result.arrays = again
            _put_placeholders(evaluator, rows, context, result, guilty)
        else:
            assert again.failure is not None
            guilty = {offset: guilty.get(offset, again.failure) for offset in range(count)}
    if len(guilty) == count:
        result.arrays = evaluator.placeholder(rows, context)
    result.failures = [
        RowFailure(offset, failure.kind, failure.error, failure.traceback) for offset, failure in sorted(guilty.items())
    ]
    return result


@dataclass(slots=True)
class _Troubled:
    """An attempt in which something failed: every time, or (`failure` None) not the last time."""

    arrays: dict[str, np.ndarray]
    failure: _Failure | None


@dataclass(slots=True)
class _Failure:
    kind: str
    error: str
    traceback: str


def _attempt(evaluator: Evaluator, rows: Arrays, context: Context, tries: int) -> dict[str, np.ndarray] | _Troubled:
    failure: _Failure | None = None
    count = len(rows["row"])
    for _ in range(tries):
        try:
            arrays = evaluator.evaluate(rows, context)
            for name, array in arrays.items():
                if len(array) != count:
                    raise InvalidRow(f"{name}: expected {count} rows, found {len(array)}")
        except Interrupted:  # a signal's, raised inside the user's code
            raise
        except (Exception, SystemExit) as error:
            failure = _described(error)
        else:
            return arrays if failure is None else _Troubled(arrays, None)
    return _Troubled({}, failure)


def _failing_alone(evaluator: Evaluator, rows: Arrays, context: Context, at_work: AtWork) -> dict[int, _Failure]:
    guilty: dict[int, _Failure] = {}
    for offset in range(len(rows["row"])):
        at_work(offset, 1)
        alone = {name: array[offset : offset + 1] for name, array in rows.items()}
        found = _attempt(evaluator, alone, context, tries=TRIES)
        if isinstance(found, _Troubled) and found.failure is not None:
            guilty[offset] = found.failure
    return guilty


def _stand_ins(rows: Arrays, guilty: Collection[int]) -> dict[str, np.ndarray]:
    """The block with an innocent row's copy in every guilty place."""
    index = np.arange(len(rows["row"]))
    innocent = next(offset for offset in range(len(index)) if offset not in guilty)
    index[list(guilty)] = innocent
    return {name: array[index] for name, array in rows.items()}


def _put_placeholders(
    evaluator: Evaluator, rows: Arrays, context: Context, found: ChunkResult, guilty: Collection[int]
) -> None:
    offsets = sorted(guilty)
    worst = evaluator.placeholder({name: array[offsets] for name, array in rows.items()}, context)
    found.arrays = {name: np.array(array) for name, array in found.arrays.items()}
    for name, array in found.arrays.items():
        array[offsets] = worst[name]


def _described(error: BaseException) -> _Failure:
    if isinstance(error, InvalidRow):
        return _Failure("invalid_result", _one_line(error.message), "")
    kind = "out_of_memory" if isinstance(error, MemoryError) else "evaluation_error"
    try:
        text = str(error)
    except Exception:  # the user's own __str__ may fail too
        text = "(its text cannot be read)"
    line = _one_line(f"{type(error).__name__}: {text}" if text else type(error).__name__)
    frames = error.__traceback__.tb_next if error.__traceback__ is not None else None  # without `_attempt` itself
    return _Failure(kind, line, "".join(traceback.format_tb(frames)) + line + "\n")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_ERROR_LENGTH]
