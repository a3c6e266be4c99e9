"""The runs of a table with a row a run: what of it is a result, a setting, a status, a fold."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from abreast.config.identity import Scalar
from abreast.report.readers.csv_table import Row
from abreast.report.readers.foreign_run import ForeignRun, as_number, as_scalar
from abreast.report.readers.metric_names import is_measured, is_metric
from abreast.report.readers.run_names import SEED_IN_NAME, settings_of_name

FOLDS = ("fold", "cv_fold", "fold_id", "outer_fold")
STATUSES = ("status", "state")
ENDINGS = {
    **dict.fromkeys(("finished", "complete", "completed", "success", "succeeded", "done", "ok"), "finished"),
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
_SPREAD = re.compile(r"[+-]?\d[\d.]*\s*(±|\\pm|\+/?-|\()\s*\d[\d.]*\)?\s*%?")


def runs_of_rows(path: Path, rows: Sequence[Row], metric: str | None) -> list[ForeignRun]:
    """A run for each row.

    Args:
        path: The file.
        rows: The rows by column.
        metric: A column that is a result, whatever its name.
    """
    columns = list(rows[0])
    results = [column for column in columns if column == metric or _is_result(rows, column)]
    status = next((column for column in columns if _is_status(rows, column)), None)
    fold = next((column for column in columns if column.lower() in FOLDS), None)
    folds = list(dict.fromkeys(row[fold] for row in rows)) if fold is not None else []
    parsed = [column for column in columns if column not in results and _names_seeds(rows, column)]
    runs = []
    for number, row in enumerate(rows, 1):
        run = ForeignRun(path, f"{path.name} row {number}")
        for column in columns:
            if column not in (*results, status, fold):
                run.settings |= _settings(column, row[column], column in parsed)
        run.final = {name: n for name in results if (n := as_number(row[name])) is not None}
        if fold is not None and len(folds) > 1:
            run.fold = (folds.index(row[fold]), len(folds))
        if not all(map(math.isfinite, run.final.values())) or len(run.final) == 0:
            run.status, run.reason = "failed", _why_no_result(row)
        ending = ENDINGS.get(row[status].lower()) if status is not None else None
        if ending is not None and ending != "finished":
            run.status, run.reason = ending, f"{status}: {row[status or '']}"
        runs.append(run)
    return runs


def _is_result(rows: Sequence[Row], column: str) -> bool:
    """Whether a column of numbers is a result: by its name, or as most runs have other fractions there."""
    values = [row[column] for row in rows if row[column].strip()]
    numbers = [as_number(value) for value in values]
    if not values or any(number is None for number in numbers) or "seed" in column.lower():
        return False
    if is_metric(column) or is_measured(column):
        return True
    fractions = [number for number in numbers if number is not None and not float(number).is_integer()]
    is_other_everywhere = len(rows) > 3 and min(2 * len({*values}), 2 * len(fractions)) > len(rows)
    return is_other_everywhere and not _SETTING.fullmatch(column)


def _is_status(rows: Sequence[Row], column: str) -> bool:
    values = {row[column].lower() for row in rows} - {""}
    return column.lower() in STATUSES and bool(values) and values <= ENDINGS.keys()


def _names_seeds(rows: Sequence[Row], column: str) -> bool:
    """Whether each cell of a column is the name of a run with its seed: `adam_seed3`."""
    return all(SEED_IN_NAME.search(row[column]) or "seed=" in row[column].lower() for row in rows)


def _settings(column: str, value: str, is_name: bool) -> dict[str, Scalar]:
    if not is_name:
        return {column: as_scalar(value)}
    settings = settings_of_name(value)
    if "run" in settings:
        settings[column] = settings.pop("run")
    return settings


def _why_no_result(row: Row) -> str:
    spread = next((value for value in row.values() if _SPREAD.fullmatch(value)), None)
    if spread is not None:
        return f"{spread} is a mean with its spread. The values of the runs that it summarises are needed"
    return "its row has no finite result"
