"""Checks of an optimizer's parameters; an error names the field, what was expected and what was found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from evo.errors import SettingsError
from evo.suggestion import suggestion


def whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """A whole number from `least` to `most`. Raises `SettingsError`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        limits = f"at least {least}" if most is None else f"{least} to {most}"
        raise SettingsError(f"optimizer.{name}: expected a whole number, {limits}, found {value!r}")
    return value


def share(name: str, value: Any) -> float:
    """A number from 0 to 1. Raises `SettingsError`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
        raise SettingsError(f"optimizer.{name}: expected a number from 0 to 1, found {value!r}")
    return float(value)


def number(name: str, value: Any, above: float, most: float = math.inf) -> float:
    """A finite number greater than `above`, at most `most`. Raises `SettingsError`."""
    right = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not right or not above < value <= most:
        limits = f"above {above:g}" + ("" if math.isinf(most) else f", at most {most:g}")
        raise SettingsError(f"optimizer.{name}: expected a number {limits}, found {value!r}")
    return float(value)


def choice(name: str, value: Any, known: Sequence[str]) -> str:
    """One of the words `known`. Raises `SettingsError`, with a suggestion where the word is nearly one of them."""
    if not isinstance(value, str) or value not in known:
        hint = suggestion(str(value), known)
        raise SettingsError(f"optimizer.{name}: expected one of {', '.join(known)}, found {value!r}{hint}")
    return value
