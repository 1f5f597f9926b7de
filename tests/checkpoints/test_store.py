"""The store keeps the newest, never loses the last good one, and says what goes wrong."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evo.checkpoints import CheckpointStore, disk
from evo.errors import CheckpointError, SettingsError


def state(generation: int) -> dict[str, Any]:
    return {"generation": generation, "x": np.full(10, float(generation))}


def store_with(folder: Path, *generations: int, keep: int = 3) -> CheckpointStore:
    store = CheckpointStore(folder, keep)
    for generation in generations:
        store.save(generation, state(generation))
    return store


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def fail_once(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """Make one function of the disk fail the next time, and work again after that."""
    real = getattr(disk, name)

    def failing(*arguments: Any) -> Any:
        monkeypatch.setattr(disk, name, real)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk, name, failing)


def test_a_saved_generation_comes_back_under_the_contracts_name(tmp_path: Path) -> None:
    store = store_with(tmp_path / "a" / "b", 0, 120)
    assert store.load(120).path == tmp_path / "a" / "b" / "gen-00000120.msgpack"
    assert store.load(120)["generation"] == 120
    assert (tmp_path / "a" / "b" / "latest").read_text() == "gen-00000120.msgpack\n"
    assert store.newest()["generation"] == 120


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_the_newest_are_kept(tmp_path: Path, keep: int) -> None:
    store = store_with(tmp_path, *range(0, 70, 10), keep=keep)
    assert store.generations() == list(range(0, 70, 10))[-keep:]
    assert sorted(os.listdir(tmp_path)) == [*(f"gen-{g:08d}.msgpack" for g in store.generations()), "latest"]


def test_a_store_that_is_to_keep_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="keep: expected at least 1 checkpoint, found 0"):
        CheckpointStore(tmp_path, keep=0)


def test_every_nth_is_kept_beside_the_newest(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=2, every=10)
    for generation in (0, 3, 10, 14, 20, 21, 22):
        store.save(generation, {"generation": generation})
    assert store.generations() == [0, 10, 20, 21, 22]
    with pytest.raises(SettingsError, match="every: expected at least 1 generation, found 0"):
        CheckpointStore(tmp_path, every=0)


def test_pruning_keeps_the_newest_good_ones_and_every_nth_and_never_the_damaged_in_their_place(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=100)
    for generation in range(10):
        store.save(generation, {"generation": generation})
    damage(tmp_path / "gen-00000009.msgpack")
    damage(tmp_path / "gen-00000007.msgpack")
    said: list[str] = []
    removed = CheckpointStore(tmp_path, keep=2, every=4).prune(warn=said.append)
    assert removed == [1, 2, 3, 5]
    assert store.generations() == [0, 4, 6, 7, 8, 9], "8 and 6 are the two newest good ones"
    assert len(said) == 2
    for generation in (0, 4, 6, 8):
        damage(tmp_path / f"gen-{generation:08d}.msgpack")
    with pytest.raises(CheckpointError, match="expected a good checkpoint, found none among 6"):
        store.prune(warn=said.append)
    assert len(store.generations()) == 6


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    others = [
        "gen-1.msgpack",
        "gen-00000001.msgpack.bak",
        "gen-000000001.msgpack",
        ".other.0123abcd.tmp",
        "gen-x.msgpack",
    ]
    for name in others:
        (tmp_path / name).write_text("mine")
    store = store_with(tmp_path, *range(5), keep=1)
    assert store.generations() == [4]
    assert set(others) < set(os.listdir(tmp_path))


def test_generations_beyond_eight_digits_are_in_their_order(tmp_path: Path) -> None:
    assert store_with(tmp_path, 99_999_999, 100_000_000).newest()["generation"] == 100_000_000


def test_damaged_files_are_passed_over_and_named(tmp_path: Path) -> None:
    store = store_with(tmp_path, 1, 2, 3)
    damage(tmp_path / "gen-00000003.msgpack")
    (tmp_path / "gen-00000002.msgpack").write_bytes(b"")
    told: list[str] = []
    assert store.newest(warn=told.append)["generation"] == 1
    assert [message.split(":")[0] for message in told] == [
        str(tmp_path / "gen-00000003.msgpack"),
        str(tmp_path / "gen-00000002.msgpack"),
    ]


def test_with_all_files_damaged_or_none_there_is_no_newest(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, warn=lambda message: None)
    with pytest.raises(CheckpointError, match="there are no checkpoints"):
        store.newest()
    store.save(1, state(1))
    damage(tmp_path / "gen-00000001.msgpack")
    with pytest.raises(CheckpointError, match=r"all checkpoints in this folder are damaged \(1\)"):
        store.newest()


def test_a_generation_older_than_the_newest_is_refused_until_the_later_ones_are_discarded(tmp_path: Path) -> None:
    store = store_with(tmp_path, 10, 20, 30)
    with pytest.raises(CheckpointError, match=r"older than gen-00000030\.msgpack"):
        store.save(15, state(15))
    assert store.discard_after(10) == [20, 30]
    assert store.generations() == [10]
    assert (tmp_path / "latest").read_text() == "gen-00000010.msgpack\n"
    store.save(15, state(15))
    assert store.newest()["generation"] == 15
    assert store.discard_after(15) == []


def test_nothing_is_discarded_for_a_generation_that_is_missing_or_damaged(tmp_path: Path) -> None:
    store = store_with(tmp_path, 10, 20, 30)
    damage(tmp_path / "gen-00000010.msgpack")
    for generation in (10, 15):
        with pytest.raises(CheckpointError):
            store.discard_after(generation)
    assert store.generations() == [10, 20, 30]


def test_the_same_generation_again_takes_its_place(tmp_path: Path) -> None:
    store = store_with(tmp_path, 1, 2)
    store.save(2, {"generation": 2, "again": True})
    assert store.newest()["again"] is True
    assert store.generations() == [1, 2]


@pytest.mark.parametrize("name", ["create", "write", "sync", "rename", "sync_folder", "names"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
def test_a_save_that_fails_says_why_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    store = store_with(tmp_path, 1, 2, keep=2)
    fail_once(monkeypatch, name, number)
    with pytest.raises(CheckpointError, match=os.strerror(number)) as caught:
        store.save(3, state(3))
    assert str(tmp_path) in str(caught.value)
    assert {1, 2} <= set(store.generations())
    assert not [entry for entry in os.listdir(tmp_path) if entry.endswith(".tmp")]
    store.save(3, state(3))
    assert store.newest()["generation"] == 3
    assert store.generations() == [2, 3]


def test_a_half_written_file_is_removed_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_with(tmp_path, 1)
    real = disk.write

    def full(descriptor: int, buffers: Any) -> None:
        real(descriptor, [b"".join(buffers)[:50]])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk, "write", full)
    with pytest.raises(CheckpointError, match="No space left"):
        store.save(2, state(2))
    assert sorted(os.listdir(tmp_path)) == ["gen-00000001.msgpack", "latest"]


def test_what_fails_after_the_checkpoint_is_safe_is_told_and_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    store = CheckpointStore(tmp_path, keep=1, warn=told.append)
    store.save(1, state(1))
    fail_once(monkeypatch, "remove", errno.EACCES)
    store.save(2, state(2))
    assert "gen-00000002.msgpack is saved, but tidying up failed: Permission denied" in told[0]
    assert store.generations() == [1, 2]
    store.save(3, state(3))
    assert store.generations() == [3]
    assert len(told) == 1


def test_a_deleted_folder_is_made_again_and_told(tmp_path: Path) -> None:
    told: list[str] = []
    store = CheckpointStore(tmp_path / "run" / "checkpoints", warn=told.append)
    store.save(1, state(1))
    shutil.rmtree(tmp_path / "run")
    store.save(2, state(2))
    assert store.generations() == [2]
    assert told == [f"{tmp_path}/run/checkpoints: the folder was gone and has been made again"]


def test_a_file_in_the_folders_place_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(CheckpointError, match="taken: cannot be used: "):
        CheckpointStore(tmp_path / "taken")
    store = store_with(tmp_path / "run", 1)
    shutil.rmtree(tmp_path / "run")
    (tmp_path / "run").write_text("")
    with pytest.raises(CheckpointError, match=r"gen-00000002\.msgpack cannot be saved: "):
        store.save(2, state(2))


@pytest.mark.parametrize("tree", [[1], 3, None, {"x": object()}])
def test_what_cannot_be_saved_changes_nothing(tmp_path: Path, tree: Any) -> None:
    store = store_with(tmp_path, 1)
    with pytest.raises(CheckpointError):
        store.save(2, tree)
    with pytest.raises(CheckpointError, match="generation of 0 or more, found -1"):
        store.save(-1, {})
    assert sorted(os.listdir(tmp_path)) == ["gen-00000001.msgpack", "latest"]


def test_a_checkpoint_that_was_read_can_be_saved_as_it_is(tmp_path: Path) -> None:
    store = store_with(tmp_path, 1)
    store.save(2, store.newest())
    assert dict(store.load(2))["generation"] == 1


DYING_WRITER = """
import os, sys
from evo.checkpoints import CheckpointStore, disk
store = CheckpointStore(sys.argv[1])
disk.sync = lambda descriptor: (print("writing", flush=True), sys.stdin.read(), os._exit(1))
store.save(5, {"generation": 5})
"""


def test_leftovers_of_dead_writers_are_removed_and_files_of_live_ones_are_not(tmp_path: Path) -> None:
    def temporary() -> list[str]:
        return [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]

    with subprocess.Popen(
        [sys.executable, "-c", DYING_WRITER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        CheckpointStore(tmp_path)
        assert len(temporary()) == 1, "its writer is alive"
        writer.communicate("", timeout=10)
    assert len(temporary()) == 1
    CheckpointStore(tmp_path)
    assert temporary() == []


def test_a_save_survives_a_temporary_file_that_is_cleaned_away_before_it_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_with(tmp_path, 1)
    real = disk.create

    def create(path: Path) -> int:
        monkeypatch.setattr(disk, "create", real)
        descriptor = real(path)
        CheckpointStore(tmp_path)  # cleans the folder at the worst moment
        return descriptor

    monkeypatch.setattr(disk, "create", create)
    store.save(2, state(2))
    assert store.newest()["generation"] == 2


def test_without_locks_a_store_saves_and_leaves_leftovers_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lock(descriptor: int) -> bool:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(disk, "lock", lock)
    (tmp_path / ".gen-00000001.msgpack.0123abcd.tmp").write_text("")
    store = store_with(tmp_path, 2)
    assert store.newest()["generation"] == 2
    assert (tmp_path / ".gen-00000001.msgpack.0123abcd.tmp").exists()
