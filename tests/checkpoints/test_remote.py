"""Checkpoints elsewhere: complete or not there at all, never in a run's way, and enough to go on from."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import evo
from evo import checkpoints, saving
from evo.checkpoints import CheckpointStore, RemoteCopies
from evo.checkpoints.remote import load_remote
from evo.errors import CheckpointError, SettingsError

fsspec = pytest.importorskip("fsspec")

DEADLINE = 20.0  # seconds; only a defect waits so long


class Square(evo.Problem):
    space = evo.Real(-1, 1, shape=3)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.asarray((x**2).sum(axis=1))


from fsspec.implementations.memory import MemoryFile, MemoryFileSystem  # noqa: E402 - only where it is installed


class Trouble:
    """What the troubled file system does."""

    fail: ClassVar[set[str]] = set()
    gate: ClassVar[threading.Event | None] = None
    reached: ClassVar = threading.Event()


class TroubledFile(MemoryFile):  # type: ignore[misc]  # fsspec has no types
    def write(self, data: Any) -> Any:
        Trouble.reached.set()
        if Trouble.gate is not None:
            assert Trouble.gate.wait(DEADLINE)
        if "write" in Trouble.fail:
            super().write(bytes(data)[: len(data) // 2])
            raise ConnectionError("the line is cut")
        return super().write(data)


class TroubledFileSystem(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The memory file system behind a bad line."""

    protocol = "troubled"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "rb":
            return super()._open(path, mode, **options)
        if "open" in Trouble.fail:
            raise PermissionError("keys have expired")
        file = TroubledFile(self, self._strip_protocol(path))
        file.commit()
        return file

    def mv(self, source: str, target: str, **options: Any) -> Any:
        if "commit" in Trouble.fail:
            raise TimeoutError("no answer")
        return super().mv(source, target, **options)

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        if "ls" in Trouble.fail:
            raise ConnectionError("the line is cut")
        return super().ls(path, detail, **options)


fsspec.register_implementation("troubled", TroubledFileSystem, clobber=True)


@pytest.fixture
def url() -> Iterator[str]:
    Trouble.fail, Trouble.gate = set(), None
    Trouble.reached.clear()
    TroubledFileSystem.store.clear()
    yield "troubled://bucket/runs/1"
    TroubledFileSystem.store.clear()


def there(url: str) -> list[str]:
    files, root = fsspec.core.url_to_fs(url)
    files.invalidate_cache()
    try:
        names = sorted(path.rsplit("/", 1)[-1] for path in files.ls(root, detail=False))
        return [name for name in names if not name.endswith(".uploading")]
    except FileNotFoundError:
        return []


