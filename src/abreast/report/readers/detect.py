"""Which reader reads a file or a folder, told by what it holds."""

from __future__ import annotations

from pathlib import Path

from abreast.errors import RunError
from abreast.report.readers.csv_files import read_csv, read_csv_folder
from abreast.report.readers.foreign_run import ForeignRun
from abreast.report.readers.json_runs import is_json, read_json_file, read_json_folder
from abreast.report.readers.mlflow import is_database, is_store, read_mlflow_database, read_mlflow_files
from abreast.report.readers.table_text import KINDS as KINDS_OF_TABLES
from abreast.report.readers.table_text import is_table
from abreast.report.readers.tensorboard import EVENTS, read_tensorboard
from abreast.report.readers.wandb import PATTERN, read_wandb
from abreast.suggestions import listed

DATABASES = ("mlflow.db", "mlruns.db")
KINDS = ("MLflow", "Weights & Biases", "CSV", "JSON", "TensorBoard")


def read_foreign(path: Path, metric: str | None = None) -> tuple[str, list[ForeignRun]]:
    """Read the runs of a file or a folder.

    Args:
        path: A table, an SQLite database, or a folder.
        metric: The metric that was asked for: a column of this name is a result, whatever else it is.

    Returns:
        What was read, such as `TensorBoard`, and the runs; none if there are none.

    Raises:
        RunError: A file is not what it should be.
    """
    if path.is_file():
        if is_database(path):
            return "MLflow", read_mlflow_database(path)
        if not is_table(path):
            raise RunError(
                f"{path}: neither a table ({KINDS_OF_TABLES}) nor a database of MLflow. Give one, such as a "
                "sheet saved as CSV, or a folder of runs"
            )
        if is_json(path):
            return read_json_file(path, metric)
        return "CSV", read_csv(path, metric)
    if is_store(path):
        return "MLflow", read_mlflow_files(path)
    if any(path.rglob(PATTERN)):
        return "Weights & Biases", read_wandb(path)
    if any(path.rglob(EVENTS)):
        return "TensorBoard", read_tensorboard(path)
    for name in DATABASES:
        if is_database(path / name):
            return "MLflow", read_mlflow_database(path / name)
    runs = read_csv_folder(path, metric)
    return ("CSV", runs) if runs else ("JSON", read_json_folder(path, metric))


def kinds() -> str:
    """What can be read, for messages."""
    return listed(KINDS)
