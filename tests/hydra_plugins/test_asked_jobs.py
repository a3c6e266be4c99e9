"""The jobs of a search's stack: when each becomes a lane, and when others are asked for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from abreast.stacking.build import Outcome
from abreast.stacking.waiting import Reached
from hydra_plugins.abreast_launcher._asked import _first_lanes
from hydra_plugins.abreast_launcher._asked_jobs import AskedJobs
from hydra_plugins.abreast_launcher._jobs import SweepJob
from support.helpers import compose

CONFIG = compose("data=random")


def job(number: int, joined: int = 0, epoch: int = 0, batches: int = 0, **more: Any) -> SweepJob:
    config = {**CONFIG, "trainer": {**CONFIG["trainer"], "check_val_every_n_epoch": more.pop("every", 1)}}
    position = (epoch, batches, False)
    return SweepJob(
        number,
        [],
        None,
        None,
        "/sweep",
        str(number),
        config,
        position=position,
        joined=joined,
        **more,  # type: ignore[arg-type]
    )


class Asking:
    """A search that gives the next number, and notes when it was asked."""

    def __init__(self, left: int = 99, latest: int = 0, every: int = 1) -> None:
        self.left, self.latest, self.every = left, latest, every
        self.asked: list[tuple[int, int]] = []
        self.told: list[tuple[int, int]] = []
        self.moved: list[tuple[int, int]] = []
        self.reached: list[tuple[int, int, float]] = []

    def ask(self, count: int, clock: int) -> list[SweepJob]:
        self.asked.append((min(count, self.left), clock))
        count, self.left = min(count, self.left), max(0, self.left - count)
        return [job(100 + len(self.asked) * 10 + number, clock, every=self.every) for number in range(count)]

    def tell(self, sweep_job: SweepJob, clock: int) -> None:
        self.told.append((sweep_job.number, clock))

    def joins(self, number: int, joined: int) -> None:
        self.moved.append((number, joined))

    def reach(self, arrivals: Any, clock: int) -> dict[int, str]:
        self.reached += [(arrival.number, arrival.rung, arrival.cost) for arrival in arrivals]
        return {arrival.number: "last" for arrival in arrivals if arrival.cost > 0}


def asked_jobs(search: Any, *jobs: SweepJob, rungs: tuple[int, ...] = ()) -> AskedJobs:
    hydra: Any = SimpleNamespace(begin=lambda job: None, end=lambda *arguments: None)
    return AskedJobs(jobs, search, search.ask, search.tell, hydra, rungs)


def numbers(jobs: Any) -> list[int]:
    return [int(job.directory.name) for job in jobs]


def test_free_lanes_are_asked_for_by_the_epochs_trained() -> None:
    search = Asking()
    waiting = asked_jobs(search, job(0), job(1))
    assert numbers(waiting.take(2)) == [0, 1]
    assert search.asked == []
    jobs = waiting.take(1, (0, 0), 5)
    assert (search.asked, [job.joined for job in jobs]) == ([(1, 5)], [5])
    waiting.end(jobs[0], Outcome(value=1.0))
    assert search.told == [(110, 5)]


def test_resumed_jobs_join_at_their_epoch_and_only_then_others_are_asked_for() -> None:
    search = Asking(latest=9)
    waiting = asked_jobs(search, job(0, epoch=7))
    waiting.admit(job(1, joined=8))
    waiting.admit(job(2, joined=5, epoch=4))
    assert numbers(waiting.take(3)) == [0]
    assert numbers(waiting.take(2, (0, 0), 8)) == [1]
    assert search.asked == []  # one is still to come
    assert numbers(waiting.take(2, (0, 0), 9)) == [2, 110]
    assert search.asked == [(1, 9)]


def test_nothing_is_asked_before_the_latest_event() -> None:
    search = Asking(latest=9)
    waiting = asked_jobs(search, job(0, epoch=7))
    assert numbers(waiting.take(2)) == [0]
    assert waiting.take(1, (0, 0), 8) == []
    assert numbers(waiting.take(1, (0, 0), 9)) == [110]


def test_what_an_interrupted_filling_left_out_is_asked_for_at_once() -> None:
    search = Asking(latest=7)
    assert numbers(asked_jobs(search, job(0, epoch=7)).take(2)) == [0, 110]
    within = Asking(latest=7)
    assert numbers(asked_jobs(within, job(0, epoch=7, batches=3)).take(2)) == [0]
    assert within.asked == []


def test_another_stack_continues_the_clock() -> None:
    """At an epoch where it may validate; a job that begins later than it was asked for is noted."""
    search = Asking(left=0, every=2)
    waiting = asked_jobs(search, job(0, every=2), job(1, every=2))
    second = waiting.take(2)[1]
    waiting.take(0, (0, 0), 3)
    waiting.put_back(second)
    (again,) = waiting.take(1)
    assert (again.joined, search.moved) == (3, [(1, 3)])
    waiting.take(0, (0, 0), 2)
    assert waiting.clock == 5
    search.left = 1
    (new,) = waiting.take(1)
    assert (new.joined, waiting.clock) == (6, 6)


def test_jobs_at_a_rung_are_compared_with_those_that_are_no_lanes_yet(tmp_path: Path) -> None:
    search = Asking()
    late = job(1, joined=2, epoch=1)
    late.sweep_dir = str(tmp_path)
    late.directory.path.mkdir()
    (late.directory.path / "metrics.csv").write_text("epoch,val/accuracy\n1,0.25\n")
    waiting = asked_jobs(search, job(0, epoch=2), job(3, epoch=2, promoted=1), rungs=(1, 3))
    waiting.admit(late)
    lanes = waiting.take(2)
    reached = [Reached(lanes[0].directory, 3, 0.5), Reached(lanes[1].directory, 3, None)]
    assert waiting.reach(reached, 3) == {lanes[0].directory: "last"}
    assert search.reached == [(0, 3, 0.5), (1, 1, -0.25)]
    assert waiting.reach([Reached(lanes[1].directory, 1, 0.7)], 4) == {}  # it was promoted there


def test_a_stack_that_was_stopped_is_resumed_before_another_is_begun() -> None:
    other = job(2, joined=1)
    assert other.run_config is not None
    other.run_config = {**other.run_config, "data": {**other.run_config["data"], "size": 7}}
    begun, new = job(0, joined=2, epoch=5), job(1, joined=6)
    assert _first_lanes([other, begun, new]) == [new]
    assert _first_lanes([other, begun]) == [begun]


def test_a_job_that_does_not_fit_is_left_for_later() -> None:
    waiting = asked_jobs(Asking(left=0), job(0))
    other = job(1, epoch=1, batches=3)
    waiting.admit(other)
    assert waiting.aside == [other]
