"""With every callback, blocks give what single steps give, or the run takes single steps and says so."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import lightning.pytorch.callbacks
import pytest
from hydra.utils import execution_whitelist

from abreast.build import steps
from abreast.config.types import Config
from abreast.errors import ConfigError
from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from abreast.stacking.grouping import why_individual
from abreast.training.run import run
from abreast.validation.validate import validate
from support.helpers import WHITELIST, compose, same

SMALL = (
    *("data=random", "data.size=60", "data.test_size=10", "data.batch_size=8", "model.hidden=[4]"),
    *("trainer=cpu", "trainer.max_epochs=3", "trainer.log_every_n_steps=2", "logger=none", "callbacks=none"),
)
BLOCK, SINGLE, REFUSED = "in blocks", "in single steps", "refused"


class Row(NamedTuple):
    """A callback's arguments, and how its run is trained."""

    trained: str
    arguments: Mapping[str, Any] = MappingProxyType({})
    reason: str = ""  # of what is logged or raised


ROWS = {
    "BackboneFinetuning": Row(REFUSED, reason="derive a class"),
    "BaseFinetuning": Row(REFUSED, reason="derived from"),
    "BasePredictionWriter": Row(REFUSED, reason="derived from"),
    "BatchSizeFinder": Row(REFUSED, reason="data.batch_size"),
    "Callback": Row(BLOCK),
    "Checkpoint": Row(BLOCK),
    "DeviceStatsMonitor": Row(SINGLE, {"cpu_stats": False}, "on_train_batch_end"),
    "EMAWeightAveraging": Row(SINGLE, {"decay": 0.9}, "on_train_batch_end"),
    "EarlyStopping": Row(BLOCK, {"monitor": "val/loss", "patience": 1}),
    "GradientAccumulationScheduler": Row(SINGLE, {"scheduling": {0: 1, 1: 2}}, "accumulates"),
    "LambdaCallback": Row(SINGLE, reason="single steps"),
    "LearningRateFinder": Row(REFUSED, reason="optim.lr"),
    "LearningRateMonitor": Row(SINGLE, reason="on_train_batch_start"),
    "ModelCheckpoint": Row(BLOCK, {"monitor": "val/loss", "save_top_k": 2, "filename": "{step}"}),
    "ModelPruning": Row(SINGLE, {"pruning_fn": "l1_unstructured", "amount": 0.5}, "parameters"),
    "ModelSummary": Row(BLOCK),
    "OnExceptionCheckpoint": Row(REFUSED, {"dirpath": "."}, "leave it out"),
    "ProgressBar": Row(REFUSED, reason="derived from"),
    "RichModelSummary": Row(BLOCK),
    "RichProgressBar": Row(SINGLE, reason="on_train_batch_end"),
    "SpikeDetection": Row(SINGLE, reason="on_train_batch_end"),
    "StochasticWeightAveraging": Row(SINGLE, {"swa_lrs": 0.01, "swa_epoch_start": 2}, "schedule"),
    "TQDMProgressBar": Row(SINGLE, reason="on_train_batch_end"),
    "ThroughputMonitor": Row(
        SINGLE,
        {"batch_size_fn": {"_target_": "support.custom_callbacks.count", "_partial_": True}},
        "on_train_batch_end",
    ),
    "Timer": Row(SINGLE, {"duration": "00:01:00:00"}, "on_train_batch_end"),
    "WeightAveraging": Row(SINGLE, reason="on_train_batch_end"),
}
OTHERS = {
    "lightning.pytorch.callbacks.ModelCheckpoint": Row(
        SINGLE, {"every_n_train_steps": 3}, "every_n_train_steps=3"
    ),
    "lightning.pytorch.callbacks.early_stopping.EarlyStopping": Row(BLOCK, {"monitor": "train/loss"}),
    "support.custom_callbacks.Accumulate": Row(SINGLE, reason="supports_blocks"),
    "support.custom_callbacks.Quiet": Row(BLOCK),
    "support.custom_callbacks.DerivedStopping": Row(SINGLE, {"monitor": "val/loss"}, "supports_blocks"),
    "support.custom_callbacks.made": Row(SINGLE, reason="function"),
}
ALL = {**{f"lightning.pytorch.callbacks.{name}": row for name, row in ROWS.items()}, **OTHERS}


