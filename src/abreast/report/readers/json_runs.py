"""Runs stored as JSON: by Ray Tune, Hugging Face's Trainer, Keras, DVC, Sacred, TensorBoard, by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abreast.errors import RunError
from abreast.report.readers.copies import without_copies
from abreast.report.readers.csv_files import MOST_FILES, TAG, read_csv
from abreast.report.readers.curves import EPOCHS
from abreast.report.readers.foreign_run import ForeignRun, as_number, flat
from abreast.report.readers.hparams import (
    OF_ONE_RUN,
    SETTINGS,
    STAGE_FOLDER,
    STAGE_WORDS,
    is_architecture,
    named_settings,
)
from abreast.report.readers.json_records import PARTS, parse_records, records
from abreast.report.readers.json_steps import are_steps, counted, settings_of_steps
from abreast.report.readers.metric_names import is_measured, is_metric, split_stage
from abreast.report.readers.settings import base_name
from abreast.report.readers.table_text import COMPRESSED, bare_name, read_table_text
from abreast.runs.files import REPORT
from abreast.runtime.printable import printable

CHECKPOINT = re.compile(r"checkpoint-(\d{1,9})")  # of Hugging Face: an earlier state of the run around it
_STAGE = re.compile(rf"(?:^|_)({STAGE_WORDS})(?:$|_)", re.IGNORECASE)


def is_json(path: Path) -> bool:
    """Whether a file has the name of one with JSON, compressed or not."""
    return bare_name(path).endswith((".json", ".jsonl", ".ndjson"))


def read_json_file(path: Path, metric: str | None = None) -> tuple[str, list[ForeignRun]]:
    """What a file was read as, and its runs: one, or those of a table.

    Raises:
        RunError: It is neither.
    """
    run = ForeignRun(path, path.name)
    return ("JSON", [run]) if take_json(path, run, metric) else ("CSV", read_csv(path, metric))


def read_json_folder(folder: Path, metric: str | None = None) -> list[ForeignRun]:
    """The runs of a folder of JSON files, with the settings beside them, in them, or in their names."""
    files = sorted((path for path in folder.rglob("*json*") if _has_results(path)), key=_latest_first)
    if len(files) > MOST_FILES:
        raise RunError(f"{folder}: more than {MOST_FILES} JSON files. Give a folder with fewer")
    runs: dict[Path, ForeignRun] = {}
    tables: dict[Path, list[ForeignRun]] = {}
    names: dict[Path, str] = {}
    for path in files:
        stem = _stem(path)
        is_part = OF_ONE_RUN.fullmatch(stem) is not None
        home = path.parent.parent if CHECKPOINT.fullmatch(path.parent.name) else path.parent
        if is_part and home != folder and STAGE_FOLDER.fullmatch(home.name):
            home = home.parent
        name = (home if is_part else path.with_name(stem)).relative_to(folder)
        run = ForeignRun(path, "" if name == Path() else str(name))
        try:
            if not take_json(path, run, metric):
                rows = read_csv(path, metric)
                if len(rows) > 1 or not rows[0].curves:
                    tables |= {path: rows} if any(row.results() for row in rows) else {}
                    names[path] = run.name
                    continue
                run.curves, run.settings = rows[0].curves, rows[0].settings
        except RunError as error:
            if not is_part or not is_damaged(path):
                continue  # a file of something else
            run.status, run.reason = "unreadable", str(error)
        key = home if is_part else path.with_name(run.name) if TAG.fullmatch(stem) else path
        runs[key] = _merged(runs[key], run) if key in runs else run
    for run in runs.values():
        remarks: list[str] = []
        run.settings = {**named_settings(run.name, run.path.parent, folder, remarks), **run.settings}
        run.remarks += tuple(remarks)
    kept, remark = without_copies(tables)
    of_tables = [run for path, rows in kept.items() for run in _named(rows, names[path], folder)]
    if remark:
        of_tables[0].remarks += (remark,)
    return [*runs.values(), *of_tables]


def take_json(path: Path, run: ForeignRun, metric: str | None = None) -> bool:
    """Read what a file says of a single run; return whether it does.

    Args:
        path: The file.
        run: What is filled.
        metric: A result, whatever its name.

    Raises:
        RunError: It is not JSON, or too large.
    """
    content = parse_records(read_table_text(path), path)
    if isinstance(content, Mapping) and bare_name(path).endswith("l"):
        content = [content]  # a log of one line
    match = TAG.fullmatch(_stem(path))
    if match is not None and isinstance(content, list):  # wall time, step and value of a scalar
        run.name = match[1]
        run.curves[match[2]] = [float(row[2]) for row in content if _is_point(row)]
        return bool(run.curves[match[2]])
    history = content.get("log_history") if isinstance(content, Mapping) else None
    if isinstance(history, list) and counted(history) is not None:
        steps: list[Any] = history
    else:
        steps = content if isinstance(content, list) and are_steps(content) else []
        run.settings |= settings_of_steps(steps)
    for record in steps:
        _take(flat(record), run, metric, is_step=True)
    is_run = isinstance(content, Mapping) and not is_architecture(content)
    if not steps and is_run and records(content, metric) is None:
        for key, value in content.items():
            if key in PARTS and isinstance(value, Mapping):
                run.settings |= flat(value)
            else:
                _take_value(str(key), value, run, metric)
    stage = _STAGE.search(_stem(path)) or STAGE_FOLDER.fullmatch(path.parent.name)
    if stage is not None and OF_ONE_RUN.fullmatch(_stem(path)):
        run.final = {_staged(key, stage[1]): value for key, value in run.final.items()}
        run.curves = {_staged(key, stage[1]): curve for key, curve in run.curves.items()}
    return bool(run.final or run.curves)


def is_damaged(path: Path) -> bool:
    """Whether a file is not JSON, or too large."""
    try:
        parse_records(read_table_text(path), path)
    except RunError:
        return True
    return False


def _has_results(path: Path) -> bool:
    return is_json(path) and path.name not in SETTINGS and REPORT not in path.parts and path.is_file()


def _latest_first(path: Path) -> tuple[int, Path]:
    """By name, and the files of checkpoints behind those of the whole run, the last checkpoint first."""
    checkpoint = CHECKPOINT.fullmatch(path.parent.name)
    return (0 if checkpoint is None else 10**9 - int(checkpoint[1])), path


def _stem(path: Path) -> str:
    """The name of a file without what compressed it, and without its suffix."""
    return Path(path.stem).stem if path.suffix.lower() in COMPRESSED else path.stem


def _named(rows: list[ForeignRun], name: str, folder: Path) -> list[ForeignRun]:
    """The runs of a table with what its file's name says, and the files beside it."""
    remarks: list[str] = []
    given = named_settings(name, rows[0].path.parent, folder, remarks)
    rows[0].remarks += tuple(remarks)
    if "run" in given and any("run" in row.settings for row in rows):  # theirs is the number of a repeat
        given["file"] = given.pop("run")
    for row in rows:
        row.name = f"{name} {row.name}".strip()
        row.settings = {**given, **row.settings}
    return rows


