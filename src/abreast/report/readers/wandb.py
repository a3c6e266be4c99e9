"""Offline folders of Weights & Biases: `run-*.wandb`, a log of records. The package itself is not needed.

The file is LevelDB's log format behind a header of seven bytes (`wandb/sdk/internal/datastore.py`); records
are those of `wandb/proto/wandb_internal.proto`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from abreast.errors import RunError
from abreast.report.readers import wire
from abreast.report.readers.foreign_run import ForeignRun, flat
from abreast.runs.small_file import parse_json, read_bytes

PATTERN = "*.wandb"
MOST_BYTES, MOST_FILES = 1 << 28, 20_000
IDENT, HEADER = b":W&B", 7
BLOCK = 32768
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4  # of a record's parts
HISTORY, SUMMARY, CONFIG, RUN, EXIT = 2, 3, 5, 17, 18  # fields of Record
RUN_CONFIG, DISPLAY_NAME, RUN_ID = 4, 8, 1  # fields of RunRecord
JSON = 16  # of an item: its value


def read_wandb(folder: Path) -> list[ForeignRun]:
    """The runs below a folder, such as `wandb/`."""
    files = sorted(path for path in folder.rglob(PATTERN) if path.is_file() and not path.is_symlink())
    if len(files) > MOST_FILES:
        raise RunError(f"{folder}: more than {MOST_FILES} files of runs. Give a folder with fewer")
    return [_read(path) for path in files]


def _read(path: Path) -> ForeignRun:
    run = ForeignRun(path, path.parent.name, status="running")
    config: dict[str, Any] = {}
    try:
        for record in _records(read_bytes(path, MOST_BYTES), path):
            for number, value in wire.fields(record):
                if isinstance(value, bytes):
                    _take(number, value, run, config, path)
    except (RunError, OSError, wire.WireError, struct.error) as error:
        run.status, run.reason = "unreadable", str(error)
    run.settings = flat({key: value for key, value in config.items() if key != "_wandb"})
    return run


def _take(number: int, value: bytes, run: ForeignRun, config: dict[str, Any], path: Path) -> None:
    if number == HISTORY:
        for key, content in _items(value, 1, path):
            run.add(key, content)
    elif number == SUMMARY:
        for key, content in _items(value, 1, path):
            if isinstance(content, (int, float)) and not isinstance(content, bool):
                run.final[key] = float(content)
    elif number == CONFIG:
        config.update(_items(value, 1, path))
    elif number == RUN:
        name = wire.text(wire.first(value, DISPLAY_NAME) or wire.first(value, RUN_ID))
        run.name = name[:200] or run.name
        config.update(_items(wire.first(value, RUN_CONFIG), 1, path))
    elif number == EXIT:
        code = wire.integer(value, 1)
        run.status = "failed" if code else "finished"
        run.reason = f"it ended with exit code {code}" if code else ""
        run.seconds = float(wire.integer(value, 2)) or None


def _items(message: bytes, number: int, path: Path) -> Iterator[tuple[str, Any]]:
    """The keys and values of a history, a summary or a configuration."""
    for item in wire.sub(message, number):
        nested = [wire.text(part) for part in wire.sub(item, 2)]
        key = wire.text(wire.first(item, 1)) or ".".join(nested)
        text = wire.text(wire.first(item, JSON))
        if key:
            yield key[:200], parse_json(text, path) if text else None


def _records(content: bytes, path: Path) -> Iterator[bytes]:
    if content[:4] != IDENT:
        raise RunError(f"{path}: not a file of W&B")
    at, parts = HEADER, list[bytes]()
    while at + 7 <= len(content):
        left = BLOCK - at % BLOCK
        if left < 7:
            at += left
            continue
        size, kind = struct.unpack_from("<HB", content, at + 4)
        data = content[at + 7 : at + 7 + size]
        if kind not in (FULL, FIRST, MIDDLE, LAST) or len(data) < size:
            return  # the rest was never written
        at += 7 + size
        if kind in (FULL, FIRST):
            parts = []
        parts.append(data)
        if kind in (FULL, LAST):
            yield b"".join(parts)
