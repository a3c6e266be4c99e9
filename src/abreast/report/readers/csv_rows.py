"""The runs of a table with a row a run: what of it is a result, a setting, a status, a fold."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from abreast.config.identity import Scalar
from abreast.report.readers.csv_table import INDEX, Row
from abreast.report.readers.foreign_run import ForeignRun, as_number, as_scalar
from abreast.report.readers.metric_names import is_measured, is_metric
from abreast.report.readers.run_names import SEED_IN_NAME, settings_of_name
from abreast.report.readers.settings import base_name
from abreast.report.readers.summaries import spreads_of
from abreast.suggestions import listed

FOLDS = ("fold", "cv_fold", "fold_id", "outer_fold", "fold_idx")
STATUSES = ("status", "state")
BUDGETS = ("iteration", "iterations")  # settings where few values come again and again
ENDINGS = {
    **dict.fromkeys(
        ("finished", "complete", "completed", "success", "succeeded", "done", "ok", "published"), "finished"
    ),
    **dict.fromkeys(("failed", "fail", "crashed", "killed", "pruned", "error", "oom", "timeout"), "failed"),
    **dict.fromkeys(("aborted", "diverged", "cancelled", "canceled", "stopped", "preempted"), "failed"),
    **dict.fromkeys(("running", "pending", "queued", "waiting", "scheduled"), "running"),
}
# Settings by their names, though a search over them has another fraction in each row.
_SETTING = re.compile(
    r"(params?|config|hparams?|hp|args)[_./].*|(.*[_./])?(lr|learning_?rate|weight_?decay|wd|dropout|momentum|"
    r"beta[s12]?|gamma|lambda|alpha|eps(ilon)?|temperature|tau|l1|l2|c|sigma|warmup)",
    re.IGNORECASE,
)
_SPREAD = re.compile(
    r"[$\s]*(\\math(bf|rm)\{)?[+-]?\d[\d.,]*\s*%?\s*(±|\\pm|\+/?-|\()\s*\d[\d.,]*\)?\s*%?[}$\s]*"
)
_LOGGED = ("metrics.", "metrics/")  # before all that MLflow logged, a run's epoch among it
_DIGIT, _WHOLE = re.compile(r"\d"), re.compile(r"[+-]?\d+")
MOST_NAMES = 8


def runs_of_rows(path: Path, rows: Sequence[Row], metric: str | None) -> list[ForeignRun]:
    """A run for each row.

    Args:
        path: The file.
        rows: The rows by column.
        metric: A column that is a result, whatever its name.
    """
    columns = list(rows[0])
    spreads = [column for column in spreads_of(columns) if column != metric]
    results = [c for c in columns if c == metric or (c not in spreads and _is_result(rows, c))]
    status = next((column for column in columns if _is_status(rows, column)), None)
    fold = next((column for column in columns if base_name(column) in FOLDS), None)
    names = dict.fromkeys(row[fold] for row in rows) if fold is not None else {}
    folds = {name: number for number, name in enumerate(names)}
    parsed = {column for column in columns if column not in results and names_seeds(rows, column)}
    known = {*results, *spreads, status, fold}
    others = [
        column
        for column in columns
        if column not in known
        and (not is_measured(column) or base_name(column) in BUDGETS)
        and not column.lower().startswith(_LOGGED)
    ]
    decimal = {column for column in others if _has_decimals(rows, column)}
    why_none = "its row has no finite result" if results else _why_no_results(rows)
    runs = []
    for number, row in enumerate(rows, 1):
        run = ForeignRun(path, f"{path.name} row {number}", spreads=tuple(spreads))
        for column in others:
            settings = settings_of_cell(column, row[column], is_name=column in parsed)
            if column in decimal and type(settings.get(column)) is int:  # 0 beside 0.5 is the number 0.0
                settings[column] = float(row[column])
            run.settings |= settings
        run.final = {name: n for name in results if (n := as_number(row[name])) is not None}
        if fold is not None and len(folds) > 1:
            run.fold = (folds[row[fold]], len(folds))
        if not all(map(math.isfinite, run.final.values())) or len(run.final) == 0:
            run.status, run.reason = "failed", _why_no_result(row, why_none)
        ending = ENDINGS.get(row[status].lower()) if status is not None else None
        if ending is not None and ending != "finished":
            run.status, run.reason = ending, f"{status}: {row[status or '']}"
        runs.append(run)
    return runs


def _is_result(rows: Sequence[Row], column: str) -> bool:
    """Whether a column of numbers is a result: by its name, or as most runs have other fractions there.

    Words in a column that is named as a metric (`diverged`) are runs without a result.
    """
    values = [row[column] for row in rows if row[column].strip()]
    numbers = [number for value in values if (number := as_number(value)) is not None]
    words = [value for value in values if as_number(value) is None]
    if not numbers or "seed" in column.lower() or any(map(_DIGIT.search, words)):
        return False
    if is_metric(column) or is_measured(column):
        is_budget = base_name(column) in BUDGETS and all(map(float.is_integer, numbers))
        return not is_budget or 2 * len({*numbers}) > len(rows)
    fractions = [number for number in numbers if not number.is_integer()]
    is_other_everywhere = len(rows) > 3 and min(2 * len({*values}), 2 * len(fractions)) > len(rows)
    return is_other_everywhere and not words and not _SETTING.fullmatch(column)


def _has_decimals(rows: Sequence[Row], column: str) -> bool:
    """Whether a column holds numbers of which some are written with decimals: all are fractions then."""
    numbers = [value for row in rows if (value := row[column]) and as_number(value) is not None]
    is_numeric = all(not row[column] or as_number(row[column]) is not None for row in rows)
    return is_numeric and not all(map(_WHOLE.fullmatch, numbers))


def _is_status(rows: Sequence[Row], column: str) -> bool:
    values = {row[column].lower() for row in rows} - {""}
    return column.lower() in STATUSES and bool(values) and values <= ENDINGS.keys()


def names_seeds(rows: Sequence[Row], column: str) -> bool:
    """Whether each cell of a column is the name of a run with its seed: `adam_seed3`."""
    return all(SEED_IN_NAME.search(row[column]) or "seed=" in row[column].lower() for row in rows)


def settings_of_cell(column: str, value: str, *, is_name: bool) -> dict[str, Scalar]:
    """The settings that a cell tells: itself, or where it is the name of a run what that says."""
    if not is_name:
        return {column: as_scalar(value)}
    settings = settings_of_name(value)
    if "run" in settings:
        settings[column] = settings.pop("run")
    return settings


def _why_no_result(row: Row, why_none: str) -> str:
    spread = next((value for value in row.values() if _SPREAD.fullmatch(value)), None)
    if spread is not None:
        return f"{spread} is a mean with its spread. The values of the runs that it summarises are needed"
    return why_none


def _why_no_results(rows: Sequence[Row]) -> str:
    """Why no column of a table is a result."""
    for column in rows[0]:
        texts = (row[column] for row in rows if row[column] and as_number(row[column]) is None)
        text = next(texts, None) if is_metric(column) else None
        if text is not None:
            return f"{column} holds {text}, which is not a number like those of the other rows"
    columns = listed([column for column in rows[0] if column != INDEX][:MOST_NAMES])
    return f"none of its columns is known as a metric ({columns}). Give one with --metric NAME --mode max"