def _staged(key: str, stage: str) -> str:
    return key if split_stage(key)[0] else f"{stage}/{key}"


def _is_point(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 3 and all(as_number(part) is not None for part in row)


def _take_value(key: str, value: Any, run: ForeignRun, metric: str | None) -> None:
    """Take a curve as a list, or with its steps as Sacred writes it; or a result, or a setting."""
    curve = value.get("values") if isinstance(value, Mapping) and "steps" in value else value
    if isinstance(curve, Sequence) and not isinstance(curve, str):
        if all(as_number(number) is not None for number in curve) and (is_metric(key) or key == metric):
            for number in curve:
                run.add(key, number)
        return
    _take(flat({key: value}), run, metric, is_step=False)


def _take(record: Mapping[str, Any], run: ForeignRun, metric: str | None, *, is_step: bool) -> None:
    for key, value in record.items():
        if base_name(key) in EPOCHS or (is_measured(key) and key != metric):
            continue
        if as_number(value) is not None and (is_metric(key) or key == metric):
            if is_step:
                run.add(key, value)
            else:
                run.final[key] = float(value)
        elif not is_step or key.partition(".")[0] in PARTS:
            run.settings[key] = value


def _merged(first: ForeignRun, second: ForeignRun) -> ForeignRun:
    """A run of which two files say something; the longer of two curves is the later state."""
    for name, curve in second.curves.items():
        if len(curve) > len(first.curves.get(name, ())):
            first.curves[name] = curve
    others = [key for key, value in second.final.items() if first.final.get(key, value) != value]
    if others and not CHECKPOINT.fullmatch(second.path.parent.name):
        what = f"{second.path.name} of {first.name} gives another {others[0]} than {first.path.name}"
        first.remarks += (f"{printable(what)}; the latter counts.",)
    first.final = {**second.final, **first.final}
    first.settings = {**second.settings, **first.settings}
    if second.status == "unreadable":
        first.status, first.reason = second.status, second.reason
    return first
