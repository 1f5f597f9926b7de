"""How the evaluator travels: pickled once, the user's own modules by value, so that every worker runs this very code.

By value, since a worker on another node has no copy of them, and since a worker that starts an hour later must not see
an edit made in between. Modules that cannot travel so (an open file, a lock among their globals) go by reference.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from evo.errors import ProblemError


def pickled(thing: Any, name: str = "problem", modules: list[ModuleType] | None = None) -> bytes:
    """An evaluator, or whatever else a worker needs, as bytes.

    Parameters
    ----------
    name
        What an error calls it.
    modules
        Those of `user_modules`, where the caller knows them.

    Raises
    ------
    ProblemError
        It cannot be pickled at all.
    """
    try:
        with by_value(user_modules() if modules is None else modules, cloudpickle):
            return bytes(cloudpickle.dumps(thing))
    except Exception:
        try:
            return bytes(cloudpickle.dumps(thing))
        except Exception as error:
            raise ProblemError(
                f"{name}: expected one that can be sent to worker processes, found that it cannot be pickled "
                f"({type(error).__name__}: {error}); workers=0 evaluates in this process"
            ) from error


@contextmanager
def by_value(modules: list[ModuleType], pickler: Any) -> Iterator[None]:
    """Within, `pickler` (cloudpickle, or Ray's copy of it) sends what belongs to `modules` by value."""
    for module in modules:
        pickler.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            pickler.unregister_pickle_by_value(module)


def user_modules() -> list[ModuleType]:
    """The modules loaded from Python files that were not installed: neither libraries, nor evo, nor ``__main__``."""
    import evo

    installed = [Path(path).resolve() for name, path in sysconfig.get_paths().items() if name != "scripts"]
    installed += [Path(path).resolve() for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        top = name.partition(".")[0]
        if top in (evo.__name__, "__main__", "__mp_main__") or not file or not file.endswith(".py"):
            continue
        if getattr(module, "__name__", None) != name:  # registered under another name: cloudpickle would refuse
            continue
        path = Path(file).resolve()
        if not any(path.is_relative_to(folder) for folder in installed):
            found.append(module)
    return found
