"""The runs of a group that wait for a lane of its stack."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from abreast.stacking.build import Job, Outcome

Phase = tuple[int, int]


def phase(job: Job) -> Phase:
    """What must be equal for runs that can be trained side by side from where they continue.

    Lanes may be at different epochs, but they begin each together and validate together: equal are the
    mini-batches that are done of the epoch, and the epochs since the last validation. Runs that end within an
    epoch must be at one epoch.
    """
    epoch, batches = job.position
    trainer = job.cfg["trainer"]
    if trainer.get("max_steps", -1) != -1:
        return epoch, batches
    return epoch % (trainer.get("check_val_every_n_epoch") or 1), batches


class Reached(NamedTuple):
    """A run that has reached a rung of successive halving.

    Attributes:
        directory: Its directory.
        rung: Epochs that it has trained.
        cost: What it is compared by, the lower the better; None if nothing was measured.
    """

    directory: Path
    rung: int
    cost: float | None


class WaitingRuns:
    """Runs that could be lanes of one stack, in the order in which they get one.

    Those that an earlier process has begun come first.

    Attributes:
        is_open: Whether more runs may come than are known.
        rungs: Epochs after which runs are compared with all others that have come as far.
    """

    is_open = False
    rungs: Sequence[int] = ()

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._by_phase: dict[Phase, deque[Job]] = {}
        for job in sorted(jobs, key=lambda job: job.position == (0, 0)):
            self._by_phase.setdefault(phase(job), deque()).append(job)

    def __len__(self) -> int:
        return sum(map(len, self._by_phase.values()))

    def take(self, count: int, at: Phase | None = None, epochs: int = 0) -> list[Job]:
        """The next runs, at most `count`.

        Args:
            count: The most runs.
            at: Their phase; None for that of the first run, in a new stack.
            epochs: Epochs that the stack has trained.
        """
        if at is None:
            at = next((at for at, jobs in self._by_phase.items() if jobs), (0, 0))
        jobs = self._by_phase.get(at, deque[Job]())
        return [jobs.popleft() for _ in range(min(count, len(jobs)))]

    def put(self, job: Job) -> None:
        """Let another run wait, after all others."""
        self._by_phase.setdefault(phase(job), deque()).append(job)

    def put_back(self, job: Job) -> None:
        """Let a run that was taken wait again."""
        self._by_phase[phase(job)].appendleft(job)

    def reach(self, reached: Sequence[Reached], epochs: int) -> Mapping[Path, str]:
        """Compare runs that have reached a rung.

        Args:
            reached: The runs.
            epochs: Epochs that the stack has trained.

        Returns:
            The directories of those that are to be dropped, with their rank in words.
        """
        return {}

    def end(self, job: Job, outcome: Outcome) -> None:
        """Note how a run ended, as soon as it is known."""
