"""The journal: every whole record survives whatever happens to the end of the file, and nothing else is believed."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evo.checkpoints import disk, encode
from evo.checkpoints.journal import Journal, read_journal, segment_name, segments
from evo.errors import CheckpointError


def record(number: int) -> dict[str, Any]:
    return {"number": number, "values": np.arange(number + 1, dtype=np.float64)}


def numbers(folder: Path, warnings: list[str] | None = None) -> list[int]:
    found = read_journal(folder, (warnings if warnings is not None else []).append)
    for each in found:
        assert each["values"].tolist() == list(range(each["number"] + 1))
    return [each["number"] for each in found]


def filled(folder: Path, count: int = 3, generation: int = 0) -> Path:
    journal = Journal(folder, generation)
    for number in range(count):
        journal.append(record(number))
    journal.close()
    return folder / segment_name(generation)


def test_what_is_appended_is_read_in_order_and_before_it_is_closed(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    for number in range(5):
        journal.append(record(number))
        assert numbers(tmp_path) == list(range(number + 1))
    journal.close()
    assert numbers(tmp_path) == list(range(5))


def test_no_file_is_made_before_the_first_record(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    journal.begin(3)
    journal.discard_before(3)
    journal.close()
    assert list(tmp_path.iterdir()) == []
    assert read_journal(tmp_path / "missing") == []


def test_cut_off_anywhere_every_whole_record_before_is_read_and_the_next_run_goes_on_there(tmp_path: Path) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    ends = [sum(len(b) for n in range(k) for b in encode(record(n))) for k in range(4)]
    assert ends[-1] == len(whole)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        left = sum(end <= length for end in ends[1:])
        said: list[str] = []
        assert numbers(tmp_path, said) == list(range(left))
        assert bool(said) == (length not in ends), "what is cut off is told"
        journal = Journal(tmp_path, 0)
        journal.append(record(9))
        journal.close()
        assert numbers(tmp_path) == [*range(left), 9]


def test_a_flipped_bit_anywhere_costs_what_follows_and_is_never_believed(tmp_path: Path) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    first = sum(len(b) for b in encode(record(0)))
    for bit in random.Random(1).sample(range(8 * len(whole)), 400):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        said: list[str] = []
        found = numbers(tmp_path, said)
        assert found == list(range(len(found)))
        assert len(found) < 3
        assert len(found) >= (bit // 8 >= first)
        assert "no whole record" in said[0]


def test_a_segment_goes_when_a_later_checkpoint_is_safe_and_not_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    journal.append(record(0))
    journal.begin(10)
    journal.append(record(1))
    journal.begin(20)
    journal.append(record(2))
    assert segments(tmp_path) == [0, 10, 20]
    journal.discard_before(10)
    assert segments(tmp_path) == [10, 20]
    assert numbers(tmp_path) == [1, 2]
    journal.discard_before(99)
    assert segments(tmp_path) == [20], "never the one in use"
    journal.close()


def test_other_files_of_the_folder_are_left_alone(tmp_path: Path) -> None:
    for name in ("journal-1.bin", "journal-00000001.bin.bak", "gen-00000001.msgpack", "latest"):
        (tmp_path / name).write_bytes(b"x")
    Journal(tmp_path, 99).discard_before(99)
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("written", [0, 1, 64, 100])
@pytest.mark.parametrize("can_truncate", [True, False])
def test_a_full_disk_costs_the_record_and_those_up_to_the_next_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int, can_truncate: bool
) -> None:
    journal = Journal(tmp_path, 0)
    journal.append(record(0))

    def full(descriptor: int, buffers: Any) -> None:
        os.write(descriptor, b"".join(map(bytes, buffers))[:written])
        raise OSError(errno.ENOSPC, "No space left on device")

    def refuse(descriptor: int, length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as faults:
        faults.setattr(disk, "write", full)
        if not can_truncate:
            faults.setattr(disk, "truncate", refuse)
        with pytest.raises(CheckpointError, match=r"journal-00000000\.bin: cannot be written: No space left"):
            journal.append(record(1))
        journal.append(record(2))  # silent: it was told
    assert numbers(tmp_path) == [0]
    journal.begin(0)  # the disk has room again
    journal.append(record(3))
    journal.close()
    assert numbers(tmp_path) == [0, 3]


def test_a_record_that_cannot_be_encoded_harms_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    with pytest.raises(CheckpointError, match="values"):
        journal.append({"number": 0, "values": np.array(["text"])})
    journal.append(record(0))
    assert numbers(tmp_path) == [0]
    journal.close()
