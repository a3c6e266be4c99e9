"""The jobs of a sweep: composed, checked, each with a directory that the same job finds again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from omegaconf import DictConfig, read_write

from abreast.config.identity import is_data_path
from abreast.config.run_config import finished_config, run_config, task_part
from abreast.config.run_id import run_ids
from abreast.config.sweep_template import PlainJob
from abreast.config.types import Config
from abreast.errors import RunError, first_line
from abreast.runs.directory import RunDirectory
from abreast.runtime.directory_name import run_directory_name, shortened
from abreast.runtime.job_progress import reported
from abreast.validation.preflight import check, check_plain, hydra_config
from hydra_plugins.abreast_launcher._composing import Composer, plain_directory

Position = tuple[int, int, bool]

START: Position = (0, 0, False)


@dataclass
class SweepJob:
    """A job of a sweep.

    Attributes:
        number: Its number in the sweep.
        overrides: Its overrides.
        composer: Composes its config.
        plain: Its config as plain data; None where only Hydra can compose it.
        sweep_dir: The directory of the sweep.
        subdir: The name of its directory there.
        run_config: The run's resolved config, without Hydra's part; None until the job was found valid.
        returned: How it ended.
        title: What sets it apart from the sweep's other jobs.
        id: The run's id.
        composed: Its composed config, with Hydra's part, where only Hydra can compose it.
        position: Where the training starts: the epoch, its mini-batches that are done, and whether the
            training was told to stop.
        joined: Epochs that a search's stacks had trained when it began, or would have begun.
        promoted: The rung of successive halving from which a search lets it continue; 0 for none.
        peers: The jobs that successive halving compares it with, itself among them.
    """

    number: int
    overrides: list[str]
    composer: Composer
    plain: PlainJob | None
    sweep_dir: str
    subdir: str
    run_config: Config | None = None
    returned: JobReturn | None = None
    title: str = ""
    id: str = ""
    position: Position = START
    composed: DictConfig | None = None
    joined: int = 0
    promoted: int = 0
    peers: Sequence[SweepJob] = ()

    @property
    def name(self) -> str:
        """Its overrides, as one text."""
        return " ".join(filter_overrides(self.overrides))

    @property
    def directory(self) -> RunDirectory:
        """The run directory."""
        return RunDirectory(Path(self.sweep_dir) / self.subdir)

    @property
    def config(self) -> DictConfig:
        """Its composed config, with Hydra's part; composed each time, as thousands would take memory."""
        config = self.composed or self.composer.composed(self.overrides, self.number)
        with read_write(config.hydra):
            config.hydra.sweep.subdir = self.subdir
        return config

    @property
    def is_resumed(self) -> bool:
        """Whether the training starts from a checkpoint."""
        return self.position != START


def compose(composer: Composer, overrides: Sequence[Sequence[str]], first: int) -> list[SweepJob]:
    """Compose the jobs; they are numbered from `first` on."""
    jobs = []
    for number, job_overrides in enumerate(reported(overrides, "Composed"), start=first):
        plain, config = composer.plain(job_overrides), None
        if plain is not None:
            folder, name = plain_directory(plain, number)
        else:
            config = composer.composed(job_overrides, number)
            with hydra_config(config):
                folder, name = str(config.hydra.sweep.dir), str(config.hydra.sweep.subdir)
        name = str(shortened(name))
        jobs.append(SweepJob(number, list(job_overrides), composer, plain, folder, name, composed=config))
    shared = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    for job in jobs:
        job.title = " ".join(item for item in filter_overrides(job.overrides) if item not in shared)
    return jobs


Checked = dict[str, list[str]]  # messages by what was checked


def is_valid(job: SweepJob, matmul_precision: str | None, checked: Checked) -> bool:
    """Whether the job's config passes the checks (`why_invalid`)."""
    return why_invalid(job, matmul_precision, checked) is None


def why_invalid(job: SweepJob, matmul_precision: str | None, checked: Checked) -> str | None:
    """What is wrong with the job's config; None if it passes the checks, which sets `run_config`.

    Args:
        job: The job.
        matmul_precision: Takes the place of the config's; None to keep that.
        checked: What was found in parts that jobs have in common; new ones are added.
    """
    try:
        job.run_config = _checked_plain(job.plain, checked) if job.plain else _checked_whole(job.config)
    except Exception as error:
        return str(error) or type(error).__name__
    if matmul_precision is not None:
        job.run_config["matmul_precision"] = matmul_precision
    return None


def _checked_plain(plain: PlainJob, checked: Checked) -> Config:
    task, hydra = plain.task, plain.hydra
    check_plain(task, hydra, checked)
    return finished_config(task, hydra["runtime"]["choices"])


def _checked_whole(config: DictConfig) -> Config:
    with hydra_config(config):
        task = task_part(config)
        check(task, config.hydra)
        return run_config(task, config.hydra)


def identify(jobs: Sequence[SweepJob]) -> None:
    """Set the id and the directory of each valid job, by which the same run is found again.

    The paths of data do not count as part of a run's id. A sweep over such paths asks for one run on each.
    """
    valid = [(job, run_ids(job.run_config), _paths(job.run_config)) for job in jobs if job.run_config]
    paths_of: dict[str, set[str]] = {}
    listings: Listings = {}
    for _, ids, paths in valid:
        paths_of.setdefault(ids[0], set()).add(paths)
    for job, ids, paths in valid:
        if len(paths_of[ids[0]]) > 1:
            ids = tuple(hashlib.sha256(f"{id_} {paths}".encode()).hexdigest()[: len(id_)] for id_ in ids)
        job.id = ids[0]
        _name_directory(job, ids, listings)


def _paths(config: Config) -> str:
    """Where a run's data are, as text."""
    data = config["data"]
    return repr(sorted((name, value) for name, value in data.items() if is_data_path(name, value)))


Listings = dict[Path, dict[str, str]]  # by folder: the names of its directories by the ids they end in


def _name_directory(job: SweepJob, ids: Sequence[str], listings: Listings) -> None:
    """Name the job's directory after its title and the run's id, by which the same run finds it again.

    A run that another kind of device has trained is the same run; `ids` are all that it may have.

    Only if its name would be the job's number, which may be another one when a sweep or search is resumed.
    """
    folder, name = Path(job.sweep_dir), Path(job.subdir)
    if name.name != str(job.number):
        return
    parent = folder / name.parent
    if parent not in listings:
        listings[parent] = _by_id(parent)
    existing = next((listings[parent][id_] for id_ in ids if id_ in listings[parent]), None)
    job.subdir = str(name.parent / (existing or run_directory_name(job.title, job.id)))


def _by_id(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        return {entry.name.rpartition("_")[2]: entry.name for entry in entries}


def with_job_name(job: SweepJob, message: object) -> str:
    """The message, preceded by the job that it is about."""
    return f"Job {job.number} ({job.name}): {message}"


def failure_reason(job: SweepJob) -> str | None:
    """The first line of the error; None if the run did not fail. One that diverged did, if not as a job."""
    if job.returned is None:
        return None
    if job.returned.status == JobStatus.FAILED:
        error = job.returned._return_value
        return first_line(error).removeprefix(with_job_name(job, ""))
    if job.run_config is None:
        return None
    try:
        status = job.directory.read_status()
    except RunError:
        return None
    return str(status.get("reason")) if status["status"] == "failed" else None
