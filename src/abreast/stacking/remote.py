"""What a forked process trains runs with that wait in another process, which shows their progress."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from abreast.runtime.fork_channel import Channel
from abreast.runtime.portable import PackedError
from abreast.stacking.build import Job, Outcome
from abreast.stacking.lane import Lane
from abreast.stacking.lane_progress import LaneProgress
from abreast.stacking.progress import REFRESH_SECONDS, Trained
from abreast.stacking.waiting import Phase, WaitingRuns


class Take(NamedTuple):
    """Asks for the directories of the next runs, as `WaitingRuns.take`."""

    most: int
    at: Phase | None
    epochs: int


class CountWaiting(NamedTuple):
    """Asks how many runs wait."""


class PutBack(NamedTuple):
    """Lets a run wait again."""

    directory: Path


class EndRun(NamedTuple):
    """Tells how a run has ended."""

    directory: Path
    value: float | None
    error: PackedError | None
    not_stacked: str | None

    @property
    def outcome(self) -> Outcome:
        """How it has ended."""
        return Outcome(self.value, self.error and self.error.error(), self.not_stacked)


class Advance(NamedTuple):
    """Tells how far lanes are.

    Attributes:
        lanes: The lanes.
        max_epochs: The epochs of each; None before the first.
        ends_epoch: Whether they have ended an epoch.
    """

    lanes: Sequence[LaneProgress]
    max_epochs: int | None = None
    ends_epoch: bool = False


class RemoteRuns(WaitingRuns):
    """Runs that wait in another process.

    Args:
        jobs: All of them.
        channel: The way to that process.
    """

    def __init__(self, jobs: Sequence[Job], channel: Channel) -> None:
        super().__init__(())
        self._jobs = {job.directory: job for job in jobs}
        self._channel = channel

    def __len__(self) -> int:
        return cast(int, self._channel.ask(CountWaiting()))

    def take(self, count: int, at: Phase | None = None, epochs: int = 0) -> list[Job]:
        """The next runs."""
        directories = cast(list[Path], self._channel.ask(Take(count, at, epochs)))
        return [self._jobs[directory] for directory in directories]

    def put_back(self, job: Job) -> None:
        """Let a run that was taken wait again."""
        self._channel.tell(PutBack(job.directory))

    def end(self, job: Job, outcome: Outcome) -> None:
        """Tell how a run has ended."""
        error = PackedError.of(outcome.error)
        self._channel.tell(EndRun(job.directory, outcome.value, error, outcome.not_stacked))


class RemoteProgress:
    """Tells another process how far lanes are.

    Args:
        channel: The way to that process.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._told = time.perf_counter()

    def on_begin(self, lanes: Iterable[Lane]) -> None:
        """Tell that lanes begin."""
        self._channel.tell(Advance([*map(LaneProgress.of, lanes)]))

    def on_block_end(self, stack: Trained) -> None:
        """Tell it now and then."""
        if time.perf_counter() - self._told > REFRESH_SECONDS:
            self._tell(stack)

    def on_epoch_end(self, stack: Trained) -> None:
        """Tell it."""
        self._tell(stack, ends_epoch=True)

    def close(self) -> None:
        """Do nothing: the other process shows no more when this one has ended."""

    def _tell(self, stack: Trained, *, ends_epoch: bool = False) -> None:
        self._told = time.perf_counter()
        self._channel.tell(Advance([*map(LaneProgress.of, stack.lanes)], stack.max_epochs, ends_epoch))
