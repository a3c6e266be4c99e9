"""The jobs of a sweep: composed, checked, each with a directory that the same job finds again."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from abreast.config.identity import is_data_path
from abreast.config.run_config import run_config
from abreast.config.run_id import run_ids
from abreast.config.types import Config
from abreast.errors import RunError
from abreast.runs.directory import RunDirectory

Position = tuple[int, int, bool]

START: Position = (0, 0, False)
MAX_NAME = 100  # characters of a directory's name before the run's id


@dataclass
class SweepJob:
    """A job of a sweep.

    Attributes:
        number: Its number in the sweep.
        overrides: Its overrides.
        config: Its composed config, with Hydra's part.
        run_config: The run's resolved config, without Hydra's part; None until the job was found valid.
        returned: How it ended.
        title: What sets it apart from the sweep's other jobs.
        id: The run's id.
        position: Where the training starts: the epoch, its mini-batches that are done, and whether the
            training was told to stop.
    """

    number: int
    overrides: list[str]
    config: DictConfig
    run_config: Config | None = None
    returned: JobReturn | None = None
    title: str = ""
    id: str = ""
    position: Position = START

    @property
    def name(self) -> str:
        """Its overrides, as one text."""
        return " ".join(filter_overrides(self.overrides))

    @property
    def directory(self) -> RunDirectory:
        """The run directory."""
        with hydra_config(self.config):
            sweep = self.config.hydra.sweep
            return RunDirectory(Path(str(sweep.dir)) / str(sweep.subdir))

    @property
    def is_resumed(self) -> bool:
        """Whether the training starts from a checkpoint."""
        return self.position != START


def compose(
    loader: ConfigLoader, sweep_config: DictConfig, overrides: Sequence[Sequence[str]], first: int
) -> list[SweepJob]:
    """Compose the jobs' configs; the jobs are numbered from `first` on."""
    jobs = []
    for number, job_overrides in enumerate(overrides, start=first):
        config = loader.load_sweep_config(sweep_config, list(job_overrides))
        with open_dict(config):
            config.hydra.job.id = str(number)
            config.hydra.job.num = number
        jobs.append(SweepJob(number, list(job_overrides), config))
    shared = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    for job in jobs:
        job.title = " ".join(item for item in filter_overrides(job.overrides) if item not in shared)
    return jobs


def is_valid(job: SweepJob, matmul_precision: str | None) -> bool:
    """Whether the job's config passes the checks; if so, sets `run_config`."""
    from abreast.validation.preflight import check

    with hydra_config(job.config):
        try:
            task = OmegaConf.masked_copy(job.config, [str(key) for key in job.config if key != "hydra"])
            check(task, job.config.hydra)
            job.run_config = run_config(task, job.config.hydra)
        except Exception:
            return False
    if matmul_precision is not None:
        job.run_config["matmul_precision"] = matmul_precision
    return True


def identify(jobs: Sequence[SweepJob]) -> None:
    """Set the id and the directory of each valid job, by which the same run is found again.

    The paths of data do not count as part of a run's id. A sweep over such paths asks for one run on each.
    """
    valid = [(job, run_ids(job.run_config), _paths(job.run_config)) for job in jobs if job.run_config]
    paths_of: dict[str, set[str]] = {}
    for _, ids, paths in valid:
        paths_of.setdefault(ids[0], set()).add(paths)
    for job, ids, paths in valid:
        if len(paths_of[ids[0]]) > 1:
            ids = tuple(hashlib.sha256(f"{id_} {paths}".encode()).hexdigest()[: len(id_)] for id_ in ids)
        job.id = ids[0]
        _name_directory(job, ids)


def _paths(config: Config) -> str:
    """Where a run's data are, as text."""
    data = config["data"]
    return repr(sorted((name, value) for name, value in data.items() if is_data_path(name, value)))


def _name_directory(job: SweepJob, ids: Sequence[str]) -> None:
    """Name the job's directory after its title and the run's id, by which the same run finds it again.

    A run that another kind of device has trained is the same run; `ids` are all that it may have.

    Only if its name would be the job's number, which may be another one when a sweep or search is resumed.
    """
    with hydra_config(job.config):
        folder, name = Path(str(job.config.hydra.sweep.dir)), Path(str(job.config.hydra.sweep.subdir))
    if name.name != str(job.number):
        return
    existing = _existing(folder / name.parent, ids)
    readable = re.sub(r"[^\w=.,+-]+", "_", job.title.replace(" ", ","))[:MAX_NAME].strip("_,.") or "run"
    directory = existing or f"{readable}_{job.id}"
    with read_write(job.config.hydra):
        job.config.hydra.sweep.subdir = str(name.parent / directory)


def _existing(folder: Path, ids: Sequence[str]) -> str | None:
    """The name of the directory of a run with one of the ids, the first that there is."""
    if not folder.is_dir():
        return None
    with os.scandir(folder) as entries:
        by_id = {entry.name.rpartition("_")[2]: entry.name for entry in entries}
    return next((by_id[id_] for id_ in ids if id_ in by_id), None)


def with_job_name(job: SweepJob, message: object) -> str:
    """The message, preceded by the job that it is about."""
    return f"Job {job.number} ({job.name}): {message}"


def failure_reason(job: SweepJob) -> str | None:
    """The first line of the error; None if the run did not fail. One that diverged did, if not as a job."""
    if job.returned is None:
        return None
    if job.returned.status == JobStatus.FAILED:
        error = job.returned._return_value
        return (
            (str(error).strip() or type(error).__name__).splitlines()[0].removeprefix(with_job_name(job, ""))
        )
    if job.returned.hydra_cfg is None or job.run_config is None:
        return None
    try:
        status = RunDirectory(Path(job.returned.hydra_cfg.hydra.runtime.output_dir)).read_status()
    except RunError:
        return None
    return str(status.get("reason")) if status["status"] == "failed" else None


@contextmanager
def hydra_config(config: DictConfig) -> Iterator[None]:
    """Resolve `${hydra:...}` from this config."""
    instance: Any = HydraConfig.instance()
    before = instance.cfg
    instance.cfg = config  # not by `set_config`, whose copy takes longer than all that is resolved here
    try:
        yield
    finally:
        instance.cfg = before
