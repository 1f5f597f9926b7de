"""How the kernels are compiled: one decorator for inner kernels, one for entry points, and where machine code is kept.

Only entry points are cached: their cached code holds every kernel that they call. Numba does not notice that a kernel
in another file changed, so the cache folder's name is a hash of an entry point's own file, of all files beside it that
it imports from, of this file, of the versions of numba and NumPy, and of the CPU. Each cached file carries a checksum:
a damaged one is compiled again, never run.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.util
import os
import pickle
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import llvmlite.binding as llvm  # type: ignore[import-untyped]  # has no stubs
import numba
import numpy as np

# Not an interface that numba promises; what is used of it is as it was in numba 0.61 to 0.68.
caching: Any = importlib.import_module("numba.core.caching")

Function = TypeVar("Function", bound=Callable[..., Any])

_RELATIVE_IMPORT = re.compile(r"^from \.(\w+) import", re.MULTILINE)

# error_model: no test for a division by zero; boundscheck is off whatever NUMBA_BOUNDSCHECK says, raw loads have none.
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": False}


def kernel(function: Function) -> Function:
    """Compile a kernel that is called by other kernels only."""
    return numba.njit(**OPTIONS)(function)  # type: ignore[no-any-return]


def inlined(function: Function) -> Function:
    """Compile a short kernel into its callers: no call, and a record of scalars never leaves the registers."""
    return numba.njit(forceinline=True, **OPTIONS)(function)  # type: ignore[no-any-return]


def entry(function: Function) -> Function:
    """Compile a kernel that Python calls, when it is first called with such types; the code is kept on disk."""
    dispatcher = numba.njit(**OPTIONS)(function)
    # What njit(cache=True) does (Dispatcher.enable_caching), with a cache that checks what it reads.
    with contextlib.suppress(OSError, RuntimeError):  # no folder that can be written at all: compile in every process
        dispatcher._cache = _CheckedCache(function)
    return dispatcher  # type: ignore[no-any-return]


def cache_folder(module: str) -> Path:
    """The folder of the machine code made from a module, such as ``evo.kernels_survival``.

    Below ``NUMBA_CACHE_DIR``, else ``XDG_CACHE_HOME``, else ``~/.cache``; the first that can be written, or at last the
    folder for temporary files, under a name of this user's.
    """
    name = f"{module.rpartition('.')[2]}-{_fingerprint(module)}"
    places = [
        (os.environ.get("NUMBA_CACHE_DIR"), ""),
        (os.environ.get("XDG_CACHE_HOME"), "evo"),
        (os.path.expanduser("~/.cache"), "evo"),
    ]
    for root, below in places:
        if root and os.path.isabs(root) and _writable(folder := Path(root, below, name)):
            return folder
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir(), f"evo-{user}", name)


@functools.cache
def _fingerprint(module: str) -> str:
    """A hash of all that the module's compiled code depends on."""
    digest = hashlib.blake2b(digest_size=10)
    for path in sources(module):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    cpu = (llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), os.environ.get("NUMBA_CPU_NAME", ""))
    digest.update(repr((numba.__version__, np.__version__, sys.version, cpu)).encode())
    return digest.hexdigest()


def sources(module: str) -> list[Path]:
    """This file, the module's and, over any number of steps, those that it imports from by ``from .name import``."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    found: set[str] = set()
    waiting = [module.rpartition(".")[2]]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _RELATIVE_IMPORT.findall((folder / f"{name}.py").read_text(encoding="utf-8"))
    return [Path(__file__), *(folder / f"{name}.py" for name in sorted(found))]


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


class _Locator(caching._CacheLocator):  # type: ignore[misc]
    """Tells numba to keep every function in `cache_folder`; the folder's name says what the code was made from."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._folder = cache_folder(function.__module__)

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> _Locator:
        return cls(function)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return self._folder.name

    def get_disambiguator(self) -> None:
        return None


class _Implementation(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_Locator]  # noqa: RUF012  # numba reads this name from the class


class _CheckedFile(caching.IndexDataCacheFile):  # type: ignore[misc]
    """Machine code preceded by its checksum: a flipped bit in it would not raise, it would run."""

    def _save_data(self, name: str, data: Any) -> None:
        content = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(hashlib.blake2b(content, digest_size=16).digest() + content)

    def _load_data(self, name: str) -> Any:
        content = Path(self._data_path(name)).read_bytes()
        if hashlib.blake2b(content[16:], digest_size=16).digest() != content[:16]:
            raise ValueError(f"damaged: {name}")
        return pickle.loads(content[16:])


class _CheckedCache(caching.FunctionCache):  # type: ignore[misc]
    """A cache that can fail: what cannot be read is compiled, what cannot be written is not kept."""

    _impl_class = _Implementation

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = _CheckedFile(
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a damaged file may raise anything; compiling replaces it
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError:
            return  # disk full, permission taken away: the code works, the next process compiles again
        except Exception:  # a damaged index may raise anything when it is read to be extended: begin a new one
            with contextlib.suppress(OSError):
                self._cache_file.flush()
                super().save_overload(sig, data)


def mark_cached(module: str, what: str) -> None:
    """Note that a module's entry points were compiled for some types, for `kernels_cached`."""
    with contextlib.suppress(OSError):
        (cache_folder(module) / f"{what}.compiled").touch()


def notice(module: str, what: str) -> str | None:
    """The line that tells of compilation, where it is to come."""
    return None if kernels_cached(module, what) else "compiling kernels, once (up to half a minute)"


def kernels_cached(module: str, what: str) -> bool:
    """Whether nothing has to be compiled, as far as a look at the cache folder can tell; never loads or compiles."""
    return (cache_folder(module) / f"{what}.compiled").is_file()
