"""What TensorBoard shows of the steps of a run, alone or as a lane of a stack."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from abreast.callbacks import PreemptionCheckpoint
from abreast.errors import Interrupted
from abreast.runs.directory import RunDirectory
from abreast.stacking.build import Job
from abreast.stacking.run import train_stack
from abreast.training.run import resume, run
from support.helpers import allowed, compose
from support.resuming import STEPS, TINY

NEIGHBOUR = "neighbour"
EVERY_STEP = ("logger=tensorboard", "trainer.log_every_n_steps=1")
Train = Callable[..., Path]


def alone(path: Path, *overrides: str, resumed: bool = False) -> Path:
    cfg = compose(*TINY, *EVERY_STEP, *overrides)
    with allowed():
        if resumed:
            resume(cfg, RunDirectory(path))
        else:
            run(cfg, path)
    return path


def lane(path: Path, *overrides: str, resumed: bool = False) -> Path:
    """The second one of two lanes."""
    jobs = [
        Job(compose(*TINY, *EVERY_STEP, *overrides, f"seed={seed}"), place)
        for seed, place in [(1, path.with_name(NEIGHBOUR)), (0, path)]
    ]
    with allowed():
        outcomes = train_stack(jobs)
    assert [(outcome.not_stacked, outcome.error) for outcome in outcomes] == [(None, None)] * 2
    return path


def scalars(path: Path) -> dict[str, list[tuple[int, float]]]:
    """The steps and values of each curve, as TensorBoard shows them."""
    events = EventAccumulator(str(path))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


@pytest.mark.parametrize("at", [9, 14], ids=["between epochs", "within an epoch"])
@pytest.mark.parametrize("train", [alone, lane])
def test_a_resumed_run_shows_no_step_twice(
    train: Train, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The events of what came after the last checkpoint, as a killed process leaves them, are passed over."""
    expected = scalars(train(tmp_path / "whole" / "run"))
    path = tmp_path / "stopped" / "run"
    if at == 9:
        train(path, "trainer.max_epochs=1")
    else:
        with monkeypatch.context() as patch:
            stop_in_the_second_epoch(patch)
            with pytest.raises(Interrupted):
                train(path)
    kept = shutil.copytree(path.parent, tmp_path / "kept")
    train(path, resumed=True)
    shutil.copytree(kept, path.parent, dirs_exist_ok=True)  # as if killed before the next checkpoint
    train(path, resumed=True)
    found = scalars(path)
    assert len(list(path.glob("events.out.tfevents.*"))) == 3
    assert [step for step, _ in found["step/loss"]] == [*range(STEPS)]
    for tag in ("step/loss", "step/lr", "train/loss", "val/loss", "final/test/loss"):
        assert found[tag] == expected[tag]


def stop_in_the_second_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a signal arrive in the epoch's first block, whose checkpoint lies within the epoch."""
    ended = PreemptionCheckpoint.on_train_batch_end

    def told(self: PreemptionCheckpoint, trainer: Any, pl_module: Any, *arguments: Any) -> None:
        if trainer.current_epoch == 1:
            pl_module.stop_signal = signal.SIGTERM
        ended(self, trainer, pl_module, *arguments)

    monkeypatch.setattr(PreemptionCheckpoint, "on_train_batch_end", told)


@pytest.mark.parametrize("train", [alone, lane])
def test_the_learning_rate_within_a_block_is_that_of_each_step(train: Train, tmp_path: Path) -> None:
    """Blocks have 4 steps. Expected: torch's schedule itself, stepped by hand."""
    path = train(tmp_path / "run", "optim=momentum", "optim.lr=0.1", "schedule=one_cycle")
    scheduler_config = RunDirectory(path).read_config()["schedule"]["scheduler"]
    options = {
        key: value
        for key, value in scheduler_config.items()
        if key not in ("_target_", "_partial_", "total_steps")
    }
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, **{"max_lr": 0.1, **options}, total_steps=STEPS
    )
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < STEPS:
            scheduler.step()
    logged = scalars(path)["step/lr"]
    assert [step for step, _ in logged] == [*range(STEPS)]
    assert [rate for _, rate in logged] == pytest.approx(rates, rel=1e-6)
    assert len({round(rate, 7) for rate in rates}) > STEPS - 3  # else a block's first rate would do
    by_epoch = [row["lr"] for row in RunDirectory(path).read_metrics()]
    assert by_epoch == pytest.approx([rates[8], rates[17], rates[26]], rel=1e-6)