def wait_until(condition: Any, seconds: float = DEADLINE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def saved(folder: Path, generation: int) -> Path:
    return CheckpointStore(folder, keep=100).save(generation, {"generation": generation, "x": np.arange(generation)})


def test_what_is_offered_arrives_whole_and_the_newest_are_kept(url: str, tmp_path: Path) -> None:
    copied: list[Any] = []
    copies = RemoteCopies(url, 2, every=4, on_copied=lambda *what: copied.append(what))
    for generation in range(7):
        copies.offer(generation, saved(tmp_path, generation))
        wait_until(lambda: len(copied) == generation + 1)  # noqa: B023 - called at once
    assert copies.close(DEADLINE)
    assert there(url) == [f"gen-0000000{g}.msgpack" for g in (0, 4, 5, 6)] + ["latest"]
    assert copied[-1] == (6, f"{url}/gen-00000006.msgpack")
    assert load_remote(url)["generation"] == 6
    assert load_remote(f"{url}/gen-00000004.msgpack")["x"].tolist() == [0, 1, 2, 3]
    files, root = fsspec.core.url_to_fs(url)
    assert files.cat_file(f"{root}/latest") == b"gen-00000006.msgpack\n"


@pytest.mark.parametrize("what", ["open", "write", "commit", "ls"])
def test_an_upload_that_fails_leaves_what_was_there_and_is_made_up_for(url: str, tmp_path: Path, what: str) -> None:
    told: list[str] = []
    copied: list[int] = []
    copies = RemoteCopies(url, 3, on_copied=lambda g, _: copied.append(g), on_error=told.append)
    copies.offer(1, saved(tmp_path, 1))
    wait_until(lambda: copied == [1])
    Trouble.fail = {what}
    copies.offer(2, saved(tmp_path, 2))
    wait_until(lambda: told)
    Trouble.fail = set()
    if what != "ls":  # only tidying up failed: the copy is there
        assert there(url) == ["gen-00000001.msgpack", "latest"]
        assert load_remote(url)["generation"] == 1
    assert "gen-00000002.msgpack cannot be copied there" in told[0]
    assert "is safe here" in told[0]
    assert copies.close(DEADLINE), "the end of a run tries once more"
    assert copied == [1, 2]
    assert load_remote(url)["generation"] == 2


def test_a_slow_upload_holds_nothing_up_and_the_newest_replaces_what_waits(url: str, tmp_path: Path) -> None:
    copied: list[int] = []
    Trouble.gate = threading.Event()
    copies = RemoteCopies(url, 10, on_copied=lambda g, _: copied.append(g))
    paths = [saved(tmp_path, g) for g in range(5)]
    copies.offer(0, paths[0])
    assert Trouble.reached.wait(DEADLINE)
    for generation in range(1, 5):
        copies.offer(generation, paths[generation])
    assert there(url) == []
    assert not copies.close(0.05), "the end of a run does not wait for ever"
    Trouble.gate.set()
    assert copies.close(DEADLINE)
    assert copied == [0, 4]


def test_a_checkpoint_pruned_before_its_turn_is_passed_over(url: str, tmp_path: Path) -> None:
    told: list[str] = []
    copies = RemoteCopies(url, on_error=told.append)
    copies.offer(1, tmp_path / "gone")
    assert copies.close(DEADLINE)
    assert told == []


def test_damaged_copies_are_passed_over_and_named(url: str, tmp_path: Path) -> None:
    copies = RemoteCopies(url, 3)
    for generation in (1, 2):
        copies.offer(generation, saved(tmp_path, generation))
        wait_until(lambda: f"gen-0000000{generation}.msgpack" in there(url))  # noqa: B023 - called at once
    copies.close(DEADLINE)
    files, root = fsspec.core.url_to_fs(url)
    files.pipe_file(f"{root}/gen-00000002.msgpack", files.cat_file(f"{root}/gen-00000002.msgpack")[:-1])
    said: list[str] = []
    assert load_remote(url, said.append)["generation"] == 1
    assert f"{url}/gen-00000002.msgpack: damaged" in said[0]
    with pytest.raises(CheckpointError, match=r"gen-00000002\.msgpack: damaged"):
        load_remote(f"{url}/gen-00000002.msgpack")
    files.pipe_file(f"{root}/gen-00000001.msgpack", b"")
    with pytest.raises(CheckpointError, match=r"all checkpoints there are damaged \(2\)"):
        load_remote(url, said.append)


def test_where_there_is_nothing_or_no_way_the_answer_is_clear(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="there are no checkpoints"):
        load_remote("memory://nothing/here")
    with pytest.raises(CheckpointError, match="cannot be read: FileNotFoundError"):
        load_remote("memory://nothing/here/gen-00000001.msgpack")
    Trouble.fail = {"ls"}
    with pytest.raises(CheckpointError, match="cannot be read: ConnectionError: the line is cut"):
        load_remote(url)
    with pytest.raises(SettingsError, match="nonsense://x: cannot be used: ValueError"):
        RemoteCopies("nonsense://x")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(SettingsError, match=r"needs the package fsspec: pip install 'evo-engine\[remote\]'"):
        RemoteCopies(url)


# A whole run ----------------------------------------------------------------------------------------------------------


def run(folder: Path, url: str, **options: Any) -> tuple[evo.Result, list[dict[str, Any]]]:
    seen: list[dict[str, Any]] = []
    result = evo.minimize(
        Square(),
        stop=evo.Stop(generations=10),
        output=folder,
        checkpoint={"directory": url, "every": 5},
        observers=[seen.append],
        **options,
    )
    return result, seen


def test_a_run_goes_on_from_the_copy_alone(url: str, tmp_path: Path) -> None:
    result, seen = run(tmp_path / "run", url)
    assert {e["generation"] for e in seen if e["event"] == "copied"} >= {0, 5, 10}
    shutil.rmtree(tmp_path / "run")
    longer = evo.Stop(generations=14)
    whole = evo.minimize(Square(), stop=longer)
    again = evo.resume(url, output=tmp_path / "again", problem=Square(), stop=longer)
    assert result.digest != whole.digest == again.digest
    assert load_remote(url)["run"]["generation"] == 14, "the run that goes on is copied there, too"
    alone = evo.resume(f"{url}/gen-00000005.msgpack", problem=Square(), stop=longer)
    assert alone.digest == whole.digest
    assert alone.output is None


def test_a_run_is_not_hindered_by_a_copy_that_always_fails(url: str, tmp_path: Path) -> None:
    Trouble.fail = {"commit"}
    result, seen = run(tmp_path / "run", url)
    assert result.digest == evo.minimize(Square(), stop=evo.Stop(generations=10)).digest
    alerts = [e["message"] for e in seen if e["event"] == "alert"]
    assert "cannot be copied there: TimeoutError: no answer" in alerts[0]
    assert "not everything was copied there; the last checkpoint saved is" in alerts[-1]
    assert checkpoints.load(tmp_path / "run")["run"]["generation"] == 10


def test_a_run_does_not_wait_long_for_a_copy_that_hangs(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "COPY_SECONDS", 0.1)
    Trouble.gate = threading.Event()
    result, seen = run(tmp_path / "run", url)
    assert result.generations == 10
    assert "not everything was copied there" in seen[-2]["message"]
    Trouble.gate.set()


def test_the_command_line_takes_urls(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from evo.cli import main

    home = f"file://{tmp_path}/elsewhere/deep"
    (tmp_path / "problem.yaml").write_text(
        f"problem: {{type: sphere, dimensions: 3}}\nstop: {{generations: 4}}\nworkers: 0\n"
        f"checkpoint: {{directory: '{home}'}}\n"
    )
    runner = CliRunner()
    first = runner.invoke(main, ["run", str(tmp_path / "problem.yaml"), "--output", str(tmp_path / "run")])
    assert first.exit_code == 0, first.output
    shown = runner.invoke(main, ["inspect", home])
    assert shown.exit_code == 0, shown.output
    assert "generation  4" in shown.stdout
    more = runner.invoke(main, ["resume", home, "--generations", "6", "--output", str(tmp_path / "more")])
    assert more.exit_code == 0, more.output
    assert checkpoints.load(tmp_path / "elsewhere" / "deep")["run"]["generation"] == 6


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A real S3 protocol server with one bucket."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-c", f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    names = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": endpoint}
    before = {name: os.environ.get(name) for name in names}
    os.environ |= names

    def answers() -> bool:
        try:
            with urllib.request.urlopen(endpoint, timeout=1):
                return True
        except OSError:
            return False

    try:
        wait_until(answers, 3 * DEADLINE)  # importing all of moto takes a busy machine long
        import s3fs

        s3fs.S3FileSystem().mkdir("bucket")
        yield "s3://bucket/runs/1"
    finally:
        server.kill()
        server.wait()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def test_a_run_is_copied_to_a_real_s3_server_and_goes_on_from_there(s3: str, tmp_path: Path) -> None:
    run(tmp_path / "run", s3)
    shutil.rmtree(tmp_path / "run")
    names = there(s3)
    assert "latest" in names
    assert "gen-00000010.msgpack" in names
    longer = evo.Stop(generations=14)
    again = evo.resume(s3, output=tmp_path / "again", problem=Square(), stop=longer)
    assert again.digest == evo.minimize(Square(), stop=longer).digest
    assert load_remote(s3)["run"]["generation"] == 14


def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have s3fs cut uploads into parts of the least size that S3 takes."""
    monkeypatch.setitem(fsspec.config.conf, "s3", {"default_block_size": 5 * 2**20})


def test_a_large_checkpoint_goes_up_in_parts_and_comes_back_whole(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_parts(monkeypatch)
    values = np.random.default_rng(1).random(3_000_000)
    path = CheckpointStore(tmp_path).save(1, {"values": values})
    copies = RemoteCopies(f"{s3}-large")
    copies.offer(1, path)
    assert copies.close(60)
    import s3fs

    tag = s3fs.S3FileSystem().info(f"{s3}-large/gen-00000001.msgpack")["ETag"]
    assert "-" in tag, "S3 marks what came in parts so"
    assert np.array_equal(load_remote(f"{s3}-large")["values"], values)


def test_an_upload_to_s3_that_breaks_between_parts_leaves_what_was_there(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_parts(monkeypatch)
    import s3fs

    told: list[str] = []
    copied: list[int] = []
    url = f"{s3}-broken"
    copies = RemoteCopies(url, on_copied=lambda g, _: copied.append(g), on_error=told.append)
    copies.offer(1, saved(tmp_path, 1))
    wait_until(lambda: copied == [1])
    store = CheckpointStore(tmp_path, keep=100)
    path = store.save(2, {"generation": 2, "values": np.random.default_rng(1).random(3_000_000)})
    send, sent = s3fs.core.S3File._upload_chunk, []

    def break_off(file: Any, final: bool = False) -> Any:
        if len(sent) == 2:
            raise ConnectionError("the line is cut")
        sent.append(file.path)
        return send(file, final)

    with monkeypatch.context() as patch:
        patch.setattr(s3fs.core.S3File, "_upload_chunk", break_off)
        copies.offer(2, path)
        wait_until(lambda: told)
    assert "gen-00000002.msgpack cannot be copied there: ConnectionError: the line is cut" in told[0]
    assert there(url) == ["gen-00000001.msgpack", "latest"]
    assert load_remote(url)["generation"] == 1
    pending = s3fs.S3FileSystem().call_s3("list_multipart_uploads", Bucket="bucket")
    assert "Uploads" not in pending, "parts that nobody sees are paid for all the same"
    assert copies.close(60)
    assert load_remote(url)["generation"] == 2


def test_a_missing_bucket_is_told_and_not_made(s3: str, tmp_path: Path) -> None:
    told: list[str] = []
    copies = RemoteCopies("s3://no-such-bucket/runs", on_error=told.append)
    copies.offer(1, saved(tmp_path, 1))
    assert not copies.close(30)
    assert "cannot be copied there" in told[0]
    import s3fs

    assert not s3fs.S3FileSystem().exists("no-such-bucket")
