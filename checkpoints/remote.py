"""A second home for checkpoints, anywhere that fsspec reaches: copies of the local files, uploaded, then committed.

The local copy stays the first line: a checkpoint is safe before it is copied, and neither a slow nor a failing upload
holds a run up or ends it. A copy appears under its name only when all of it has arrived; ``latest`` is set after that,
older copies go after that.
"""

from __future__ import annotations

import io
import shutil
import threading
import warnings
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

from evo.errors import CheckpointError, SettingsError

from .checkpoint import Checkpoint
from .decoding import decode
from .folder import LATEST, Warn, file_name, generation_of
from .format import DamagedError

_PIECE = 8 * 1024 * 1024
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "cos", "b2"}
"""There an object appears when it is complete, and renaming is copying. They have no folders: making one may make a
bucket, which is for the user to do."""


def is_url(path: object) -> bool:
    """Tell whether a path is an fsspec URL, such as ``s3://bucket/runs/1``."""
    return isinstance(path, str) and "://" in path


class _Job(NamedTuple):
    generation: int
    path: Path


class RemoteCopies:
    """Copies checkpoints in a thread of its own; a newer one takes the place of the one that waits.

    Parameters
    ----------
    url
        The folder that they are copied to, made where it is missing (a bucket is not).
    keep, every
        As in `CheckpointStore`.
    on_copied
        Called in that thread with generation and URL once a copy is complete.
    on_error
        Called in that thread, in one line, with what went wrong; the copy is tried again with the next checkpoint.

    Raises
    ------
    SettingsError
        The URL cannot be used: fsspec, or what it needs for that kind of URL, is not installed.
    """

    def __init__(
        self,
        url: str,
        keep: int = 3,
        *,
        every: int | None = None,
        on_copied: Callable[[int, str], object] = lambda generation, url: None,
        on_error: Callable[[str], object] = lambda message: None,
    ) -> None:
        self.url = url.rstrip("/")
        self._files, self._root = _file_system(self.url)
        self._is_object_store = bool(_OBJECT_STORES & set(_protocols(self._files)))
        self._keep, self._every = keep, every
        self._on_copied, self._on_error = on_copied, on_error
        self._changed = threading.Condition()
        self._lasting: deque[_Job] = deque()
        self._newest: _Job | None = None
        self._failed = False
        self._closed = False
        # A daemon: an upload that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._work, name="evo-remote", daemon=True)
        self._thread.start()

    def offer(self, generation: int, path: Path) -> None:
        """Have a checkpoint that is safe on this machine copied; returns at once."""
        job = _Job(generation, path)
        with self._changed:
            if self._every is not None and generation % self._every == 0:
                self._lasting.append(job)
            else:
                self._newest = job
            self._failed = False
            self._changed.notify_all()

    def close(self, timeout: float) -> bool:
        """Try once more what has failed, and wait for the rest, at most `timeout` seconds.

        Returns
        -------
        bool
            Whether everything that was offered and not replaced is copied.
        """
        with self._changed:
            self._failed = False
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout)
        with self._changed:
            return not self._thread.is_alive() and not self._lasting and self._newest is None

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._copy(job)
            except Exception as error:  # whatever a file system of any kind raises: the run goes on
                self._keep_for_later(job)
                self._on_error(
                    f"{self.url}: {file_name(job.generation)} cannot be copied there: {_line(error)}; "
                    f"{job.path} is safe here"
                )
            else:
                self._on_copied(job.generation, f"{self.url}/{file_name(job.generation)}")

    def _next(self) -> _Job | None:
        """Wait for a checkpoint to copy; None when that is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (not self._failed and bool(self._lasting or self._newest)))
            if self._failed:
                return None
            if self._lasting:
                return self._lasting.popleft()
            job, self._newest = self._newest, None
            return job

    def _keep_for_later(self, job: _Job) -> None:
        with self._changed:
            self._failed = True
            if self._every is not None and job.generation % self._every == 0:
                self._lasting.appendleft(job)
            elif self._newest is None:
                self._newest = job

    def _copy(self, job: _Job) -> None:
        name = file_name(job.generation)
        try:
            source = job.path.open("rb")
        except FileNotFoundError:
            return  # pruned: newer ones have come meanwhile
        with source:
            self._upload(name, source)
        self._files.invalidate_cache()
        size, expected = int(self._files.size(self._path(name))), job.path.stat().st_size if job.path.exists() else None
        if expected is not None and size != expected:
            raise OSError(f"expected {expected} bytes there, found {size}")
        self._upload(LATEST, io.BytesIO(f"{name}\n".encode()))
        self._prune(job.generation)

    def _upload(self, name: str, source: IO[bytes]) -> None:
        """Upload all, then commit: before that nothing of it is seen under its name."""
        if self._is_object_store:
            file = self._files.open(self._path(name), "wb", autocommit=False)
            try:
                shutil.copyfileobj(source, file, _PIECE)
                file.close()
            except BaseException:
                file.discard()
                raise
            file.commit()
            return
        # Not every file system of fsspec heeds `autocommit`; all of them rename.
        temporary, target = self._path(f".{name}.uploading"), self._path(name)
        try:
            file = self._files.open(temporary, "wb")
        except FileNotFoundError:
            self._files.makedirs(self._root, exist_ok=True)
            file = self._files.open(temporary, "wb")
        with file:
            shutil.copyfileobj(source, file, _PIECE)
        if self._files.exists(target):
            self._files.rm_file(target)
        self._files.mv(temporary, target)

    def _prune(self, newest: int) -> None:
        for path in self._files.ls(self._root, detail=False):
            if str(path).endswith(".uploading"):  # what a writer that died left
                self._files.rm_file(path)
        there = _generations(self._files, self._root)
        older = [generation for generation in there if generation < newest]
        for generation in older[: max(0, len(older) + 1 - self._keep)]:
            if self._every is None or generation % self._every != 0:
                self._files.rm_file(self._path(file_name(generation)))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def load_remote(url: str, warn: Warn = warnings.warn) -> Checkpoint:
    """Read a checkpoint from an fsspec URL: of a file, of a folder (its newest good one), or of a run's folder.

    Raises
    ------
    CheckpointError
        There is none, or it cannot be used.
    """
    url = url.rstrip("/")
    files, root = _file_system(url)
    if url.endswith(".msgpack"):
        return _read(files, root, url)
    try:
        folder = root if _generations(files, root) else f"{root}/checkpoints"
        found = _generations(files, folder)
    except Exception as error:  # whatever a file system of any kind raises
        raise CheckpointError(f"{url}: cannot be read: {_line(error)}") from error
    if not found:
        raise CheckpointError(f"{url}: there are no checkpoints (gen-*.msgpack) there")
    for generation in reversed(found):
        name = file_name(generation)
        try:
            return _read(files, f"{folder}/{name}", f"{url}/{name}")
        except DamagedError as error:
            warn(f"{error}; an older checkpoint is tried")
    raise CheckpointError(f"{url}: all checkpoints there are damaged ({len(found)})")


def _read(files: Any, path: str, url: str) -> Checkpoint:
    try:
        data = files.cat_file(path)
    except Exception as error:  # whatever a file system of any kind raises
        raise CheckpointError(f"{url}: cannot be read: {_line(error)}") from error
    try:
        tree = decode(data)
    except DamagedError as error:
        raise DamagedError(f"{url}: {error}") from error
    except CheckpointError as error:
        raise CheckpointError(f"{url}: {error}") from error
    if not isinstance(tree, dict):
        raise DamagedError(f"{url}: expected a mapping at the root of the checkpoint, found {type(tree).__name__}")
    return Checkpoint(tree, name=url)


def _generations(files: Any, folder: str) -> list[int]:
    files.invalidate_cache()
    try:
        paths = files.ls(folder, detail=False)
    except FileNotFoundError:
        return []
    found = (generation_of(str(path).rsplit("/", 1)[-1]) for path in paths)
    return sorted(generation for generation in found if generation is not None)


def _file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise SettingsError(f"{url}: a URL needs the package fsspec: pip install 'evo-engine[remote]'") from error
    try:
        files, root = url_to_fs(url)
    except Exception as error:  # an unknown kind of URL, a package that is missing, options that it does not take
        raise SettingsError(f"{url}: cannot be used: {_line(error)}") from error
    return files, str(root).rstrip("/")


def _protocols(files: Any) -> tuple[str, ...]:
    protocol = files.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
