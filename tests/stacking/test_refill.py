"""Waiting runs take the lanes of runs that have ended, and every run comes to the same bits."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from abreast.errors import Interrupted
from abreast.learner.checkpoint import resume_point_or_clear
from abreast.runs.directory import RunDirectory
from abreast.stacking import compaction
from abreast.stacking.build import Job
from abreast.stacking.chunk import Chunk
from abreast.stacking.options import Options
from abreast.stacking.refill import Refill
from abreast.stacking.run import train_stack
from abreast.stacking.waiting import Phase, Reached, WaitingRuns
from support.endings import DIVERGES, SOON
from support.forks import EVERYTHING, forks
from support.helpers import allowed
from support.optimizers import STACKED
from support.references import References
from support.stacks import Both, Check, Configs

LONGER = ("trainer.max_epochs=4",)


@pytest.fixture
def epochs(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Refill whenever a lane has ended; the epochs of the chunks' lanes when they were put together."""
    lanes: list[list[int]] = []
    build = compaction.build_chunks

    def noted(*arguments: Any) -> Any:
        chunks = build(*arguments)
        lanes.append(sorted(lane.epoch for chunk in chunks for lane in chunk.lanes))
        return chunks

    monkeypatch.setattr(compaction, "REBUILD_STEPS", 0)
    monkeypatch.setattr(compaction, "REFILL_STEPS", 0)
    monkeypatch.setattr("abreast.stacking.module.build_chunks", noted)
    return lanes


FEW = ("adam", "momentum", "nadam", "muon", "lion")


@pytest.mark.parametrize(
    "optimizers", [FEW, pytest.param(STACKED, marks=pytest.mark.long)], ids=["few", "all"]
)
def test_every_optimizer(
    optimizers: Sequence[str], configs: Configs, both: Both, check: Check, epochs: list[list[int]]
) -> None:
    """Lanes begin beside others of the same class and settings that are in their third epoch."""
    each = [
        (f"optim={optim}", f"seed={seed}", *more)
        for seed, more in enumerate((SOON, (), SOON))
        for optim in optimizers
    ]
    pairs = both(configs(LONGER, *each), max_lanes=2 * len(optimizers))
    for lane, plain in pairs:
        check(lane, plain)
    assert (min(epochs[0]), max(epochs[0])) == (0, 2)


@pytest.mark.parametrize(
    "common",
    [
        ("model.norm=batch", "model.hidden=[16]"),
        ("model.dropout=0.2", "schedule=one_cycle", "trainer.log_every_n_steps=2"),
        ("schedule=plateau", "schedule.scheduler.patience=0", "trainer.check_val_every_n_epoch=2"),
        ("data.shuffle=false", "schedule=step", "ema=0.9"),
        ("data.val_fraction=0", "checkpoint=last", "monitor=train/loss"),
        ("logger=tensorboard", "callbacks=default"),
    ],
    ids=" ".join,
)
def test_every_kind_of_run(
    common: tuple[str, ...], configs: Configs, both: Both, check: Check, epochs: list[list[int]]
) -> None:
    """Lanes that diverge and that stop early make room, three at a time."""
    stops = () if "logger=tensorboard" in common else SOON
    each = [
        ("optim=adam", "seed=1", *stops),
        DIVERGES,
        ("optim=momentum", "seed=2"),
        ("optim=adam", "seed=3", *stops),
        ("optim=momentum", "seed=4", "loss=hinge"),
        ("optim=adam", "seed=5"),
    ]
    pairs = both(configs((*common, *LONGER), *each), diverge={1}, max_lanes=3)
    for lane, plain in pairs:
        check(lane, plain)
    assert any(min(lanes) < max(lanes) for lanes in epochs)


def test_lanes_of_several_splits(configs: Configs, both: Both, check: Check, epochs: list[list[int]]) -> None:
    """Of which the run with the shorter epochs waits for a stack of its own."""
    each = [
        ("data.split_seed=1", *SOON),
        ("data.split_seed=2", "data.label_noise=0.1"),
        ("data.split_seed=3", "data.label_noise=0.1"),
        ("data.folds=3", "data.fold=1", "data.label_noise=0.1"),
        ("data.folds=7", "data.fold=1", "data.label_noise=0.1"),
    ]
    common = ("data.size=150", "data.test_size=54", "data.label_noise=0.1", *LONGER)
    pairs = both(configs(common, *each), max_lanes=2)
    for lane, plain in pairs:
        check(lane, plain)


