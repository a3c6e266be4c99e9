"""What experiment trackers hold of a run, read back with their own packages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from abreast.report.readers.wandb import MOST_BYTES, _records
from abreast.runs.small_file import read_bytes

History = dict[str, list[tuple[int, float]]]


@dataclass
class Logged:
    """A run of a tracker.

    Attributes:
        history: The steps and values of each metric, in the order of logging.
        params: The hyperparameters.
        tags: The tags, but for those that differ between any two runs; of W&B the project.
        artifacts: The names of files.
    """

    id: str
    name: str
    status: str
    history: History
    params: dict[str, Any]
    tags: dict[str, str]
    artifacts: list[str]

    @property
    def content(self) -> dict[str, Any]:
        """What does not depend on the run's directory."""
        return {key: value for key, value in vars(self).items() if key not in ("id", "name")}


def read_mlflow(store: str) -> dict[str, Logged]:
    """The runs of a store by the names of their directories; a name must not occur twice."""
    client: Any = import_module("mlflow.tracking").MlflowClient(store)
    logged: dict[str, Logged] = {}
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    for run in client.search_runs(experiments):
        tags = dict(run.data.tags)
        directory = Path(tags.pop("abreast.directory"))
        name = f"{directory.parent.name}/{directory.name}"
        assert name not in logged
        points = {key: client.get_metric_history(run.info.run_id, key) for key in sorted(run.data.metrics)}
        files = [
            file.path
            for folder in client.list_artifacts(run.info.run_id)
            for file in client.list_artifacts(run.info.run_id, folder.path)
        ]
        logged[name] = Logged(
            id=tags.pop("abreast.run"),
            name=tags.pop("mlflow.runName"),
            status=run.info.status,
            history={key: [(it.step, it.value) for it in values] for key, values in points.items()},
            params=dict(run.data.params),
            tags=tags,
            artifacts=sorted(files),
        )
    return logged


def read_wandb(directory: Path) -> Logged:
    """The one offline run in a run's directory."""
    record_type = import_module("wandb.proto.wandb_internal_pb2").Record
    (path,) = directory.glob("wandb/offline-run-*/*.wandb")
    logged = Logged("", "", "running", {}, {}, {}, [])
    for content in _records(read_bytes(path, MOST_BYTES), path):
        record: Any = record_type.FromString(content)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            logged.id, logged.name = record.run.run_id, record.run.display_name
            logged.tags = {"project": record.run.project}
        elif kind == "history":
            row = {
                item.key or ".".join(item.nested_key): json.loads(item.value_json)
                for item in record.history.item
            }
            for key in row.keys() - {"_timestamp", "_runtime", "_step"}:
                logged.history.setdefault(key, []).append((row["_step"], row[key]))
        elif kind == "config":
            values = {item.key: json.loads(item.value_json) for item in record.config.update}
            logged.params.update({key: value for key, value in values.items() if key != "_wandb"})
        elif kind == "exit":
            logged.status = "failed" if record.exit.exit_code else "finished"
    return logged
