"""A coverage-guided fuzzer for the reader of checkpoints: python benchmarks/fuzz_checkpoint.py [RUNS]

Needs `atheris`. Each input is tried as it is, and with its header and checksum made right, so that what lies behind
them is reached too. Only a `CheckpointError` may come out, within a limit of memory. A crash is written to the working
directory by libFuzzer, and ends the fuzzing.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["evo.checkpoints"]):
    from evo.checkpoints import decode, encode
    from evo.checkpoints.format import CHECKSUM, CHECKSUM_OFFSET, HEADER_LENGTH, MAGIC, Header

import numpy as np
import xxhash

from evo.errors import CheckpointError

FIXTURES = Path(__file__).parents[1] / "tests" / "checkpoints" / "fixtures"
count = 0
sound = 0
"""Inputs that were read without complaint."""


def one_input(data: bytes) -> None:
    """Read one input, as it is and made right."""
    global count
    count += 1
    attempt(data)
    if len(data) > HEADER_LENGTH:
        attempt(made_right(data))


def attempt(data: bytes) -> None:
    """Anything but a tree or a `CheckpointError` is a defect, and crashes the fuzzer."""
    global sound
    try:
        decode(data)
    except CheckpointError:
        return
    sound += 1


def made_right(data: bytes) -> bytes:
    """The same with magic, lengths and checksum that agree with the content."""
    tree_length = int.from_bytes(data[32:40], "little") % (len(data) - HEADER_LENGTH + 1)
    nodes = int.from_bytes(data[40:48], "little") % (len(data) // 8 + 1)
    version = 1 + data[8] % 2
    header = Header(version, CHECKSUM, len(data), tree_length, nodes).pack()
    assert header.startswith(MAGIC)
    checksum = xxhash.xxh3_128(header[:CHECKSUM_OFFSET] + data[HEADER_LENGTH:]).digest()
    return header[:CHECKSUM_OFFSET] + checksum + data[HEADER_LENGTH:]


def corpus(folder: Path) -> None:
    """Sound files to start from."""
    trees = [
        {},
        {"a": [1, 2.5, None, True, "text", b"bytes", 2**70]},
        {"x": np.arange(6.0).reshape(2, 3), "mask": np.array([True, False]), "none": np.zeros((0, 4))},
        {"deep": [[[[{"k": [np.int8(3)]}]]]]},
    ]
    for number, tree in enumerate(trees):
        (folder / f"tree-{number}").write_bytes(b"".join(encode(tree)))
    for fixture in FIXTURES.glob("*.msgpack"):
        (folder / fixture.name).write_bytes(fixture.read_bytes())


def main(runs: int) -> None:
    """Fuzz; libFuzzer ends the process, so the last line is printed on the way."""
    folder = Path(tempfile.mkdtemp())
    corpus(folder)
    began = time.monotonic()

    def counted(data: bytes) -> None:
        one_input(data)
        if count == runs or count % 100_000 == 0:
            print(
                f"{count} inputs, {sound} of their {2 * count} readings sound, {time.monotonic() - began:.0f} s",
                flush=True,
            )

    atheris.Setup(
        [sys.argv[0], f"-runs={runs}", "-max_len=4096", "-rss_limit_mb=1024", "-timeout=10", str(folder)], counted
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