def test_lanes_that_share_mini_batches(
    configs: Configs, both: Both, check: Check, epochs: list[list[int]]
) -> None:
    """Only those at one epoch do."""
    each = [(f"optim.lr={lr}", *(SOON if lr == 0.1 else ())) for lr in (0.1, 0.2, 0.3, 0.4)]
    for lane, plain in both(configs(("model.hidden=[16]", *LONGER), *each), max_lanes=2, shared_batches=True):
        check(lane, plain)
    assert epochs[0] == [0, 2]


def test_all_lanes_diverge_at_once(
    configs: Configs, both: Both, check: Check, epochs: list[list[int]]
) -> None:
    each = [(*DIVERGES, "seed=1"), (*DIVERGES, "seed=2"), ("seed=3",), ("seed=4",)]
    for lane, plain in both(configs((), *each), diverge={0, 1}, max_lanes=2):
        check(lane, plain)
    assert epochs == [[0, 0]]


LANES = [
    ("seed=0", "optim=adam", "loss=cross_entropy", *SOON),
    ("seed=1", "optim=adam", "model.dropout=0.2"),
    ("seed=2", "optim=momentum", "schedule=cosine", "model.dropout=0.2"),
    ("seed=3", "optim=muon", *SOON),
    ("seed=4", "optim=adam"),
]


@pytest.mark.parametrize("at", [3, 8, 12])
def test_stopped_at_any_block_and_run_again(
    at: int, configs: Configs, check: Check, epochs: list[list[int]], reference: References, tmp_path: Path
) -> None:
    """Begun runs continue, each at its epoch, and those that waited follow."""
    runs = configs(("model.dropout=0.2", *LONGER), *LANES)
    references = [reference(cfg) for cfg in runs]
    jobs = [Job(cfg, tmp_path / f"lane{number}") for number, cfg in enumerate(runs)]
    train, calls = Chunk.train, []

    def told(self: Chunk, *arguments: Any, **more: Any) -> None:
        calls.append(1)
        if len(calls) == at:
            os.kill(os.getpid(), signal.SIGTERM)
        train(self, *arguments, **more)

    with pytest.MonkeyPatch.context() as patch, allowed():
        patch.setattr(Chunk, "train", told)
        with pytest.raises(Interrupted):
            train_stack(jobs, Options(max_lanes=2))
    statuses = [RunDirectory(job.directory).read_status()["status"] for job in jobs if job.directory.exists()]
    assert statuses.count("interrupted") == 2
    assert set(statuses) <= {"interrupted", "finished"}
    again = [positioned(job) for job in jobs if not finished(job)]
    with allowed():
        outcomes = train_stack(again, Options(max_lanes=2))
    assert [outcome.error or outcome.not_stacked for outcome in outcomes] == [None] * len(again)
    for job, alone in zip(jobs, references, strict=True):
        check(job.directory, alone.finished())


