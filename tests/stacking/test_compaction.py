"""Lanes that have ended leave the stack, and the others go on to the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch.utils.flop_counter import FlopCounterMode

from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from abreast.stacking import compaction
from abreast.stacking.build import Job
from abreast.stacking.compaction import REBUILD_STEPS, pays_off
from abreast.stacking.module import Stack
from abreast.stacking.run import train_stack
from support.endings import DIVERGES, LATER, SOON
from support.helpers import allowed
from support.optimizers import STACKED
from support.stacks import Both, Check, Configs

LONGER = ("trainer.max_epochs=5",)


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Compact whenever a lane has ended; the chunks' sizes after each time."""
    found: list[list[int]] = []
    compact = compaction.compact

    def counted(*arguments: Any) -> Any:
        chunks = compact(*arguments)
        found.append([len(chunk.lanes) for chunk in chunks])
        return chunks

    monkeypatch.setattr(compaction, "REBUILD_STEPS", 0)
    monkeypatch.setattr("abreast.stacking.module.compact", counted)
    return found


@pytest.mark.long
def test_every_optimizer_goes_on(configs: Configs, both: Both, check: Check, sizes: list[list[int]]) -> None:
    """Three lanes of each class and settings become two, and then one."""
    each = [
        (f"optim={optim}", f"seed={seed}", *more)
        for optim in STACKED
        for seed, more in enumerate(((), SOON, LATER))
    ]
    pairs = both(configs(LONGER, *each))
    for lane, plain in pairs:
        check(lane, plain)
    lengths = [len(RunDirectory(lane).read_metrics()) for lane, _ in pairs]
    assert lengths == [5, 2, 3] * len(STACKED)
    assert sizes == [[2 * len(STACKED)], [len(STACKED)]]


@pytest.mark.parametrize(
    "common",
    [
        ("model.norm=batch", "model.hidden=[16]"),
        ("model.norm=batch", "model.dropout=0.2"),
        ("model.norm=layer", "schedule=one_cycle"),
        ("schedule=step",),
        ("schedule=plateau", "schedule.scheduler.patience=0"),
        ("trainer.check_val_every_n_epoch=2",),
        ("data.val_fraction=0", "checkpoint=last", "monitor=train/loss"),
        ("data.shuffle=false",),
        ("logger=tensorboard", "callbacks=default"),
    ],
    ids=" ".join,
)
def test_every_kind_of_run_goes_on(
    common: tuple[str, ...], configs: Configs, both: Both, check: Check, sizes: list[list[int]]
) -> None:
    """Beside lanes that diverge in the middle of the first epoch, and one of the same slab in the second."""
    each = [
        DIVERGES,
        ("optim=momentum", "seed=1"),
        (*DIVERGES, "optim.lr=300.0"),
        ("optim=momentum", "seed=2", "loss=hinge"),
        ("optim=adam", "seed=3"),
        ("optim=adam", "seed=4", *(SOON if "logger=tensorboard" not in common else ())),
        ("optim=muon", "seed=5"),
    ]
    for lane, plain in both(configs((*common, *LONGER), *each), diverge={0, 2}):
        check(lane, plain)
    assert sizes


@pytest.mark.parametrize(("chunk_lanes", "threads"), [(2, 2), (3, 1)])
def test_lanes_move_between_chunks(
    chunk_lanes: int, threads: int, configs: Configs, both: Both, check: Check, sizes: list[list[int]]
) -> None:
    each = [(f"seed={seed}", *(SOON if seed % 2 else ())) for seed in range(8)]
    common = ("model.dropout=0.1", "optim=adamw", *LONGER)
    for lane, plain in both(configs(common, *each), chunk_lanes=chunk_lanes, threads=threads):
        check(lane, plain)
    assert sizes == [[2, 2]]


def test_a_vmapped_network_goes_on(configs: Configs, both: Both, sizes: list[list[int]]) -> None:
    """Within rounding, as without any ended lane: see test_vmap for the bound."""
    each = [("seed=0",), (*DIVERGES,), ("seed=1", "loss=hinge"), ("seed=2", *SOON)]
    found = configs(("optim=momentum", *LONGER), *each)
    for config in found:
        config["model"] = {"_target_": "tests.stacking.test_vmap.Skipping"}
    pairs = both(found, diverge={1})
    for number in (0, 2, 3):
        one, other = (load(run / "checkpoints" / "last.ckpt") for run in pairs[number])
        assert one["epoch"] == other["epoch"]
        for key, value in one["state_dict"].items():
            torch.testing.assert_close(value, other["state_dict"][key], rtol=1e-4, atol=1e-5)
        assert RunDirectory(pairs[number][0]).read_status() == {"status": "finished"}
    assert sizes == [[3], [2]]


