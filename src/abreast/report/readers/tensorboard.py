"""Folders of TensorBoard's event files: scalars, and the hyperparameters of its HPARAMS plugin.

Records are those of TFRecord; messages are `Event` (tensorflow/core/util/event.proto), `Summary`
(framework/summary.proto) and `HParamsPluginData` (tensorboard/plugins/hparams/plugin_data.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from abreast.config.identity import Scalar
from abreast.errors import RunError
from abreast.report.readers import wire
from abreast.report.readers.foreign_run import ForeignRun, as_scalar
from abreast.report.readers.hparams import read_hparams
from abreast.runs.files import REPORT
from abreast.runs.small_file import read_bytes

EVENTS = "*tfevents*"
MOST_FILES = 20_000
MOST_BYTES = 1 << 28
FAILED = 2  # SESSION_END status
FLOAT, DOUBLE = 1, 2  # tensor types


def read_tensorboard(folder: Path) -> list[ForeignRun]:
    """Read every run below a folder: a folder of event files, with those inside it that only log more.

    A folder inside a run's (as `add_hparams` and `add_scalars` make them) belongs to it, unless both have
    hyperparameters.
    """
    folders = sorted({path.parent for path in _event_files(folder)})
    runs: dict[Path, ForeignRun] = {}
    for path in folders:
        run = _read(path, folder)
        owner = next((parent for parent in path.parents if parent in runs), None)
        if owner is None or (run.settings and runs[owner].settings):
            runs[path] = run
            continue
        known = runs[owner]
        known.settings = known.settings or run.settings
        for name, curve in run.curves.items():
            known.curves.setdefault(name, curve)
    return list(runs.values())


def _event_files(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob(EVENTS) if path.is_file() and REPORT not in path.parts]
    if len(files) > MOST_FILES:
        raise RunError(f"{folder}: more than {MOST_FILES} event files. Give a folder with fewer")
    return files


def _read(path: Path, base: Path) -> ForeignRun:
    name = str(path.relative_to(base))
    run = ForeignRun(path, path.name if name == "." else name)
    times: list[float] = []
    try:
        for file in sorted(path.glob(EVENTS)):
            for event in _records(read_bytes(file, MOST_BYTES)):
                _take(event, run, times)
        remarks: list[str] = []
        run.settings = run.settings or read_hparams(path, remarks) or {}
        run.remarks += tuple(remarks)
    except (RunError, OSError, wire.WireError) as error:
        run.status, run.reason = "unreadable", str(error)
    if len(times) > 1:
        run.seconds = max(times) - min(times)
    return run


def _records(content: bytes) -> Iterator[bytes]:
    """The records of a TFRecord file: length, checksum, data, checksum. A last one may be cut off.

    An event says at least when it was; what has no length is space that was never written.
    """
    at = 0
    while at + 12 <= len(content):
        (size,) = struct.unpack_from("<Q", content, at)
        if size == 0 or at + 16 + size > len(content):
            return
        yield content[at + 12 : at + 12 + size]
        at += 16 + size


def _take(event: bytes, run: ForeignRun, times: list[float]) -> None:
    for number, value in wire.fields(event):
        if number == 1 and isinstance(value, bytes) and wire.double(value) > 0:
            times.append(wire.double(value))
            del times[1:-1]
        elif number == 5 and isinstance(value, bytes):
            for scalar in wire.sub(value, 1):
                _take_value(scalar, run)


def _take_value(summary: bytes, run: ForeignRun) -> None:
    tag, number, plugin, content = "", None, "", b""
    for field, value in wire.fields(summary):
        if not isinstance(value, bytes):
            continue
        if field == 1:
            tag = wire.text(value)
        elif field == 2:
            number = wire.single(value)
        elif field == 8:
            number = _tensor(value)
        elif field == 9:
            data = wire.first(value, 1)
            plugin, content = wire.text(wire.first(data, 1)), wire.first(data, 2)
    if plugin == "hparams" or tag.startswith("_hparams_/"):
        _take_hparams(content, run)
    elif number is not None and plugin in ("", "scalars"):
        run.add(tag, number)


def _tensor(tensor: bytes) -> float | None:
    """The number that a tensor of one float or double holds."""
    kind = wire.integer(tensor, 1)
    if kind not in (FLOAT, DOUBLE):
        return None
    data = wire.first(tensor, 4) or wire.first(tensor, 5 if kind == FLOAT else 6)
    size = 4 if kind == FLOAT else 8
    if len(data) != size:
        return None
    return wire.single(data) if kind == FLOAT else wire.double(data)


def _take_hparams(content: bytes, run: ForeignRun) -> None:
    for number, value in wire.fields(content):
        if not isinstance(value, bytes):
            continue
        if number == 3:
            for entry in wire.sub(value, 1):
                key = wire.text(wire.first(entry, 1))
                run.set({key: _setting(list(wire.fields(wire.first(entry, 2))))})
        elif number == 4 and wire.integer(value, 1) == FAILED:
            run.status, run.reason = "failed", "its session ended with a failure"


def _setting(parts: Sequence[tuple[int, wire.Value]]) -> Scalar:
    """A google.protobuf.Value."""
    for number, value in parts:
        if number == 2 and isinstance(value, bytes):
            double = wire.double(value)
            return int(double) if double.is_integer() and abs(double) < 1e15 else double
        if number == 3 and isinstance(value, bytes):
            return as_scalar(wire.text(value))
        if number == 4:
            return bool(value)
    return None
