"""Things by name, ``module:name``: the name of a thing, and the thing of a name."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from evo.errors import EvoError, ProblemError
from evo.suggestion import suggestion


def importable_name(thing: Any) -> str | None:
    """``module:name`` where importing that gives `thing` again in another process; else None."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if module in (None, "__main__") or name is None or "<" in name or "." in name:
        return None
    return f"{module}:{name}" if getattr(sys.modules.get(module), name, None) is thing else None


def import_name(name: str, field: str) -> Any:
    """The thing that ``module:name`` names.

    Raises
    ------
    ProblemError
        Naming `field`, and what is missing.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ProblemError(f'{field}: expected "module:Class", found "{name}"')
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if missing != module_name and not module_name.startswith(missing + "."):
            raise ProblemError(f'{field}: module "{module_name}" needs "{missing}", which is not installed') from error
        raise ProblemError(
            f'{field}: no module "{module_name}" in the working directory, the folders given by --path, or the '
            f"installed packages"
        ) from error
    except EvoError:
        raise
    except Exception as error:  # whatever the user's module raises when it is imported
        raise ProblemError(f'{field}: importing "{module_name}" raised {type(error).__name__}: {error}') from error
    try:
        return getattr(module, attribute)
    except AttributeError:
        hint = suggestion(attribute, (n for n in vars(module) if not n.startswith("_")))
        raise ProblemError(f'{field}: module "{module_name}" has no "{attribute}"{hint}') from None
