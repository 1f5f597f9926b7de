"""load and save by path: every way in which there is no checkpoint has its own clear answer."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from checkpoint_trees import forged, identical, small_tree

from evo.checkpoints import Checkpoint, CheckpointStore, decode, disk, encode, load, save
from evo.errors import CheckpointError


def run_folder(folder: Path, *generations: int) -> Path:
    store = CheckpointStore(folder / "checkpoints")
    for generation in generations:
        store.save(generation, {"generation": generation, "x": np.arange(20)})
    return folder / "checkpoints"


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_a_saved_file_is_loaded_as_a_mapping_with_its_path(tmp_path: Path) -> None:
    path = save(tmp_path / "state.msgpack", small_tree())
    checkpoint = load(str(path))
    assert isinstance(checkpoint, Checkpoint)
    assert checkpoint.path == path
    assert identical(dict(checkpoint), small_tree())
    assert len(checkpoint) == len(small_tree())
    assert "x" in checkpoint
    assert checkpoint.get("absent") is None


def test_a_file_holds_the_bytes_of_encode(tmp_path: Path) -> None:
    path = save(tmp_path / "state.msgpack", small_tree())
    assert path.read_bytes() == b"".join(encode(small_tree()))


def test_files_larger_than_the_readers_chunks_come_back(tmp_path: Path) -> None:
    tree = {str(index): np.arange(100_003) + index for index in range(3)}
    path = save(tmp_path / "state.msgpack", tree)
    assert identical(dict(load(path)), tree)
    assert identical(decode(path.read_bytes()), tree)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="checksum"):
        load(path)


def test_more_buffers_than_one_call_can_write_come_back(tmp_path: Path) -> None:
    tree = {str(index): np.full(3, index) for index in range(3000)}
    assert identical(dict(load(save(tmp_path / "state.msgpack", tree))), tree)


def test_short_writes_and_reads_are_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write, real_read = os.writev, os.preadv
    monkeypatch.setattr(os, "writev", lambda fd, views: real_write(fd, [b"".join(views)[:101]]))
    monkeypatch.setattr(os, "preadv", lambda fd, views, offset: real_read(fd, [views[0][:103]], offset))
    assert identical(dict(load(save(tmp_path / "state.msgpack", small_tree()))), small_tree())


def test_a_folder_and_a_runs_folder_mean_the_newest_in_them(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", 1, 2)
    assert load(folder)["generation"] == load(tmp_path / "run")["generation"] == 2


def test_in_a_folder_a_damaged_file_is_reported_and_passed_over(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, 1, 2)
    damage(folder / "gen-00000002.msgpack")
    told: list[str] = []
    assert load(folder, warn=told.append)["generation"] == 1
    assert len(told) == 1
    assert "gen-00000002.msgpack: damaged: " in told[0]
    with pytest.warns(UserWarning, match="gen-00000002.msgpack: damaged: "):
        load(tmp_path)


def test_a_damaged_file_given_by_name_is_an_error_that_names_the_newest_good_one(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, 1, 2, 3)
    damage(folder / "gen-00000003.msgpack")
    damage(folder / "gen-00000002.msgpack")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointError) as caught:
            load(folder / "gen-00000003.msgpack")
    assert "gen-00000003.msgpack: damaged: " in str(caught.value)
    assert str(caught.value).endswith(f"the newest good one beside it is {folder / 'gen-00000001.msgpack'}")


def test_a_missing_file_is_an_error_that_names_the_newest_good_one(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, 1)
    with pytest.raises(CheckpointError, match=r"gen-00000009\.msgpack: there is no .*gen-00000001\.msgpack$"):
        load(folder / "gen-00000009.msgpack")


@pytest.mark.parametrize("name", ["absent", "absent/deeper", "file/inside", "nul\0character", "x" * 300])
def test_what_is_not_there_is_a_clear_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert "\0" not in str(caught.value)


def test_a_folder_without_checkpoints_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "run", tmp_path / "run" / "checkpoints"):
        with pytest.raises(CheckpointError, match="there are no checkpoints"):
            load(folder)


def test_a_pipe_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="not a regular file"):
        load(tmp_path / "pipe")


def test_a_file_without_a_mapping_at_its_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"".join(encode([1])))
    with pytest.raises(CheckpointError, match="expected a mapping at the root of the checkpoint, found list"):
        load(tmp_path / "list")
    with pytest.raises(CheckpointError, match="expected a mapping at the root, found list"):
        save(tmp_path / "list", [1])  # type: ignore[arg-type] - what a user may do


def test_a_sound_file_that_cannot_be_used_here_is_not_passed_over_for_an_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_folder(tmp_path, 1, 2)
    newest = folder / "gen-00000002.msgpack"
    whole = newest.read_bytes()
    newest.write_bytes(forged(b"\x80", version=9))
    with pytest.raises(CheckpointError, match=r"gen-00000002\.msgpack: format version 9 is unknown here"):
        load(folder)
    newest.write_bytes(whole)

    def denied(path: Path) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(disk, "open_for_reading", denied)
    with pytest.raises(CheckpointError, match=r"gen-00000002\.msgpack: cannot be read: Permission denied"):
        load(folder)


def test_a_file_that_shrinks_while_it_is_read_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "state.msgpack", small_tree())
    size = path.stat().st_size
    monkeypatch.setattr(disk, "size", lambda descriptor: size + 10)
    with pytest.raises(CheckpointError, match="damaged"):
        load(path)
    monkeypatch.setattr(disk, "size", lambda descriptor: size)
    os.truncate(path, size - 20)
    with pytest.raises(CheckpointError, match="cut off"):
        load(path)


def test_saving_where_there_is_no_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent/state\.msgpack: cannot be written: No such file or directory"):
        save(tmp_path / "absent" / "state.msgpack", {})


def test_importing_the_room_imports_nothing_heavy() -> None:
    heavy = ("ray", "numba", "matplotlib", "scipy", "pickle5", "cloudpickle")
    code = f"import sys, evo.checkpoints; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
