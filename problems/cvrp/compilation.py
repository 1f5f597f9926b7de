"""How the kernels of this folder are compiled and kept: `evo.compilation`, for modules by their short names."""

from __future__ import annotations

import functools
from pathlib import Path

from evo import compilation
from evo.compilation import OPTIONS, entry, inlined, kernel

__all__ = [
    "OPTIONS",
    "cache_folder",
    "entry",
    "inlined",
    "kernel",
    "kernels_cached",
    "mark_cached",
    "notice",
    "sources",
]


@functools.cache
def cache_folder(module: str) -> Path:
    """The folder of the machine code made from a module of this folder, such as ``kernels_education``."""
    return compilation.cache_folder(_full(module))


def sources(module: str) -> list[Path]:
    """The files that a module's machine code is made from."""
    return compilation.sources(_full(module))


def mark_cached(module: str, what: str) -> None:
    """Note that a module's entry points were compiled for some types, for `kernels_cached`."""
    compilation.mark_cached(_full(module), what)


def notice(module: str, what: str) -> str | None:
    """The line that tells of compilation, where it is to come."""
    return compilation.notice(_full(module), what)


def kernels_cached(module: str, what: str) -> bool:
    """Whether nothing has to be compiled, as far as a look at the cache folder can tell; never loads or compiles."""
    return compilation.kernels_cached(_full(module), what)


def _full(module: str) -> str:
    return f"{__package__}.{module}"
