"""The fingerprint of a problem: what of it could change between two parts of a run, each as a short hash.

Of a problem that comes with evo: its data. Of a user's: the data, the arrays that it holds when it is built, how it is
called, and the source of the modules that its class or function comes from and refers to, as far as they lie in the
same folder tree. Comments and blank lines do not count. Where there is no such module (a script, a notebook) the
definitions count that it refers to; where there is no source at all, the bytecode.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import platform
import sys
import textwrap
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from evo import checkpoints
from evo.problem import FunctionProblem, Problem, is_plain
from evo.registry import spec_of

_SILENT = (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING)
_INSTALLED = ("site-packages", "dist-packages")


def fingerprint(problem: Problem) -> dict[str, str]:
    """Name of each part of a problem -> its hash."""
    parts: dict[str, str] = {}
    spec = spec_of(problem)
    if spec is not None:
        parts["parameters" if problem.builtin_name is None else "data"] = _hash(spec["data"])
    if problem.builtin_name is None:
        several = [list(problem.directions)] if len(problem.directions) else []
        # Only where it is not the usual one: older checkpoints do not know of it.
        usual = problem.equality_tolerance == Problem.equality_tolerance
        tolerance = [] if usual else [{"equality_tolerance": float(problem.equality_tolerance)}]
        parts["calls"] = _hash([problem.block, problem.noisy, problem.maximize, *several, *tolerance])
        if arrays := {n: v for n, v in vars(problem).items() if isinstance(v, np.ndarray) and is_plain(v)}:
            parts["arrays"] = _hash(arrays)
        parts |= dict(_sources(problem))
    return parts


def differences(saved: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The parts that are not as they were."""
    return [name for name in sorted({*saved, *now}) if not _same(saved.get(name), now.get(name))]


def code_files(problem: Problem) -> list[str]:
    """The files of the user's code that a problem's class or function, and its bases, were imported from."""
    if problem.builtin_name is not None:
        return []
    files = (getattr(sys.modules.get(thing.__module__), "__file__", None) for thing in _entries(problem))
    return sorted({file for file in files if file})


def _same(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return False
    if one.startswith("bytecode ") and other.startswith("bytecode "):
        versions = one.split()[1], other.split()[1]
        return one == other or versions[0] != versions[1]  # another Python: that is warned of by itself
    return one == other


def _hash(tree: Any) -> str:
    return checkpoints.digest(tree)


# ---- a user's code


def _entries(problem: Problem) -> list[Any]:
    """The user's classes and functions that a problem is made of."""
    thing: Any = problem
    if isinstance(problem, FunctionProblem):
        thing = inspect.unwrap(problem.function)
        while hasattr(thing, "func"):  # functools.partial
            thing = thing.func
        if isinstance(thing, FunctionType):
            return [thing]
        if inspect.ismethod(thing):
            thing = thing.__self__
    kind = thing if isinstance(thing, type) else type(thing)
    return [base for base in kind.__mro__ if not _is_foreign(base.__module__)]


def _sources(problem: Problem) -> Iterator[tuple[str, str]]:
    entries = _entries(problem)
    modules = {m.__name__: m for e in entries if (m := sys.modules.get(e.__module__)) is not None and _lies_in_file(m)}
    for name, module in sorted(_with_neighbours(modules).items()):
        yield f"source of {name}", _source_hash(Path(str(module.__file__)).read_text(encoding="utf-8"))
    for entry in entries:
        if entry.__module__ not in modules:
            for name, thing in sorted(_with_references(entry).items()):
                yield f"source of {name}", _definition_hash(thing)


def _is_foreign(module: str) -> bool:
    top = module.partition(".")[0]
    return top == "evo" or (top in sys.stdlib_module_names and top != "__main__")


def _lies_in_file(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return module.__name__ != "__main__" and bool(file) and str(file).endswith(".py") and Path(str(file)).is_file()


def _with_neighbours(modules: Mapping[str, ModuleType]) -> dict[str, ModuleType]:
    """The modules, and those of the same folder tree or package that they refer to, directly or through others."""
    found: dict[str, ModuleType] = {}
    waiting = list(modules.values())
    while waiting:
        module = waiting.pop()
        if module.__name__ in found:
            continue
        found[module.__name__] = module
        for value in list(vars(module).values()):
            name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            other = sys.modules.get(name) if isinstance(name, str) else None
            if other is not None and _lies_in_file(other) and not _is_foreign(other.__name__) and _near(module, other):
                waiting.append(other)
    return found


def _near(module: ModuleType, other: ModuleType) -> bool:
    top = module.__name__.partition(".")[0]
    if other.__name__.partition(".")[0] == top:
        return True
    root = Path(str(module.__file__)).resolve().parents[module.__name__.count(".") + _is_package(module)]
    file = Path(str(other.__file__)).resolve()
    return file.is_relative_to(root) and not any(part in _INSTALLED for part in file.parts)


def _is_package(module: ModuleType) -> bool:
    return hasattr(module, "__path__")


def _with_references(entry: Any) -> dict[str, Any]:
    """A definition, and those of the same module that its code names, directly or through others."""
    namespace = vars(sys.modules[entry.__module__]) if entry.__module__ in sys.modules else {}
    found: dict[str, Any] = {}
    waiting = [entry]
    while waiting:
        thing = waiting.pop()
        name = f"{thing.__module__}:{thing.__qualname__}"
        if name in found:
            continue
        found[name] = thing
        for code in _codes(thing):
            for word in _names(code):
                value = namespace.get(word)
                if isinstance(value, (FunctionType, type)) and value.__module__ == entry.__module__:
                    waiting.append(value)
    return found


def _codes(thing: Any) -> Iterator[CodeType]:
    if isinstance(thing, FunctionType):
        yield thing.__code__
    elif isinstance(thing, type):
        for value in vars(thing).values():
            plain = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
            if isinstance(plain, FunctionType):
                yield plain.__code__


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _definition_hash(thing: Any) -> str:
    if "<lambda>" not in thing.__qualname__:  # of which only whole lines would be found
        try:
            return _source_hash(textwrap.dedent(inspect.getsource(thing)))
        except (OSError, TypeError):
            pass  # made by exec, or typed in
    version = ".".join(platform.python_version_tuple()[:2])
    text = "".join(map(_code_text, _codes(thing)))
    return f"bytecode {version} {hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"


def _code_text(code: CodeType) -> str:
    constants = [_code_text(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {constants}"


def _source_hash(text: str) -> str:
    """The hash of a source without its comments and blank lines."""
    try:
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        words = [_word(token) for token in tokens if token.type not in _SILENT]
    except (tokenize.TokenError, SyntaxError):
        words = [text]
    return hashlib.blake2b("\0".join(words).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _word(token: tokenize.TokenInfo) -> str:
    # The width of an indentation is no matter, nor is what ends a line.
    if token.type in (tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE):
        return tokenize.tok_name[token.type]
    return token.string
