"""The layout of a VRPLIB text: its keys and sections with the line that each came from, before any value is trusted."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from evo.errors import InstanceError
from evo.suggestion import nearest

# Keys that say nothing about the problem are taken and left alone. A key that is not listed is refused: it may be a
# constraint, and a solution that ignores a constraint is wrong.
KEYS = (
    "NAME",
    "COMMENT",
    "TYPE",
    "DIMENSION",
    "CAPACITY",
    "VEHICLES",
    "DISTANCE",
    "SERVICE_TIME",
    "EDGE_WEIGHT_TYPE",
    "EDGE_WEIGHT_FORMAT",
    "EDGE_WEIGHT_UNIT_OF_MEASUREMENT",
    "NODE_COORD_TYPE",
    "DISPLAY_DATA_TYPE",
)
SECTIONS = ("NODE_COORD", "DEMAND", "DEPOT", "EDGE_WEIGHT", "SERVICE_TIME", "DISPLAY_DATA")
_NUMBER_START = frozenset("0123456789+-.")


@dataclass(frozen=True)
class Value:
    """What stands behind a key."""

    text: str
    line: int


@dataclass(frozen=True)
class Section:
    """The rows of a section, blank lines left out."""

    name: str
    line: int
    rows: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    @property
    def last_line(self) -> int:
        """Line of the last row, or of the section's name where it has none."""
        return self.lines[-1] if self.lines else self.line


@dataclass(frozen=True)
class Layout:
    """Keys and sections by name (in capitals, without ``_SECTION``); every error that is raised names the file."""

    path: Path
    values: dict[str, Value]
    sections: dict[str, Section]

    def refuse(self, line: int | None, name: str, what: str) -> NoReturn:
        """Raise the one-line error about this key or section."""
        refuse(self.path, line, name, what)

    def value(self, key: str, expected: str) -> Value:
        """Return what stands behind a key that must be there."""
        if key not in self.values:
            self.refuse(None, key, f"expected {expected}, found no such key")
        return self.values[key]

    def section(self, name: str) -> Section:
        """Return a section that must be there."""
        if name not in self.sections:
            self.refuse(None, f"{name}_SECTION", "expected, not found (is the file complete?)")
        return self.sections[name]


def refuse(path: Path, line: int | None, name: str, what: str) -> NoReturn:
    """Raise the one-line error about a key or section of a file."""
    where = f"{path}" if line is None else f"{path}, line {line}"
    raise InstanceError(f"{where}: {name}: {what}")


def read_text(path: str | os.PathLike[str]) -> str:
    """Return a file's text with ``\\n`` line ends: UTF-8 with or without a byte order mark, else Latin-1.

    Raises
    ------
    InstanceError
        When the file cannot be read.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InstanceError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # names in older files; never fails
    return text.replace("\r\n", "\n").replace("\r", "\n")


def scan(path: str | os.PathLike[str]) -> Layout:
    """Split a file into keys and sections.

    Raises
    ------
    InstanceError
        On a line that is neither, on an unknown or repeated key or section, and on a file without its end.
    """
    path = Path(path)
    values: dict[str, Value] = {}
    sections: dict[str, Section] = {}
    section: Section | None = None
    last = ""
    for number, raw in enumerate(read_text(path).split("\n"), 1):
        line = raw.strip()
        if not line or line[0] == "#":
            continue
        last = line
        if section is not None and line[0] in _NUMBER_START:
            section.rows.append(line)
            section.lines.append(number)
            continue
        title = line.rstrip(" \t:").upper()
        if title == "EOF":
            return Layout(path, values, sections)
        if title.endswith("_SECTION") and ":" not in title:
            section = _new_section(path, number, title.removesuffix("_SECTION"), sections)
            sections[section.name] = section
        elif ":" in line and line.split(":")[0].strip().replace("_", "").isalpha():
            _add_value(path, number, line, values, sections)
        elif section is not None:  # a row of something else than numbers: refused where the row's form is known
            section.rows.append(line)
            section.lines.append(number)
        else:
            refuse(path, number, "header", f"expected 'KEY : value' or a section's name, found {line[:40]!r}")
    # Without EOF the last row may be half a number. Only the -1 that closes the depots cannot be half of anything.
    if not (section is not None and section.name == "DEPOT" and last.split()[-1] == "-1"):
        refuse(path, None, "EOF", "expected at the end, not found (is the file complete?)")
    return Layout(path, values, sections)


def _new_section(path: Path, line: int, name: str, sections: dict[str, Section]) -> Section:
    if name not in SECTIONS:
        refuse(path, line, f"{name}_SECTION", f"unknown section; {_known(name, SECTIONS, '_SECTION')}")
    if name in sections:
        refuse(path, line, f"{name}_SECTION", f"expected once, found before at line {sections[name].line}")
    return Section(name, line)


def _add_value(path: Path, line: int, text: str, values: dict[str, Value], sections: dict[str, Section]) -> None:
    key, _, value = (part.strip() for part in text.partition(":"))
    key = key.upper()
    if key not in KEYS:
        refuse(path, line, key, f"unknown key; {_known(key, KEYS)}")
    if key == "COMMENT" and key in values:  # TSPLIB files have several
        value = f"{values[key].text} {value}"
    elif key in values:
        refuse(path, line, key, f"expected once, found before at line {values[key].line}")
    values[key] = Value(value, line)


def _known(name: str, names: Iterable[str], ending: str = "") -> str:
    near = nearest(name, names)
    if near is not None:
        return f"did you mean {near}{ending}?"
    return f"known are {', '.join(known + ending for known in names)}"