# Two lanes end, and the process is told to end, or is killed, before two others have taken their places.
ENDED = """
import json, os, signal, sys
from pathlib import Path
from abreast.stacking import supply
from abreast.stacking.build import Job
from abreast.stacking.options import Options
from abreast.stacking.run import train_stack
from support.helpers import allowed

step, number = getattr(supply.LaneSupply, sys.argv[1]), getattr(signal, sys.argv[2])

def ended(self, runs):
    if self.outcomes or sys.argv[1] == "end":
        os.kill(os.getpid(), number)
    return step(self, runs)

setattr(supply.LaneSupply, sys.argv[1], ended)
jobs = [Job(cfg, Path(f"lane{number}").absolute()) for number, cfg in enumerate(json.loads(sys.argv[3]))]
with allowed():
    train_stack(jobs, Options(max_lanes=2))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("step", ["end", "_lanes"])
def test_ended_between_two_runs_of_a_lane(
    step: str, name: str, configs: Configs, check: Check, reference: References, tmp_path: Path
) -> None:
    """The runs that had ended are whole, and those that had not, or had not begun, come to the same bits."""
    runs = configs(("trainer.max_epochs=1",), *[(f"seed={seed}",) for seed in range(4)])
    references = [reference(cfg) for cfg in runs]
    outcome = forks(EVERYTHING).run(ENDED, ["", step, name, json.dumps(runs)], tmp_path)
    assert outcome.code != 0, outcome
    jobs = [Job(cfg, tmp_path / f"lane{number}") for number, cfg in enumerate(runs)]
    assert [finished(job) for job in jobs] == [True, True, False, False]
    with allowed():
        outcomes = train_stack([positioned(job) for job in jobs[2:]], Options(max_lanes=2))
    assert [outcome.error or outcome.not_stacked for outcome in outcomes] == [None] * 2
    for job, alone in zip(jobs, references, strict=True):
        check(job.directory, alone.finished())


class DropsTheFirst(WaitingRuns):
    """As a search with halving: the first run is dropped after its first epoch.

    Attributes:
        taken: The names of the runs' directories, each with the stack's epochs when it became a lane.
    """

    is_open = True
    rungs = (1,)

    def __init__(self, jobs: Sequence[Job]) -> None:
        super().__init__(jobs)
        self.taken: list[tuple[str, int]] = []

    def take(self, count: int, at: Phase | None = None, epochs: int = 0) -> list[Job]:
        jobs = super().take(count, at, epochs)
        self.taken += [(job.directory.name, epochs) for job in jobs]
        return jobs

    def reach(self, reached: Sequence[Reached], epochs: int) -> dict[Path, str]:
        return {run.directory: "the worst" for run in reached if run.directory.name == "lane0"}


@pytest.mark.parametrize(
    ("width", "taken"),
    [(1, [("lane0", 0), ("lane1", 1), ("lane2", 2)]), (2, [("lane0", 0), ("lane1", 0), ("lane2", 1)])],
)
def test_a_lane_that_is_dropped_where_it_resumes_makes_room_before_the_first_epoch(
    width: int,
    taken: list[tuple[str, int]],
    configs: Configs,
    check: Check,
    reference: References,
    tmp_path: Path,
) -> None:
    """Its process was killed after its checkpoint was written, and before its end was."""
    runs = configs(("trainer.max_epochs=2",), ("seed=0",), ("seed=1",), ("seed=2",))
    jobs = [Job(cfg, tmp_path / f"lane{number}") for number, cfg in enumerate(runs)]
    begun = [
        replace(job, cfg={**job.cfg, "trainer": {**job.cfg["trainer"], "max_epochs": 1}}) for job in jobs
    ]
    with allowed():
        train_stack(begun[:2])
        waiting = DropsTheFirst([*map(positioned, jobs)])
        outcomes = train_stack(jobs, Options(max_lanes=width), waiting=waiting)
    assert [outcome.error or outcome.not_stacked for outcome in outcomes] == [None] * 3
    assert waiting.taken == taken
    dropped = RunDirectory(jobs[0].directory)
    assert (dropped.read_status()["dropped_at"], len(dropped.read_metrics())) == (1, 1)
    for job in jobs[1:]:
        check(job.directory, reference(job.cfg).finished())


def finished(job: Job) -> bool:
    return job.directory.exists() and RunDirectory(job.directory).read_status()["status"] == "finished"


def positioned(job: Job) -> Job:
    """The job, with the position where it continues, as the launcher gives it."""
    last = job.directory / "checkpoints" / "last.ckpt"
    if not last.exists():
        return job
    return replace(job, position=resume_point_or_clear(RunDirectory(job.directory))[:2])


def test_free_places_are_filled_when_that_pays_off() -> None:
    """Not at once where rebuilding all lanes costs more than the free places have cost."""
    lanes: Any = [SimpleNamespace(running=number > 0, batches=10) for number in range(4)]
    refill = Refill(4, lambda ended, count, epochs: None)
    cost = 4 * 4 * compaction.REFILL_STEPS
    due = [refill.is_due(lanes, epochs) for epochs in range(1, 2 * cost // 10 + 2)]
    first = due.index(True)
    assert 10 * first <= cost < 10 * (first + 1)
    assert not Refill(3, lambda ended, count, epochs: None).is_due(lanes[1:], 1)
    idle: Any = [SimpleNamespace(running=False, batches=1)]
    assert Refill(1, lambda ended, count, epochs: None).is_due(idle, 1)
    assert not Refill(1, lambda ended, count, epochs: None, every=2).is_due(idle, 1)
