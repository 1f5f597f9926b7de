"""What a checkpoint costs beside the plain calls that it is made of: python benchmarks/checkpoints.py [FOLDER]

Saving is compared with one plain write + fsync of as many bytes, loading with one plain read of them into fresh memory;
ours and the plain call alternate, and the median of the pairs' ratios is what counts. Small saves are compared with the
same system calls (write, fsync, rename, fsync of the folder) and nothing around them.
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from results_file import cpu_model, evo_version, markdown_table, today, update_section, versions

from evo.checkpoints import CheckpointStore, load, save, snapshot

MEGABYTE = 1_000_000


def main(folder: Path) -> None:
    """Print the table, and write it to RESULTS.md."""
    large = {"generation": 1, "population": np.random.default_rng(1).random((12_500, 1000))}
    data = large["population"].tobytes()
    path, plain_path = folder / "ours", folder / "plain"
    rows = [
        row("save 100 MB", 11, lambda: write_plainly(plain_path, data), lambda: save(path, large)),
        row("load 100 MB", 11, lambda: read_plainly(plain_path), lambda: load(path)),
        row("snapshot 100 MB, against a copy", 7, lambda: large["population"].copy(), lambda: snapshot(large)),
    ]
    for size in (4_000, MEGABYTE):
        rows += small_files(folder, size)
    lines = [
        f"`python benchmarks/checkpoints.py`, {today()}, {cpu_model()}, shared with other work; evo {evo_version()}, "
        f"{versions('numpy', 'msgpack', 'xxhash')}. Each line: medians of pairs that alternate, and the median ratio.",
        "",
        *markdown_table(["what", "plain, ms", "evo, ms", "plain / evo"], rows),
    ]
    update_section("checkpoints: rates", "Checkpoints: rates beside the plain system calls", lines)


def small_files(folder: Path, size: int) -> list[list[str]]:
    """The lines of one size, where the system calls count for more than the bytes."""
    tree = {"generation": 1, "population": np.zeros(size // 8)}
    data = tree["population"].tobytes()
    path, name = folder / "ours", f"{size // 1000} KB"
    store, generations = CheckpointStore(folder / f"store-{size}"), itertools.count()
    return [
        row(f"save {name}", 40, lambda: write_atomically(folder, data), lambda: save(path, tree)),
        row(
            f"save {name} in a store (latest, pruning)",
            40,
            lambda: write_atomically(folder, data),
            lambda: store.save(next(generations), tree),
        ),
        row(f"load {name}", 200, lambda: read_plainly(folder / "target"), lambda: load(path)),
    ]


def row(what: str, repeats: int, plain: Callable[[], object], ours: Callable[[], object]) -> list[str]:
    """Measure both, alternating; print and return a line: medians, and the median of the pairs' ratios."""
    warm = [(seconds_of(plain), seconds_of(ours)) for _ in range(repeats + 1)][1:]
    plain_ms, ours_ms = (1000 * statistics.median(times) for times in zip(*warm, strict=True))
    ratio = statistics.median(plain_seconds / our_seconds for plain_seconds, our_seconds in warm)
    print(f"{what:<44}{plain_ms:>10.3f}{ours_ms:>10.3f}{ratio:>11.0%}", flush=True)
    return [what, f"{plain_ms:.3f}", f"{ours_ms:.3f}", f"{ratio:.0%}"]


def seconds_of(function: Callable[[], object]) -> float:
    """Return the wall time of one call; what it returns is freed outside."""
    start = time.perf_counter()
    result = function()
    seconds = time.perf_counter() - start
    del result
    return seconds


def write_plainly(path: Path, data: bytes) -> None:
    """Write a file in place, and wait until it is on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)
    os.close(descriptor)


def write_atomically(folder: Path, data: bytes) -> None:
    """Write beside, and rename: the system calls alone."""
    write_plainly(folder / "temporary", data)
    os.replace(folder / "temporary", folder / "target")
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def read_plainly(path: Path) -> np.ndarray:
    """Read a file into fresh memory, of the kind that arrays have (huge pages: bytes take twice as long)."""
    with path.open("rb", buffering=0) as file:
        memory = np.empty(os.fstat(file.fileno()).st_size, np.uint8)
        view = memory.data
        while view:
            view = view[file.readinto(view) :]
    return memory


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else ".") as scratch:
        main(Path(scratch))
