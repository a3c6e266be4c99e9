"""Which runs share a stack. No torch is needed to say so."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from abreast.stacking.grouping import UNMATCHED, plan, split, why_individual
from support.helpers import compose

BASE = ("data=random", "trainer=cpu")


def composed(*each: str) -> list[dict[str, Any]]:
    return [compose(*BASE, *overrides.split()) for overrides in each]


@pytest.mark.parametrize(
    "own",
    [
        "seed=3",
        "loss=mse",
        "loss=focal loss.criterion.gamma=1.0",
        "optim=sgd",
        "optim.lr=0.5 optim.betas=[0.8,0.9]",
        "schedule=cosine",
        "trainer.gradient_clip_val=1.0",
        "callbacks=early_stopping",
        "logger=none",
        "monitor=val/loss",
        "checkpoint=last",
        "data.split_seed=1",
        "data.folds=5 data.fold=3",
    ],
)
def test_a_lane_may_differ_in(own: str) -> None:
    (stack,) = plan(composed("seed=0", own)).stacks
    assert sorted(stack) == [0, 1]


@pytest.mark.parametrize(
    "own",
    [
        "model.hidden=[7]",
        "model.norm=batch",
        "model.dropout=0.1",
        "data.batch_size=7",
        "data.seed=1",
        "data=digits",
        "trainer.max_epochs=3",
        "trainer.accelerator=auto",
        "trainer.log_every_n_steps=3",
        "steps_per_execution=3",
    ],
)
def test_a_stack_is_one_in(own: str) -> None:
    found = plan(composed("seed=0", own))
    assert found.stacks == []
    assert found.individual == {UNMATCHED: [0, 1]}


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ("optim=lbfgs", "LBFGS"),
        ("trainer.strategy=ddp", "trainer.strategy=ddp"),
        ("trainer=mixed", "trainer.precision=bf16-mixed"),
        ("trainer.accumulate_grad_batches=2", "trainer.accumulate_grad_batches=2"),
        ("+trainer.profiler=simple", "trainer.profiler"),
        ("trainer.detect_anomaly=true", "trainer.detect_anomaly=True"),
        ("steps_per_execution=1", "steps_per_execution=1"),
        ("+logger.mine={_target_: lightning.pytorch.loggers.MLFlowLogger}", "logger.mine"),
        ("+callbacks.timer={_target_: lightning.pytorch.callbacks.Timer}", "callbacks.timer"),
    ],
)
def test_what_cannot_be_a_lane_is_named_once(own: str, reason: str) -> None:
    both = [compose(*BASE, own), compose(*BASE, own, "seed=1")]
    said = why_individual(both[0])
    assert said is not None
    assert reason in said
    assert plan([*both, *composed("seed=0", "seed=1")]).stacks == [[2, 3]]
    assert plan(both).individual == {said: [0, 1]}


def test_lanes_of_one_optimizer_and_loss_stand_together() -> None:
    configs = composed("optim=sgd", "loss=mse", "optim=sgd loss=mse", "seed=1", "optim=sgd seed=1")
    (stack,) = plan(configs).stacks
    kinds = [configs[n]["optim"]["_target_"] for n in stack]
    assert kinds == sorted(kinds)
    pairs = [(configs[n]["optim"]["_target_"], configs[n]["loss"]["criterion"]["_target_"]) for n in stack]
    assert pairs == sorted(pairs)
    assert sorted(stack) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("lanes", "most", "sizes"), [(5, 2, [1, 2, 2]), (4, 4, [4]), (9, 4, [3, 3, 3]), (1, 9, [1])]
)
def test_split(lanes: int, most: int, sizes: list[int]) -> None:
    parts = split(list(range(lanes)), most)
    assert [len(part) for part in parts] == sizes
    assert [lane for part in parts for lane in part] == list(range(lanes))


def test_max_lanes() -> None:
    configs = composed(*[f"seed={seed}" for seed in range(5)])
    assert [len(stack) for stack in plan(configs, max_lanes=3).stacks] == [2, 3]
    with pytest.raises(ValueError, match="max_lanes=0"):
        plan(configs, max_lanes=0)


def test_no_torch() -> None:
    program = "import sys, abreast.stacking.grouping; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
