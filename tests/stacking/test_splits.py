"""Lanes of different splits and folds in one stack: each is its plain run, to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from abreast.runs.directory import RunDirectory
from abreast.stacking.build import Job
from abreast.stacking.grouping import plan
from abreast.stacking.run import train_stack
from abreast.stacking.supply import LaneSupply
from abreast.stacking.waiting import WaitingRuns
from support.helpers import allowed, compose
from support.stacks import Both, Check, Configs

# 204 examples. Three folds: 68 tested, 14 validated, 122 trained, in 8 mini-batches of 16. Seven: 29 or 30
# tested and 18 or 17 validated, so 157 trained, in 10. Split seeds: 54 tested, 15 validated, 135 trained, 9.
DATA = ("data.size=150", "data.test_size=54")
SPLITS = (
    ("data.split_seed=0",),
    ("data.split_seed=1",),
    ("data.split_seed=2",),
    ("data.folds=3", "data.fold=0"),
    ("data.folds=3", "data.fold=2", "data.split_seed=5"),
    ("data.folds=7", "data.fold=0"),
    ("data.folds=7", "data.fold=6"),
)


def each(*more: str) -> list[tuple[str, ...]]:
    """Runs of all splits, with two seeds and losses that are not in the splits' order."""
    return [
        (*split, f"seed={seed}", f"loss={('cross_entropy', 'mse')[(seed + number) % 2]}", *more)
        for seed in range(2)
        for number, split in enumerate(SPLITS)
    ]


@pytest.mark.parametrize(
    "common",
    [
        (),
        ("model.norm=batch", "model.dropout=0.2", "optim=momentum", "schedule=one_cycle"),
        ("data.label_noise=0.3", "data.normalize=true"),
        ("data.normalize=true", "trainer.log_every_n_steps=3", "logger=tensorboard", "callbacks=default"),
        ("steps_per_execution=50", "data.eval_batch_size=7", "schedule=cosine"),
        ("trainer.limit_train_batches=0.5", "trainer.limit_val_batches=0.5"),
    ],
    ids=" ".join,
)
def test_splits_share_a_stack(common: tuple[str, ...], configs: Configs, both: Both, check: Check) -> None:
    runs = configs((*DATA, *common), *each())
    assert plan(runs).individual == {}
    assert len(plan(runs).stacks) == 1
    for lane, plain in both(runs):
        check(lane, plain)
        assert RunDirectory(lane).read_status() == {"status": "finished"}


def test_the_splits_are_of_three_lengths(configs: Configs, tmp_path: Path) -> None:
    """What the test above trains: it would pass where all epochs are equally long."""
    jobs = [Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(configs(DATA, *SPLITS))]
    with allowed():
        lanes = LaneSupply(jobs, WaitingRuns(jobs), len(jobs)).first()
    assert [lane.batches for lane in lanes] == [9, 9, 9, 8, 8, 10, 10]
    assert [len(lane.data.test) for lane in lanes] == [54, 54, 54, 68, 68, 30, 29]


def test_chunks_and_threads_change_nothing(configs: Configs, both: Both, check: Check) -> None:
    for lane, plain in both(configs(DATA, *each()), chunk_lanes=2, threads=2):
        check(lane, plain)


def test_regression(configs: Configs, both: Both, check: Check) -> None:
    common = ("data=random_regression", *DATA, "data.outputs=2", "loss=mse", "data.normalize=true")
    for lane, plain in both(configs(common, *[(*split, "seed=1") for split in SPLITS])):
        check(lane, plain)


def test_images_of_five_folds(both: Both, check: Check) -> None:
    """1,797 examples in folds of 359 and 360; lanes of both lengths, in both orders."""
    common = ("data=digits", "trainer=cpu", "logger=none", "callbacks=none", "trainer.max_epochs=1")
    small = ("model.hidden=[16]", "data.batch_size=128")
    runs = [compose(*common, *small, "data.folds=5", f"data.fold={fold}") for fold in (3, 0, 4, 1, 2)]
    pairs = both(runs)
    for lane, plain in pairs:
        check(lane, plain)
    tested = [RunDirectory(lane).read_result()["examples"]["test"] for lane, _ in pairs]
    assert sorted(tested) == [359, 359, 359, 360, 360]


@pytest.mark.parametrize("common", [(), ("model.norm=batch", "model.hidden=[16]")], ids=" ".join)
def test_shared_batches_are_of_one_split(common: tuple[str, ...], configs: Configs, both: Both) -> None:
    """As without splits: equal within rounding (see test_shared_batches), not bitwise."""
    runs = configs((*DATA, "optim=momentum", "data.normalize=true", *common), *each())
    for lane, plain in both(runs, shared_batches=True):
        rows, others = (RunDirectory(run).read_metrics() for run in (lane, plain))
        for row, reference in zip(rows, others, strict=True):
            for name in ("train/loss", "val/loss"):
                assert row[name] == pytest.approx(reference[name], rel=1e-5)


def test_the_rows_are_in_memory_once(configs: Configs, tmp_path: Path) -> None:
    splits = [(f"data.split_seed={n}",) for n in range(20)]
    runs = configs(("data.size=5000", "data.label_noise=0.1"), *splits)
    jobs = [Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(runs)]
    with allowed():
        lanes = LaneSupply(jobs, WaitingRuns(jobs), len(jobs)).first()
    memory: dict[int, int] = {}
    for lane in lanes:
        for part in (lane.data.train, lane.data.val, lane.data.test):
            for tensor in (part.rows.inputs, part.rows.targets, part.indices, part.targets):  # type: ignore
                storage = tensor.untyped_storage()
                memory[storage.data_ptr()] = storage.nbytes()
    examples = 5050
    # A row: 20 features of 4 bytes and a target of 8, once; its position and label, of 8 bytes, 20 times.
    assert sum(memory.values()) <= examples * (20 * 4 + 8) + 20 * examples * 16


def test_a_fold_that_does_not_exist_fails_alone(configs: Configs, tmp_path: Path) -> None:
    runs = configs(DATA, ("data.folds=3", "data.fold=1"), ("data.folds=300", "data.fold=1"), ("seed=1",))
    jobs = [Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(runs)]
    with allowed():
        good, bad, other = train_stack(jobs)
    assert (good.error, other.error) == (None, None)
    assert str(bad.error).startswith("data.folds=300 of 204 rows must be a whole number from 2 to 204")
    assert RunDirectory(tmp_path / "1").read_status()["status"] == "failed"


def test_a_limit_of_steps_needs_epochs_of_one_length(configs: Configs, tmp_path: Path) -> None:
    limit = ("trainer.max_steps=12", *DATA)
    runs = configs(limit, *[(*split, "seed=1") for split in SPLITS[:4]])
    jobs = [Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(runs)]
    with allowed():
        outcomes = train_stack(jobs)
    assert [outcome.not_stacked is None for outcome in outcomes] == [True, True, True, False]
    assert "epochs of 9 mini-batches" in str(outcomes[3].not_stacked)
    assert "of 8 for this one's split" in str(outcomes[3].not_stacked)


def test_normalisation_is_of_the_lanes_own_training_part(configs: Configs, tmp_path: Path) -> None:
    from abreast.learner.checkpoint import load

    runs = configs((*DATA, "data.normalize=true"), *SPLITS[:3])
    with allowed():
        train_stack([Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(runs)])
    states = [load(tmp_path / str(n) / "checkpoints" / "last.ckpt")["state_dict"] for n in range(3)]
    means = torch.stack([state["normalize.mean"] for state in states])
    assert len(means.unique()) == 3
