"""MLflow, one run of an experiment for each run directory, also for many at once in one process."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.utilities import rank_zero_only

from abreast.loggers.run_logger import Ending
from abreast.loggers.tracker import Row, Tracker
from abreast.runs.tracker_id import tracker_id
from abreast.runtime.directory_lock import locked

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

TAG = "abreast.run"  # holds the run's id
DIRECTORY = "abreast.directory"
MOST_METRICS, MOST_PARAMS, MOST_CHARACTERS = 1000, 100, 250  # of a call, and of a parameter
MAKING_SECONDS = 300.0  # for a database, at most
STATUS: Mapping[Ending, str] = {
    "finished": "FINISHED",
    "dropped": "KILLED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}
_client_lock = threading.Lock()  # SQLite has one writer at a time, and the lanes of a stack many threads

log = logging.getLogger(__name__)


class MLflow(Tracker, MLFlowLogger):
    """Lightning's logger for a run that is resumed, or trained beside others in one process.

    Each run's directory has one MLflow run, tagged with the directory and the id in it. A run that restarts
    from scratch deletes the unfinished one that it replaces; `mlflow gc` is what removes it for good.

    Args:
        run_dir: The run's directory.
        save_dir: Where files are written without a `tracking_uri`.
        experiment_name: The experiment, which is made if there is none.
        run_name: The run's name; None for that of its directory.
        tracking_uri: The store or server, such as `sqlite:///mlflow.db`.
        tags: Further tags of the run.
        log_model: Whether the checkpoints of a finished run are logged as artifacts.
        prefix: What the names of metrics begin with.
        artifact_location: Where a new experiment keeps artifacts.
    """

    def __init__(
        self,
        run_dir: str,
        save_dir: str = "./mlruns",
        experiment_name: str = "abreast",
        run_name: str | None = None,
        tracking_uri: str | None = None,
        tags: dict[str, Any] | None = None,
        log_model: bool | Literal["all"] = False,
        prefix: str = "",
        artifact_location: str | None = None,
    ) -> None:
        _prepare_mlflow()
        uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        with _store_lock(uri):
            super().__init__(
                experiment_name=experiment_name,
                tracking_uri=uri,
                tags=tags,
                save_dir=save_dir,
                log_model=log_model,
                prefix=prefix,
                artifact_location=artifact_location,
            )
        self._begin(run_dir)
        self._run_name = run_name or self.run_dir.absolute().name
        self._logged: dict[str, int] = {}  # the last step of each metric that an earlier process logged

    @property
    @rank_zero_experiment
    def experiment(self) -> MlflowClient:
        """The client, once the run was begun or continued."""
        if not self._initialized:
            with _client_lock:
                self._open()
        return self._mlflow_client

    def _open(self) -> None:
        client = self._mlflow_client
        self._experiment_id = _experiment(client, self._experiment_name, self._artifact_location)
        identity, is_new = tracker_id(self.run_dir)
        earlier = [] if is_new else client.search_runs([self._experiment_id], f"tags.`{TAG}` = '{identity}'")
        if earlier and self._resumed_at is not None:
            self._continue(earlier[0])
        else:
            for run in earlier:
                if run.info.status != STATUS["finished"]:
                    client.delete_run(run.info.run_id)
            self._create(identity)
        self._initialized = True

    def _continue(self, run: Run) -> None:
        self._run_id = run.info.run_id
        self._mlflow_client.update_run(self._run_id, status="RUNNING")
        self._logged = {
            name: max(metric.step for metric in self._mlflow_client.get_metric_history(self._run_id, name))
            for name in run.data.metrics
        }

    def _create(self, identity: str) -> None:
        from mlflow.tracking.context.registry import resolve_tags

        tags = {TAG: identity, DIRECTORY: str(self.run_dir.absolute()), **(self.tags or {})}
        run = self._mlflow_client.create_run(
            self._experiment_id, tags=resolve_tags(tags), run_name=self._run_name
        )
        self._run_id = run.info.run_id

    def _send(self, rows: Mapping[int, Row]) -> None:
        from mlflow.entities import Metric

        client = self.experiment
        metrics = (
            Metric(self._name(name), value, int(row.time * 1000), step)
            for step, row in rows.items()
            for name, value in row.values.items()
        )
        new = (metric for metric in metrics if metric.step > self._logged.get(metric.key, -1))
        for part in _parts(new, MOST_METRICS):
            with _client_lock:
                client.log_batch(self._run_id, metrics=part)

    def _name(self, name: str) -> str:
        prefixed = f"{self._prefix}{self.LOGGER_JOIN_CHAR}{name}" if self._prefix else name
        return re.sub("[^a-zA-Z0-9_/. -]+", "", prefixed)

    @rank_zero_only
    def log_hyperparams(self, params: Mapping[str, Any]) -> None:  # type: ignore[override]
        """Log the hyperparameters, of a lengthened run those that are new: MLflow changes none."""
        from mlflow.entities import Param

        client = self.experiment
        texts = {name: str(value)[:MOST_CHARACTERS] for name, value in params.items()}
        with _client_lock:
            kept = {} if self._resumed_at is None else client.get_run(self._run_id).data.params
            changed = [name for name in texts if kept.get(name, texts[name]) != texts[name]]
            if changed:
                log.warning("MLflow keeps the first values of %s of %s", ", ".join(changed), self.run_dir)
            new = (Param(name, text) for name, text in texts.items() if name not in kept)
            for part in _parts(new, MOST_PARAMS):
                client.log_batch(self._run_id, params=part)

    def _close(self, ending: Ending) -> None:
        if self._initialized:
            with _client_lock:
                self._mlflow_client.set_terminated(self._run_id, STATUS[ending])


def _experiment(client: MlflowClient, name: str, artifact_location: str | None) -> str:
    """The id of the experiment, which is made if there is none."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifact_location))
        except MlflowException:  # another process has made it meanwhile
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    return str(experiment.experiment_id)


def _parts(items: Iterable[Any], most: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while part := list(islice(iterator, most)):
        yield part


def _store_lock(uri: str | None) -> AbstractContextManager[None]:
    """Keep other processes of this machine out while a database is made: MLflow makes it in many steps."""
    if uri is None or not uri.startswith("sqlite:"):
        return nullcontext()
    path = Path(uri.removeprefix("sqlite:///")).absolute()
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return locked(Path(tempfile.gettempdir()) / f"abreast-mlflow-{digest}", MAKING_SECONDS)


def _prepare_mlflow() -> None:
    """Have MLflow say nothing to the terminal, and send nothing to its makers."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
