"""The lanes of a group's runs: each begins when it is its turn, and its outcome is kept when it has ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lightning.pytorch.loggers import Logger

from abreast.build.changed_data import ChangedDataError
from abreast.errors import DivergedError, disk_error
from abreast.loggers.run_logger import loggers_closed
from abreast.metrics.objective import objective, worst
from abreast.runs.directory import RunDirectory
from abreast.stacking.build import Job, NotStackableError, Outcome, lane_builder
from abreast.stacking.finish import finish_lanes, measure_between_epochs
from abreast.stacking.lane import Lane, LaneState
from abreast.stacking.layout import write_each
from abreast.stacking.waiting import Phase, WaitingRuns

_Start = tuple[RunDirectory, Job, Outcome]


class LaneSupply:
    """Makes lanes of the runs that wait for one.

    Args:
        jobs: The runs that are known.
        waiting: Gives them in their order, and perhaps others.
        width: The most lanes at a time.

    Attributes:
        outcomes: How runs ended, by their directory.
        loggers: The loggers of lanes that have not ended.
        titles: What sets each lane apart, by its directory.
        ends: How runs ended that are no lanes any more, by their directory; without those that have to be
            trained individually.
    """

    def __init__(self, jobs: Sequence[Job], waiting: WaitingRuns, width: int) -> None:
        self.waiting = waiting
        self.width = width
        self.outcomes: dict[Path, Outcome] = {}
        self.loggers: list[Logger] = []
        self.titles: dict[Path, str] = {}
        self.ends: dict[Path, LaneState] = {}
        self._begun: dict[Path, Job] = {}  # and not ended
        self._builder = lane_builder(jobs, width, is_open=waiting.is_open)

    @property
    def count_waiting(self) -> int:
        """How many runs wait."""
        return len(self.waiting)

    def first(self) -> list[Lane]:
        """The lanes of a new stack."""
        jobs = self.take(self.width)
        self._builder.count = max(1, len(jobs))
        return self._lanes(jobs)

    def successors(self, ended: Sequence[Lane], count: int, epochs: int, shortest: int) -> list[Lane] | None:
        """Finish lanes, and give at most `count` others in their places, which begin an epoch.

        Args:
            ended: Lanes that have ended.
            count: The most lanes to give.
            epochs: Epochs that the stack has trained.
            shortest: Mini-batches that their epochs have at least.

        Returns:
            The new lanes; None if no run waits, and none that may come depends on how the others ended.
        """
        if not len(self.waiting) and not (self.waiting.is_open and ended):
            return None
        loggers = [logger for lane in ended for logger in lane.loggers]
        with loggers_closed(loggers):
            finish_lanes(ended, measure_between_epochs)
        for logger in loggers:
            self.loggers.remove(logger)
        self.end(ended)
        lanes: list[Lane] = []
        shorter: list[Job] = []
        while jobs := self.take(count - len(lanes), (0, 0), epochs):
            fit = [self._batches(job) >= shortest for job in jobs]
            shorter += [job for job, fits in zip(jobs, fit, strict=True) if not fits]
            lanes += self._lanes([job for job, fits in zip(jobs, fit, strict=True) if fits])
        for job in reversed(shorter):
            self.put_back(job)
        return lanes

    def take(self, count: int, at: Phase | None = None, epochs: int = 0) -> list[Job]:
        """The next runs, as `WaitingRuns` gives them; each is to be put back or ended."""
        jobs = self.waiting.take(count, at, epochs)
        self._begun |= {job.directory: job for job in jobs}
        return jobs

    def put_back(self, job: Job) -> None:
        """Let a run that was taken wait again."""
        del self._begun[job.directory]
        self.waiting.put_back(job)

    def _batches(self, job: Job) -> float:
        """Mini-batches in the run's epoch; infinity if its data cannot be built, as its lane will not."""
        with suppress(Exception):
            return self._builder.data.of(job.cfg).batches_per_epoch
        return float("inf")

    def _lanes(self, jobs: Sequence[Job]) -> list[Lane]:
        """The lanes of runs; those that cannot be stacked, or fail, end here."""
        began = time.perf_counter()
        starts = [(RunDirectory(job.directory), job, Outcome()) for job in jobs]
        write_each(_write_start, starts)
        lanes: list[Lane] = []
        for directory, job, outcome in starts:
            lane = None if outcome.error is not None else self._build(len(lanes), job, directory, outcome)
            if lane is None:
                self.end_run(job, outcome)
                continue
            lane.began, lane.joined = began, job.joined
            self.loggers.extend(lane.loggers)
            self.titles[job.directory] = job.title
            self.ends.pop(job.directory, None)
            lanes.append(lane)
        return lanes

    def _build(self, number: int, job: Job, directory: RunDirectory, outcome: Outcome) -> Lane | None:
        try:
            return self._builder.build(number, job, directory)
        except NotStackableError as reason:
            outcome.not_stacked = str(reason)
        except ChangedDataError as error:  # once its data are back, it can be resumed
            outcome.error = error
            directory.write_status("interrupted")
        except Exception as error:
            outcome.error = error
            directory.write_failure(error)
        return None

    def end(self, lanes: Sequence[Lane]) -> None:
        """Keep the outcomes of lanes, whose results are written."""
        for lane in lanes:
            outcome = Outcome(error=lane.error)
            if lane.error is None:
                outcome.value = objective(lane.cfg, lane.directory.read_result()["metrics"])
            elif isinstance(lane.error, DivergedError):
                outcome.value = worst(lane.cfg)
            self.end_run(self._begun[lane.directory.path], outcome)
            self.ends[lane.directory.path] = lane.state

    def end_run(self, job: Job, outcome: Outcome) -> None:
        """Keep the outcome of a run that was taken."""
        del self._begun[job.directory]
        self.outcomes[job.directory] = outcome
        if outcome.not_stacked is None:
            self.ends[job.directory] = "stopped" if outcome.error is None else "failed"
        self.waiting.end(job, outcome)

    def give_up(self, reason: NotStackableError) -> None:
        """End all runs that have not: they have to be trained individually."""
        while len(self.waiting):
            self.take(self.width)
        for job in list(self._begun.values()):
            self.end_run(job, Outcome(not_stacked=str(reason)))

    def note_failure(self, error: BaseException) -> None:
        """Write down what stops all runs that have begun."""
        for path in self._begun:
            RunDirectory(path).note_failure(error)


def _write_start(start: _Start) -> None:
    directory, job, outcome = start
    try:
        directory.write_config(job.cfg)
        directory.write_status("running")
    except OSError as error:
        outcome.error = disk_error(error, directory.path) or error
