"""What was probably meant: the known word that is nearest to one that is not known."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` is nearly, None where it is like none of them."""
    import difflib  # needed where something is wrong, and nowhere else

    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def suggestion(word: str, known: Iterable[str]) -> str:
    """``, did you mean "x"?`` where a known word is near, else nothing."""
    near = nearest(word, known)
    return "" if near is None else f', did you mean "{near}"?'