def test_every_callback_of_lightning_has_a_row() -> None:
    assert set(lightning.pytorch.callbacks.__all__) == set(ROWS)


def config(target: str, row: Row, size: int) -> Config:
    cfg = compose(*SMALL, f"steps_per_execution={size}")
    cfg["callbacks"] = {"it": {"_target_": target, **row.arguments}}
    cfg["logger"] = {"csv": {"_target_": "lightning.pytorch.loggers.CSVLogger", "version": "logged"}}
    return cfg


def check_equal(one: Path, other: Path) -> None:
    for name in ("best.ckpt", "last.ckpt"):
        a, b = load(one / "checkpoints" / name), load(other / "checkpoints" / name)
        for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch"):
            assert same(a[key], b[key]), f"{name}: {key} differs"
    rows, others = (RunDirectory(path).read_metrics() for path in (one, other))
    assert [{**row, "seconds": 0} for row in rows] == [{**row, "seconds": 0} for row in others]
    logged, others_logged = (
        (path / "lightning_logs/logged/metrics.csv").read_text().splitlines() for path in (one, other)
    )
    timed = ("Throughput", "throughput", "device/", "time")  # a clock's
    if not any(word in logged[0] for word in timed):
        assert logged == others_logged
    else:
        assert len(logged) == len(others_logged)


@pytest.mark.filterwarnings("ignore:.*(SpikeDetection|flops_per_batch).*")
@pytest.mark.parametrize("target", ALL, ids=lambda target: target.rpartition(".")[2])
def test_blocks_equal_single_steps(
    target: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ALL[target]
    monkeypatch.chdir(tmp_path)
    with execution_whitelist([*WHITELIST, "support.*"]), caplog.at_level(logging.INFO):
        if row.trained == REFUSED:
            for refuse in (validate, lambda cfg: run(cfg, tmp_path / "run")):
                with pytest.raises(ConfigError, match=row.reason) as error:
                    refuse(config(target, row, 4))
                assert "\n" not in str(error.value)
            return
        for size in (1, 4):
            run(config(target, row, size), tmp_path / str(size))
    lines = [line for line in caplog.messages if line.startswith("steps_per_execution is 1")]
    if row.trained == BLOCK:
        assert not lines
    else:
        (line,) = lines
        assert "callbacks.it" in line
        assert row.reason in line
    check_equal(tmp_path / "1", tmp_path / "4")
    warned = any("StochasticWeightAveraging puts its averages" in line for line in caplog.messages)
    assert warned == target.endswith("StochasticWeightAveraging")


@pytest.mark.parametrize(
    "name", ["StochasticWeightAveraging", "LearningRateMonitor", "GradientAccumulationScheduler"]
)
def test_blocks_would_differ(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin without protection: what the line stands for."""
    monkeypatch.setattr(steps, "why_no_blocks", lambda cfg: None)
    target = f"lightning.pytorch.callbacks.{name}"

    def compare() -> None:
        for size in (1, 4):
            run(config(target, ROWS[name], size), tmp_path / str(size))
        check_equal(tmp_path / "1", tmp_path / "4")

    with execution_whitelist(WHITELIST), pytest.raises((AssertionError, RuntimeError)):
        compare()


@pytest.mark.parametrize("target", ALL, ids=lambda target: target.rpartition(".")[2])
def test_a_stack_takes_a_callback_or_says_why_not(target: str) -> None:
    reason = why_individual(config(target, ALL[target], 4))
    stacked = target == "lightning.pytorch.callbacks.EarlyStopping"
    assert (reason is None) == stacked
    assert stacked or (reason is not None and target in reason)
