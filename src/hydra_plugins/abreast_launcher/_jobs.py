"""The jobs of a sweep: composed, checked, each with a directory that is found again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from abreast.config.run_config import run_config
from abreast.config.run_id import run_id
from abreast.errors import RunError
from abreast.runs.directory import RunDirectory

if TYPE_CHECKING:
    from hydra_plugins.abreast_launcher.launcher import AbreastLauncher

BEGINNING = (0, 0, False)
LONGEST = 100  # characters of a directory's name before the run's id


@dataclass
class SweepJob:
    """A job: its number, its overrides and its composed config; `plain` is the run's own part, resolved.

    `title` is what sets it apart from the others. `at` is where a run that was stopped goes on: the epoch,
    its mini-batches that are done, and whether it was to stop then.
    """

    number: int
    overrides: list[str]
    config: DictConfig
    plain: dict[str, Any] | None = None
    returned: JobReturn | None = None
    title: str = ""
    id: str = ""
    at: tuple[int, int, bool] = BEGINNING

    @property
    def name(self) -> str:
        """What was asked for."""
        return " ".join(filter_overrides(self.overrides))

    @property
    def directory(self) -> RunDirectory:
        """Where the run is kept."""
        with hydra_config(self.config):
            sweep = self.config.hydra.sweep
            return RunDirectory(Path(str(sweep.dir)) / str(sweep.subdir))


def compose(launcher: AbreastLauncher, overrides: Sequence[Sequence[str]], first: int) -> list[SweepJob]:
    """The jobs with their configs, numbered from `first` on."""
    assert launcher.hydra_context is not None
    assert launcher.config is not None
    jobs = []
    for number, own in enumerate(overrides, start=first):
        config = launcher.hydra_context.config_loader.load_sweep_config(launcher.config, list(own))
        with open_dict(config):
            config.hydra.job.id = str(number)
            config.hydra.job.num = number
        jobs.append(SweepJob(number, list(own), config))
    shared = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    for job in jobs:
        job.title = " ".join(each for each in filter_overrides(job.overrides) if each not in shared)
    return jobs


def is_sound(job: SweepJob, matmul_precision: str | None) -> bool:
    """Whether the job's config passes the checks; fills in `plain`, `id` and the directory."""
    from abreast.validation.preflight import check

    with hydra_config(job.config):
        try:
            task = OmegaConf.masked_copy(job.config, [str(key) for key in job.config if key != "hydra"])
            check(task, job.config.hydra)
            job.plain = run_config(task, job.config.hydra)
        except Exception:
            return False
    if matmul_precision is not None:
        job.plain["matmul_precision"] = matmul_precision
    job.id = run_id(job.plain)
    _place(job)
    return True


def _place(job: SweepJob) -> None:
    """Name the job's directory after what sets it apart and the run's id, which finds it again.

    Only where the number would be the name: numbers begin anew when a search is taken up again.
    """
    with hydra_config(job.config):
        folder, name = Path(str(job.config.hydra.sweep.dir)), Path(str(job.config.hydra.sweep.subdir))
    if name.name != str(job.number):
        return
    found = next((folder / name.parent).glob(f"*_{job.id}"), None)
    readable = re.sub(r"[^\w=.,+-]+", "_", job.title.replace(" ", ","))[:LONGEST].strip("_,.") or "run"
    own = found.name if found else f"{readable}_{job.id}"
    with read_write(job.config.hydra):
        job.config.hydra.sweep.subdir = str(name.parent / own)


def named(job: SweepJob, message: object) -> str:
    """The message with the job that it is about."""
    return f"Job {job.number} ({job.name}): {message}"


def why_failed(job: SweepJob) -> str | None:
    """The first line of what went wrong; a run that diverged has failed too, if not as a job."""
    if job.returned is None:
        return None
    if job.returned.status == JobStatus.FAILED:
        error = job.returned._return_value
        return (str(error).strip() or type(error).__name__).splitlines()[0].removeprefix(named(job, ""))
    if job.returned.hydra_cfg is None or job.plain is None:
        return None
    try:
        status = RunDirectory(Path(job.returned.hydra_cfg.hydra.runtime.output_dir)).read_status()
    except RunError:
        return None
    return str(status.get("reason")) if status["status"] == "failed" else None


@contextmanager
def hydra_config(config: DictConfig) -> Iterator[None]:
    """Let `${hydra:...}` be the job's own for a while."""
    instance: Any = HydraConfig.instance()
    before = instance.cfg
    instance.cfg = config  # not by `set_config`, whose copy takes longer than all that is asked for here
    try:
        yield
    finally:
        instance.cfg = before
