"""The only reader of the small files in a run's directory, which may come from a stranger. No torch.

What is read is a regular file of limited size, no link, UTF-8, and parsed to dicts, lists and plain scalars
of limited depth and number. Everything else is one RunError that names the file.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from abreast.errors import RunError

MOST_BYTES = 1 << 28  # of a text: a million rows of metrics.csv
MOST_YAML_BYTES = 1 << 22  # parsing takes a second per megabyte
MOST_DEPTH = 200  # nested lists and mappings: parsers recurse, and could overrun the stack
MOST_NODES = 1 << 20  # values of a YAML file, with what its aliases repeat
MOST_DIGITS = 300  # of a number: longer ones overflow what computes with them
PLAIN = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null"))

_LONG_NUMBER = re.compile(rf"\d{{{MOST_DIGITS + 1}}}")
_JSON_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
# A FIFO must not be waited for, and a terminal not become this process's own. Windows has none of these.
_FLAGS = sum(getattr(os, f"O_{name}", 0) for name in ("NONBLOCK", "NOFOLLOW", "NOCTTY", "CLOEXEC", "BINARY"))


@contextmanager
def open_file(path: Path) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    """Open a regular file that is no link; links above its folder are followed.

    Yields:
        The file, and what the system says of it.

    Raises:
        FileNotFoundError: If nothing is there.
        RunError: If it is something else, or cannot be read; the message names it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise RunError(f"{path}: cannot be read (not a regular file)")
            yield file, facts
    except FileNotFoundError:
        raise
    except OSError as error:
        if path.is_symlink():
            raise RunError(f"{path}: is a link, which is not followed. Put the file itself there") from None
        raise RunError(f"{path}: cannot be read ({error.strerror or error})") from None


def read_bytes(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Read a file.

    Args:
        path: The file. Links above its folder are followed, the file itself must not be one.
        most_bytes: The largest size that is read.

    Raises:
        FileNotFoundError: If nothing is there.
        RunError: If it is not a regular file of that size; the message names it.
    """
    with open_file(path) as (file, facts):
        content = file.read(most_bytes + 1) if facts.st_size <= most_bytes else b""
    if facts.st_size > most_bytes or len(content) > most_bytes:
        raise RunError(f"{path}: cannot be read (larger than {_size(most_bytes)})")
    return content


def read_text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """As `read_bytes`, for UTF-8 text; RunError if it is not that."""
    content = read_bytes(path, most_bytes)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise RunError(f"{path}: cannot be read (not UTF-8 text: byte {error.start})") from None


def parse_json(text: str, path: Path) -> Any:
    """Parse the JSON text of a file to plain data.

    Raises:
        RunError: If it is not valid, nested too deeply, or holds a number or character that nothing can use.
    """
    if text.count("[") + text.count("{") > MOST_DEPTH and _depth(text) > MOST_DEPTH:
        raise RunError(f"{path}: not valid JSON (nested deeper than {MOST_DEPTH} levels)")
    parse_int = _short_int if _LONG_NUMBER.search(text) else None
    try:
        content = json.loads(text, parse_int=parse_int)
        if "\\u" in text:  # half of a surrogate pair is no character, and cannot be written again
            json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        reason = "half a character" if isinstance(error, UnicodeEncodeError) else error
        raise RunError(f"{path}: not valid JSON ({reason})") from None
    return content


def parse_yaml(text: str, path: Path) -> Any:
    """Parse the YAML text of a file to plain data: dicts, lists, text, numbers, booleans and None.

    Raises:
        RunError: If it is not valid, nested too deeply or too large, or has a tag that makes anything else.
    """
    import yaml

    if len(text) > MOST_YAML_BYTES:
        raise RunError(f"{path}: not valid YAML (larger than {MOST_YAML_BYTES >> 20} MiB)")
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same data, seven times as fast
    try:
        # The composer recurses in C. Without 200 of one of these characters, indentation alone cannot nest
        # deeply enough to overrun the stack.
        if max(map(text.count, "[{-?")) > MOST_DEPTH and _is_deep(yaml.parse(text, Loader=base)):
            raise RunError(f"{path}: not valid YAML (nested deeper than {MOST_DEPTH} levels)")
        loader = base(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            refusal = _refusal(node)
            if refusal:
                raise RunError(f"{path}: not valid YAML ({refusal})")
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "not a YAML text"
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise RunError(f"{path}: not valid YAML ({problem}{where})") from None
    except (RecursionError, ValueError, OverflowError) as error:
        raise RunError(f"{path}: not valid YAML ({error})") from None


def _depth(text: str) -> int:
    """How deeply the lists and objects of a JSON text are nested; counting stops beyond `MOST_DEPTH`."""
    depth = deepest = 0
    for match in _JSON_BRACKETS.finditer(text):
        character = match[0][0]
        depth += (character in "[{") - (character in "]}")
        deepest = max(deepest, depth)
        if deepest > MOST_DEPTH:
            break
    return deepest


def _short_int(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _is_deep(events: Any) -> bool:
    depth = 0
    for event in events:
        name = type(event).__name__
        depth += name.endswith("StartEvent") - name.endswith("EndEvent")
        if depth > MOST_DEPTH + 2:  # the stream and the document are events, too
            return True
    return False


def _refusal(root: Any) -> str | None:
    """Why a composed YAML document is not plain data, or None. Aliases count as often as they stand."""
    nodes, seen = [(root, 1)], 0
    while nodes:
        node, depth = nodes.pop()
        seen += 1
        if seen > MOST_NODES:
            return f"more than {MOST_NODES} values"
        if depth > MOST_DEPTH:
            return f"nested deeper than {MOST_DEPTH} levels"
        kind, value = node.tag.rpartition(":")[2], node.value
        if isinstance(value, str):
            if node.tag not in PLAIN:
                return f"the tag {node.tag!r} on line {node.start_mark.line + 1}: only plain values are read"
            if kind in ("int", "float") and len(value) > MOST_DIGITS:
                return f"a number of {len(value)} digits"
        elif node.tag != f"tag:yaml.org,2002:{'map' if node.id == 'mapping' else 'seq'}":
            return f"the tag {node.tag!r} on line {node.start_mark.line + 1}: only plain values are read"
        elif node.id == "mapping":
            nodes += [(part, depth + 1) for pair in value for part in pair]
        else:
            nodes += [(part, depth + 1) for part in value]
    return None


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >> 20 else f"{count} bytes"


def texts(content: Any) -> list[str]:
    """Every text in plain data, the keys of its mappings included."""
    strings, nodes = [], [content]
    while nodes:
        node = nodes.pop()
        if isinstance(node, str):
            strings.append(node)
        elif isinstance(node, Mapping):
            nodes += [*node.keys(), *node.values()]
        elif isinstance(node, list):
            nodes += node
    return strings
