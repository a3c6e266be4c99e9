"""MLflow's stores: a folder of files (`mlruns`), or an SQLite database. MLflow itself is not needed.

The layout is that of `mlflow/store/tracking/file_store.py`, the tables are those of `dbmodels/models.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from urllib.parse import quote

from abreast.errors import RunError
from abreast.report.readers.foreign_run import ForeignRun, as_number
from abreast.runs.small_file import open_file, parse_yaml, read_text
from abreast.suggestions import listed

MOST_RUNS, MOST_VALUES = 20_000, 5_000_000
STATUSES = {1: "running", 3: "finished", 4: "failed", 5: "failed"}  # RunStatus: 5 is KILLED
BY_NAME = {"RUNNING": 1, "FINISHED": 3, "FAILED": 4, "KILLED": 5}
SQLITE_HEAD = b"SQLite format 3\x00"
TABLES = ("runs", "params", "metrics")
MOST_TEXT_BYTES = 1 << 20  # of a value: MLflow's own are at most 8,000 characters long
MOST_STEPS, STEPS = 10_000, 100_000  # of SQLite's virtual machine, counted in parts: ten seconds


def is_store(folder: Path) -> bool:
    """Whether a folder is a file store, or one of its experiments."""
    return any(_run_folders(folder))


def read_mlflow_files(folder: Path) -> list[ForeignRun]:
    """The runs of a file store that were not deleted."""
    runs: list[ForeignRun] = []
    for path in _run_folders(folder):
        if len(runs) == MOST_RUNS:
            raise RunError(f"{folder}: more than {MOST_RUNS} runs. Give the folder of one experiment")
        run = ForeignRun(path, path.name)
        try:
            meta = parse_yaml(read_text(path / "meta.yaml"), path / "meta.yaml")
            if not isinstance(meta, dict) or meta.get("lifecycle_stage") == "deleted":
                continue
            _take_facts(
                run, meta.get("run_name"), meta.get("status"), meta.get("start_time"), meta.get("end_time")
            )
            for file in _files(path / "params"):
                run.set({file.relative_to(path / "params").as_posix(): read_text(file)})
            for file in _files(path / "metrics"):
                name = file.relative_to(path / "metrics").as_posix()
                for line in read_text(file).splitlines():
                    parts = line.split()
                    run.add(name, parts[1] if len(parts) > 1 else "")
        except (RunError, OSError) as error:
            run.status, run.reason = "unreadable", str(error)
        runs.append(run)
    return runs


def _run_folders(folder: Path) -> Iterator[Path]:
    """A run's folder has a meta.yaml and a folder of metrics; it is one or two levels below a store."""
    for pattern in ("meta.yaml", "*/meta.yaml", "*/*/meta.yaml", "*/*/*/meta.yaml"):
        for path in sorted(folder.glob(pattern)):
            if (path.parent / "metrics").is_dir() and ".trash" not in path.parts:
                yield path.parent


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _take_facts(run: ForeignRun, name: object, status: object, start: object, end: object) -> None:
    if isinstance(name, str) and name:
        run.name = name[:200]
    code = BY_NAME.get(status, 0) if isinstance(status, str) else status
    run.status = STATUSES.get(code, "running") if isinstance(code, int) else "finished"
    if run.status == "failed":
        run.reason = f"MLflow says {next((n for n, c in BY_NAME.items() if c == code), code)}"
    first, last = as_number(start), as_number(end)
    if first is not None and last is not None and last > first:
        run.seconds = (last - first) / 1000


def is_database(path: Path) -> bool:
    """Whether a file is an SQLite database."""
    try:
        with open_file(path) as (file, _):
            return file.read(len(SQLITE_HEAD)) == SQLITE_HEAD
    except (RunError, OSError):
        return False


def read_mlflow_database(path: Path) -> list[ForeignRun]:
    """The runs of an SQLite store that were not deleted; nothing is written, not even beside the file."""
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True)
        ) as store:
            store.execute("PRAGMA trusted_schema=OFF")
            if hasattr(store, "setlimit"):  # Python 3.10 has none
                store.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_TEXT_BYTES)
            parts = count(1)
            store.set_progress_handler(lambda: next(parts) > MOST_STEPS, STEPS)
            _refuse_what_computes(store, path)
            return _read_database(store, path)
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
        raise RunError(f"{path}: not a store of MLflow ({error})") from None


def _refuse_what_computes(store: sqlite3.Connection, path: Path) -> None:
    """Only stored values are read: views, virtual tables and generated columns compute, maybe without end."""
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 AND sql NOT LIKE '%VIRTUAL%'"
    )
    stored = {str(name) for (name,) in store.execute(query)}
    if not stored >= {*TABLES}:
        raise RunError(f"{path}: not a store of MLflow (it has no tables {listed(TABLES)})")
    for table in TABLES:
        for _, column, *_, hidden in store.execute(f"PRAGMA table_xinfo({table})"):
            if hidden:
                raise RunError(
                    f"{path}: not a store of MLflow (the column {column!r} of {table} is computed)"
                )


def _read_database(store: sqlite3.Connection, path: Path) -> list[ForeignRun]:
    runs: dict[str, ForeignRun] = {}
    columns = "run_uuid, name, status, start_time, end_time"
    where = "lifecycle_stage IS NULL OR lifecycle_stage != 'deleted'"
    for uuid, name, status, start, end in store.execute(
        f"SELECT {columns} FROM runs WHERE {where} LIMIT {MOST_RUNS}"
    ):
        run = runs[str(uuid)] = ForeignRun(path, str(uuid)[:64])
        _take_facts(run, name, status, start, end)
    for uuid, key, value in store.execute(f"SELECT run_uuid, key, value FROM params LIMIT {MOST_VALUES}"):
        if str(uuid) in runs:
            runs[str(uuid)].set({str(key): value})
    query = f"SELECT run_uuid, key, value, is_nan FROM metrics ORDER BY step, timestamp LIMIT {MOST_VALUES}"
    for uuid, key, value, is_nan in store.execute(query):
        if str(uuid) in runs:
            runs[str(uuid)].add(str(key)[:200], float("nan") if is_nan else value)
    return list(runs.values())