def test_the_work_is_freed(configs: Configs, tmp_path: Path, sizes: list[list[int]]) -> None:
    """Counted, not timed: each lane's multiplications of 20 -> 32 -> 10 over the epochs that it trains."""
    each = [(f"seed={seed}", *(SOON if seed < 3 else ())) for seed in range(4)]
    common = ("model.hidden=[32]", "data.val_fraction=0", "checkpoint=last", "monitor=train/loss", *LONGER)
    jobs = configs(common, *each)
    with (
        allowed(),
        FlopCounterMode(display=False) as counter,
    ):
        train_stack([Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(jobs)])
    forward = 20 * 32 + 32 * 10
    backward = 20 * 32 + 2 * 32 * 10  # the first layer's inputs need no gradient
    trained, tested = 150, 50
    epochs = 3 * 2 + 5
    teacher = (trained + tested) * 20 * 10  # labels the data
    trial = 2  # examples, on which the lanes' common network is tried first
    expected = 2 * (epochs * trained * (forward + backward) + (4 * tested + trial) * forward + teacher)
    assert counter.get_total_flops() == expected
    assert sizes == [[1]]


def test_an_ended_lane_leaves_the_shared_memory(
    configs: Configs, tmp_path: Path, sizes: list[list[int]]
) -> None:
    lanes = []
    compact = compaction.compact

    def kept(chunks: Any, plan: Any) -> Any:
        lanes.extend(chunks[0].lanes)
        return compact(chunks, plan)

    jobs = configs(LONGER, ("seed=0", *SOON), ("seed=1",), ("seed=2",))
    with pytest.MonkeyPatch.context() as patch, allowed():
        patch.setattr("abreast.stacking.module.compact", kept)
        train_stack([Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(jobs)])
    for lane in lanes:
        ended = lane.directory.path.name == "0"
        for value in lane.learner.net.state_dict().values():
            own = value.numel() * value.element_size()
            assert (value.untyped_storage().nbytes() == own) == ended
        assert (lane.optimizer_group is None) == ended
        assert (lane.trainer.optimizers == []) == ended


class Halving(Callback):
    """After the second epoch the worse half of the lanes goes."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        stack: Stack = pl_module
        if trainer.current_epoch == 1:
            by_loss = sorted(stack.running, key=lambda lane: lane.learner.values["val/loss"])
            for lane in by_loss[len(by_loss) // 2 :]:
                lane.trainer.should_stop = True


def test_whoever_watches_can_stop_lanes(configs: Configs, tmp_path: Path, sizes: list[list[int]]) -> None:
    """A lane that is asked to stop is finished after its epoch, as by early stopping."""
    rates = (1e-5, 0.01, 1e-6, 0.003)
    jobs = configs(LONGER, *[(f"optim.lr={rate}",) for rate in rates])
    with allowed():
        outcomes = train_stack(
            [Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(jobs)], callbacks=[Halving()]
        )
    assert [outcome.error for outcome in outcomes] == [None] * 4
    rows = [len(RunDirectory(tmp_path / str(n)).read_metrics()) for n in range(4)]
    assert rows == [2, 5, 2, 5]
    for n in range(4):
        assert RunDirectory(tmp_path / str(n)).read_status() == {"status": "finished"}
        assert RunDirectory(tmp_path / str(n)).read_result()["metrics"]["test/accuracy"] > 0
    assert sizes == [[2]]


@pytest.mark.parametrize(
    ("ended", "running", "steps", "expected"),
    [
        (0, 9, 10**6, False),
        (1, 1, REBUILD_STEPS + 1, True),
        (1, 1, REBUILD_STEPS, False),
        (1, 31, 31 * REBUILD_STEPS, False),
        (4, 28, 28 * REBUILD_STEPS, True),
        (5, 0, 10**6, False),
    ],
)
def test_pays_off(ended: int, running: int, steps: int, expected: bool) -> None:
    assert pays_off(ended, running, steps) == expected
