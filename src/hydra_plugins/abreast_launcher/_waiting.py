"""The jobs of a group that wait for a lane: Hydra hears of each when it begins and when it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from abreast.runtime.job_progress import reported
from abreast.stacking.build import Job, Outcome
from abreast.stacking.waiting import Phase, WaitingRuns
from hydra_plugins.abreast_launcher._hydra_jobs import HydraJobs
from hydra_plugins.abreast_launcher._jobs import SweepJob


class WaitingJobs(WaitingRuns):
    """Begins jobs as they are taken, and ends them.

    Args:
        jobs: The runs of the jobs.
        sweep_jobs: The jobs, in the same order.
        hydra: Begins and ends them.
        stops: Whether none is begun after one has failed.

    Attributes:
        ended: Directories of the runs that have ended, but for those that have to be trained individually.
    """

    def __init__(
        self, jobs: Sequence[Job], sweep_jobs: Sequence[SweepJob], hydra: HydraJobs, *, stops: bool
    ) -> None:
        super().__init__(jobs)
        self.hydra = hydra
        self.stops = stops
        self.ended: set[Path] = set()
        self._failed = False
        self._sweep_jobs = {job.directory: of_sweep for job, of_sweep in zip(jobs, sweep_jobs, strict=True)}

    def __len__(self) -> int:
        return 0 if self.stops and self._failed else super().__len__()

    def take(self, count: int, at: Phase | None = None, epochs: int = 0) -> list[Job]:
        """As the runs are taken, create their directories."""
        jobs = super().take(count, at, epochs) if len(self) else []
        for job in reported(jobs, "Created the directories of"):
            self.hydra.begin(self._sweep_jobs[job.directory])
        return jobs

    def sweep_job(self, job: Job) -> SweepJob:
        """The job of a run."""
        return self._sweep_jobs[job.directory]

    def left(self) -> list[SweepJob]:
        """The jobs that have not ended."""
        return [job for directory, job in self._sweep_jobs.items() if directory not in self.ended]

    def add(self, job: Job, sweep_job: SweepJob) -> None:
        """Let another job wait."""
        self._sweep_jobs[job.directory] = sweep_job
        self.ended.discard(job.directory)  # where it continues
        self.put(job)

    def end(self, job: Job, outcome: Outcome) -> None:
        """End the job, unless the run has to be trained individually."""
        if outcome.not_stacked is None:
            self.hydra.end(self._sweep_jobs[job.directory], outcome.value, outcome.error)
            self.ended.add(job.directory)
            self._failed |= outcome.error is not None
