"""YAML for settings: safe, with the line of every key, without duplicate keys, and with numbers as people write them.

PyYAML follows YAML 1.1, in which ``1e5`` is a string, ``010`` is eight, ``12:30`` is 750, ``no`` is false and
``2026-01-01`` a date. Here plain scalars are resolved as in the core schema of YAML 1.2, when read and when written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from evo.errors import SettingsError

Path = tuple[str | int, ...]
"""Where a value stands: keys and indices from the top."""

MAX_VALUES = 100_000
"""Values in one document with its aliases written out: a few short lines of aliases can stand for billions."""
MAX_DEPTH = 50


@dataclass
class Document:
    """A YAML document and the line, from 1, of each of its keys and list items."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int | None:
        """The line of `path`, or of the nearest thing around it that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def parse(text: str, source: str) -> Document:
    """Parse one document. `SettingsError`, naming `source` and the line, where it is not good YAML."""
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return Document(None)
            document = Document(None)
            _Survey(source, document.lines).visit(node, ())
            document.value = loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise SettingsError(_describe(error, source)) from None
    except RecursionError:
        raise SettingsError(f"{source}: nested too deeply, expected at most {MAX_DEPTH} levels") from None
    return document


def dump(value: Mapping[str, Any]) -> str:
    """Write plain values (None, bool, int, float, str, lists, mappings) as block-style YAML that `parse` gives back."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)


class _Loader(yaml.SafeLoader):
    pass


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Line breaks other than a newline survive within double quotes alone, where they are written as escapes."""
        style = '"' if set(text) & set("\r\x85\u2028\u2029\ufeff") else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


_CORE_SCHEMA = [
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", "~nN\0"),
    ("tag:yaml.org,2002:merge", r"<<", "<"),
]


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    try:
        return int(text, 16 if text.startswith("0x") else 10)
    except ValueError:
        raise yaml.constructor.ConstructorError(None, None, "not a whole number", node.start_mark) from None


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> float:
    text = loader.construct_scalar(node)
    try:
        return float(re.sub(r"\.(inf|nan)$", r"\1", text.lower()))
    except ValueError:
        raise yaml.constructor.ConstructorError(None, None, "not a number", node.start_mark) from None


for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {}
    for _tag, _pattern, _first in _CORE_SCHEMA:
        _first_characters = ["" if c == "\0" else c for c in _first]
        _class.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), _first_characters)
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


class _Survey:
    """Walk the nodes once before anything is built: note lines, refuse duplicate keys and aliases without end."""

    def __init__(self, source: str, lines: dict[Path, int]) -> None:
        self.source = source
        self.lines = lines
        self.values = 0

    def visit(self, node: yaml.Node, path: Path) -> None:
        self.values += 1
        where = f"{self.source}, line {node.start_mark.line + 1}"
        if len(path) > MAX_DEPTH:
            raise SettingsError(f"{where}: nested too deeply, expected at most {MAX_DEPTH} levels")
        if self.values > MAX_VALUES:
            raise SettingsError(f"{where}: too large, expected at most {MAX_VALUES} values")
        if isinstance(node, yaml.MappingNode):
            first: dict[str, int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode):
                    raise SettingsError(
                        f"{self.source}, line {line}: expected a word as a key, found a list or mapping"
                    )
                name = key.value
                if name in first:
                    dotted = ".".join(map(str, (*path, name)))
                    raise SettingsError(
                        f"{self.source}, line {line}: {dotted}: given twice, first on line {first[name]}"
                    )
                first[name] = line
                self.lines.setdefault((*path, name), line)
                self.visit(value, (*path, name))
        elif isinstance(node, yaml.SequenceNode):
            for i, item in enumerate(node.value):
                self.lines.setdefault((*path, i), item.start_mark.line + 1)
                self.visit(item, (*path, i))


def _describe(error: yaml.YAMLError, source: str) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = source if mark is None else f"{source}, line {mark.line + 1}"
    if isinstance(error, yaml.reader.ReaderError):
        return f"{where}: expected text, found the control character U+{int(error.character):04X}"
    problem = str(getattr(error, "problem", None) or error).splitlines()[0]
    if "'\\t'" in problem:
        problem = "expected spaces, found a tab (YAML does not allow tabs for indentation)"
    elif "constructor for the tag" in problem:
        tag = problem.rsplit("tag ", 1)[-1].strip("'").replace("tag:yaml.org,2002:", "!!")
        problem = f"expected plain values, found the tag {tag}"
    elif isinstance(error, yaml.composer.ComposerError) and "document" in f"{error.context} {problem}":
        problem = "expected one document, found a second one after ---"
    else:
        problem = f"not valid YAML: {problem}"
    return f"{where}: {problem}"
