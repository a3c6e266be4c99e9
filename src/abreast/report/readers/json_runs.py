"""Runs stored as JSON: by Ray Tune, Hugging Face's Trainer, Keras, DVC, Sacred, TensorBoard, by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abreast.errors import RunError
from abreast.report.readers.csv_files import MOST_FILES, TAG, read_csv
from abreast.report.readers.curves import EPOCHS
from abreast.report.readers.foreign_run import ForeignRun, as_number, flat
from abreast.report.readers.hparams import OF_ONE_RUN, SETTINGS, is_architecture, named_settings
from abreast.report.readers.json_records import records
from abreast.report.readers.metric_names import is_measured, is_metric
from abreast.report.readers.settings import base_name
from abreast.runs.files import REPORT
from abreast.runs.small_file import parse_json, read_text

CHECKPOINT = re.compile(r"checkpoint-\d+")  # of Hugging Face: an earlier state of the run around it
PARTS = (
    "config",
    "params",
    "hparams",
    "args",
    "hyperparameters",
    "hyper_parameters",
    "settings",
    "parameters",
)


def read_json_folder(folder: Path, metric: str | None = None) -> list[ForeignRun]:
    """The runs of a folder of JSON files, with the settings beside them, in them, or in their names."""
    files = sorted(path for path in folder.rglob("*.json*") if _is_json(path) and REPORT not in path.parts)
    if len(files) > MOST_FILES:
        raise RunError(f"{folder}: more than {MOST_FILES} JSON files. Give a folder with fewer")
    runs: dict[Path, ForeignRun] = {}
    tables: list[ForeignRun] = []
    for path in files:
        is_part = OF_ONE_RUN.fullmatch(path.stem) is not None
        home = path.parent.parent if CHECKPOINT.fullmatch(path.parent.name) else path.parent
        run = ForeignRun(path, str((home if is_part else path.with_suffix("")).relative_to(folder)))
        try:
            if not take_json(path, run, metric):
                rows = read_csv(path, metric)
                tables += rows if any(row.results() for row in rows) else []
                continue
        except RunError as error:
            if not is_part or not is_damaged(path):
                continue  # a file of something else
            run.status, run.reason = "unreadable", str(error)
        key = home if is_part else path.with_name(run.name) if TAG.fullmatch(path.stem) else path
        runs[key] = _merged(runs[key], run) if key in runs else run
    for run in runs.values():
        run.settings = {**named_settings(run.name, run.path.parent, folder), **run.settings}
    return [*runs.values(), *tables]


def take_json(path: Path, run: ForeignRun, metric: str | None = None) -> bool:
    """Read what a file says of a single run; return whether it does.

    Args:
        path: The file.
        run: What is filled.
        metric: A result, whatever its name.

    Raises:
        RunError: It is not JSON, or too large.
    """
    text = read_text(path).strip()
    content: Any = None
    if path.suffix.lower() == ".jsonl" or re.match(r"\{[^\n]*\}\s*\n\s*\{", text):
        content = [parse_json(line, path) for line in text.splitlines() if line.strip()]
    else:
        content = parse_json(text, path)
    match = TAG.fullmatch(path.stem)
    if match is not None and isinstance(content, list):  # wall time, step and value of a scalar
        run.name = match[1]
        run.curves[match[2]] = [float(row[2]) for row in content if _is_point(row)]
        return bool(run.curves[match[2]])
    history = content.get("log_history") if isinstance(content, Mapping) else content
    if isinstance(history, list) and _are_steps(history):
        for record in history:
            _take(flat(record), run, metric, is_step=True)
    elif isinstance(content, Mapping) and not is_architecture(content) and records(content, metric) is None:
        for key, value in content.items():
            if key in PARTS and isinstance(value, Mapping):
                run.settings |= flat(value)
            else:
                _take_value(str(key), value, run, metric)
    return bool(run.final or run.curves)


def is_damaged(path: Path) -> bool:
    """Whether a file is not JSON, or too large."""
    try:
        take_json(path, ForeignRun(path, ""))
    except RunError:
        return True
    return False


def _is_json(path: Path) -> bool:
    return path.suffix.lower() in (".json", ".jsonl") and path.name not in SETTINGS and path.is_file()


def _is_point(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 3 and all(as_number(part) is not None for part in row)


def _are_steps(content: list[Any]) -> bool:
    """Whether records are the steps of a training, not runs: they count upwards."""
    if not content or not all(isinstance(part, Mapping) for part in content):
        return False
    for name in dict.fromkeys(str(key) for part in content for key in part):
        steps = [as_number(part[name]) for part in content if name in part]
        if base_name(name) in EPOCHS and len(steps) == len(content) and None not in steps:
            numbers = [step for step in steps if step is not None]
            return numbers == sorted(numbers) and (len({*numbers}) > 1 or len(numbers) == 1)
    return False


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
        if len(curve) >= len(first.curves.get(name, ())):
            first.curves[name] = curve
    first.final |= second.final
    first.settings = {**second.settings, **first.settings}
    if second.status == "unreadable":
        first.status, first.reason = second.status, second.reason
    return first
