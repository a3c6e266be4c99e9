"""Processes that train the runs of a stack side by side: each takes runs that wait when it has free lanes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import torch

from abreast.errors import Interrupted, LostProcessError
from abreast.runs.directory import RunDirectory
from abreast.runtime.fork_channel import Channel, Ended
from abreast.runtime.forked import CannotForkError, ForkedProcesses, can_fork, is_alone
from abreast.stacking.build import Job, Outcome
from abreast.stacking.grouping import largest_part
from abreast.stacking.lane import LaneState
from abreast.stacking.lane_progress import LaneProgress
from abreast.stacking.layout import cores
from abreast.stacking.options import Options
from abreast.stacking.progress import Progress, ProgressTable
from abreast.stacking.remote import Advance, CountWaiting, EndRun, PutBack, RemoteProgress, RemoteRuns, Take
from abreast.stacking.supply import LaneSupply

log = logging.getLogger(__name__)

LEAST_RUNS = 16  # of a process: 8 take 1.05 of the time of one process with all, 16 take 0.9, measured

Train = Callable[[LaneSupply, Progress], None]


def count_processes(runs: int, lanes: int, options: Options) -> int:
    """How many processes are to train the runs: those that were asked for, or as many as pay off.

    Args:
        runs: The runs.
        lanes: How many of them are trained at a time.
        options: How they are trained; threads that were asked for are not divided among processes.
    """
    if not can_fork():
        return 1
    if options.processes is not None:
        return min(options.processes, runs, lanes)
    if options.threads is not None or not is_alone():
        return 1
    return max(1, min(len(cores()), torch.get_num_threads(), runs // LEAST_RUNS, lanes))


def train_in_processes(supply: LaneSupply, jobs: Sequence[Job], count: int, train: Train) -> bool:
    """Train all runs that wait, in forked processes.

    Each run is what it would be in one process. Successive halving and searches compare lanes with each
    other, so that they need one process.

    Args:
        supply: Gives the runs, and keeps their outcomes.
        jobs: The runs.
        count: The processes.
        train: Trains all runs of a supply in one process, and shows its progress.

    Returns:
        Whether it was done: not for a single process, where the system allows no others, and where all have
            been killed while runs waited.

    Raises:
        Interrupted: A signal has stopped the processes, which have saved their runs.
        Exception: What stopped one of the processes; the others have trained theirs.
    """
    if count == 1:
        return False
    width = largest_part(-(-len(jobs) // count), max(1, supply.width // count))

    def work(channel: Channel) -> None:
        supply.waiting = RemoteRuns(jobs, channel)
        supply.width = width
        train(supply, RemoteProgress(channel))

    try:
        SharedRuns(supply, jobs).serve([work] * count)
    except CannotForkError as error:
        log.info("One process trains all runs, as no other could be forked: %s", error)
        return False
    except BaseException as error:
        supply.note_failure(error)
        raise
    return not supply.count_waiting


class SharedRuns:
    """Gives runs to processes, and shows their progress.

    Args:
        supply: Gives the runs, and keeps their outcomes.
        jobs: The runs.
    """

    def __init__(self, supply: LaneSupply, jobs: Sequence[Job]) -> None:
        self.supply = supply
        self.table = ProgressTable({job.directory: job.title for job in jobs}, self)
        self._jobs = {job.directory: job for job in jobs}
        self._taken: dict[int, set[Path]] = {}  # by the number of the process
        self._lanes: dict[int, Sequence[LaneProgress]] = {}
        self._ended_epoch: set[int] = set()  # since progress was shown
        self._error: BaseException | None = None

    @property
    def ends(self) -> Mapping[Path, LaneState]:
        """How runs have ended, by their directory."""
        return self.supply.ends

    @property
    def count_waiting(self) -> int:
        """How many runs wait, or are about to begin."""
        taken = {directory for directories in self._taken.values() for directory in directories}
        shown = {lane.directory for lanes in self._lanes.values() for lane in lanes}
        return self.supply.count_waiting + len(taken - shown)

    def serve(self, works: Sequence[Callable[[Channel], object]]) -> None:
        """Fork the processes, and serve them to their end."""
        with ForkedProcesses(works, self.table.close) as processes, closing(self.table):
            for number, message in processes.messages():
                match message:
                    case CountWaiting():
                        processes.answer(number, self.supply.count_waiting)
                    case Take():
                        processes.answer(number, self._take(number, message))
                    case PutBack():
                        self.supply.put_back(self._release(number, message.directory))
                    case EndRun():
                        self.supply.end_run(self._release(number, message.directory), message.outcome)
                    case Advance():
                        self._show(number, message)
                    case Ended():
                        self._end(number, message.raised(), is_stopping=processes.are_stopping)
        if self._error is not None:
            raise self._error

    def _take(self, number: int, message: Take) -> list[Path]:
        directories = [job.directory for job in self.supply.take(*message)]
        self._taken.setdefault(number, set()).update(directories)
        return directories

    def _release(self, number: int, directory: Path) -> Job:
        self._taken[number].remove(directory)
        return self._jobs[directory]

    def _show(self, number: int, message: Advance) -> None:
        if message.max_epochs is None:
            self.table.begin(message.lanes)
            return
        self._lanes[number] = message.lanes
        shown = [lane for lanes in self._lanes.values() for lane in lanes]
        if message.ends_epoch:
            self.table.note(message.lanes)
            self._ended_epoch.add(number)
        if self.table.is_due() or self._ended_epoch >= self._lanes.keys():
            self.table.draw([lane for lane in shown if lane.directory not in self.ends], message.max_epochs)
            self._ended_epoch.clear()

    def _end(self, number: int, error: BaseException | None, *, is_stopping: bool) -> None:
        """Note the end of a process, and of the runs that it has not ended itself."""
        self._lanes.pop(number, None)
        self._ended_epoch.discard(number)
        if isinstance(error, Interrupted | LostProcessError):
            how = "was told to stop" if isinstance(error, Interrupted) else str(error)
            for directory in () if is_stopping else [*self._taken.get(number, ())]:
                lost = f"the process that trained it {how}. To resume it, run the same command again"
                RunDirectory(directory).note_failure(LostProcessError(lost))
                self.supply.end_run(self._release(number, directory), Outcome(error=LostProcessError(lost)))
        elif self._error is None:
            self._error = error
