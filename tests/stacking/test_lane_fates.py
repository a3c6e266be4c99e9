"""Lanes that stop, diverge or cannot begin, and the neighbours that must not notice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import execution_whitelist

from abreast.errors import ConfigError, DivergedError
from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from abreast.stacking.build import Job
from abreast.stacking.run import train_stack
from abreast.training.run import run
from support.helpers import WHITELIST, allowed
from support.stacks import Both, Check, Configs


def test_a_lane_stops_early_as_its_plain_run_does(configs: Configs, both: Both, check: Check) -> None:
    stops = ("callbacks=early_stopping", "callbacks.early_stopping.patience=1")
    each = [
        *[(*stops, f"seed={seed}", f"optim.lr={lr}") for seed in range(2) for lr in (1e-7, 0.05, 1.0)],
        ("seed=5",),
    ]
    pairs = both(configs(("trainer.max_epochs=8",), *each))
    for lane, plain in pairs:
        check(lane, plain)
    lengths = [len(RunDirectory(lane).read_metrics()) for lane, _ in pairs]
    assert lengths[-1] == 8
    assert min(lengths) < 8
    assert len(set(lengths)) > 2  # each at its own time


def test_all_lanes_stop(configs: Configs, both: Both, check: Check) -> None:
    stops = ("callbacks=early_stopping", "callbacks.early_stopping.patience=1", "optim.lr=1e-9")
    for lane, plain in both(configs(("trainer.max_epochs=30", *stops), ("seed=0",), ("seed=1",))):
        check(lane, plain)
        assert len(RunDirectory(lane).read_metrics()) < 30


DIVERGES = ("loss=mse", "optim=sgd", "optim.lr=1e6")


def test_a_diverging_lane_fails_as_its_plain_run_does(configs: Configs, both: Both, check: Check) -> None:
    each = [("seed=0",), DIVERGES, ("seed=1", "optim=muon"), (*DIVERGES, "seed=1", "optim.lr=300.0")]
    pairs = both(configs((), *each), diverge={1, 3})
    for lane, plain in pairs:
        check(lane, plain)
    for number in (1, 3):
        found, expected = (RunDirectory(path) for path in pairs[number])
        assert found.read_status() == expected.read_status()
        assert found.read_status()["reason"].startswith("diverged at step")
        assert not (found.path / "result.json").exists()
    assert RunDirectory(pairs[1][0]).read_status() != RunDirectory(pairs[3][0]).read_status()


def test_a_schedule_that_ends_too_soon_fails_its_lane_alone(
    configs: Configs, check: Check, tmp_path: Path
) -> None:
    jobs = configs(("schedule=one_cycle",), ("seed=0",), ("seed=1",), ("seed=2",))
    jobs[1]["schedule"]["scheduler"]["total_steps"] = 10
    with allowed():
        outcomes = train_stack([Job(cfg, tmp_path / f"lane{n}") for n, cfg in enumerate(jobs)])
        with pytest.raises(ValueError, match="Tried to step 11 times"):
            run(jobs[1], tmp_path / "alone1")
        for number in (0, 2):
            run(jobs[number], tmp_path / f"alone{number}")
    assert str(outcomes[1].error).startswith("Tried to step 11 times")
    for number in (0, 2):
        assert outcomes[number].error is None
        check(tmp_path / f"lane{number}", tmp_path / f"alone{number}")


class BadGradient(torch.autograd.Function):
    """A loss that cannot be differentiated."""

    @staticmethod
    def forward(context: Any, scores: torch.Tensor) -> torch.Tensor:
        return scores.sum()

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> torch.Tensor:
        raise ValueError("wrong")


RAISES: dict[str, Callable[[torch.Tensor], Any]] = {
    "in a step": lambda scores: 1 / 0,
    "in its gradient": BadGradient.apply,
    "by its shape": lambda scores: scores.sum(1),
    "in the validation": lambda scores: scores.sum() if scores.requires_grad else 1 / 0,
}


@pytest.mark.parametrize("where", RAISES)
def test_a_criterion_that_raises_fails_its_lane_alone(
    where: str, configs: Configs, check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its tenth batch. The whole stack stopped, and all of its runs were trained again."""
    forward, calls = torch.nn.HuberLoss.forward, [0]

    def raising(self: torch.nn.HuberLoss, scores: torch.Tensor, target: torch.Tensor) -> Any:
        if self.delta == 2.0:
            calls[0] += 1
            if calls[0] > 9:
                return RAISES[where](scores)
        return forward(self, scores, target)

    monkeypatch.setattr(torch.nn.HuberLoss, "forward", raising)
    others = [
        ("seed=0",),
        ("loss=huber", "seed=1"),
        ("loss=huber", "loss.criterion.delta=2.0"),
        ("loss=hinge",),
    ]
    jobs = configs((), *others)
    with allowed():
        outcomes = train_stack([Job(cfg, tmp_path / f"lane{n}") for n, cfg in enumerate(jobs)])
        for number, cfg in enumerate(jobs):
            calls[0] = 0
            if number == 2:
                with pytest.raises((ArithmeticError, ValueError, RuntimeError)):
                    run(cfg, tmp_path / "alone2")
            else:
                run(cfg, tmp_path / f"alone{number}")
    assert [outcome.not_stacked for outcome in outcomes] == [None] * 4
    assert [number for number, outcome in enumerate(outcomes) if outcome.error is not None] == [2]
    for number in (0, 1, 3):
        check(tmp_path / f"lane{number}", tmp_path / f"alone{number}")
    statuses = [RunDirectory(tmp_path / f"{name}2").read_status() for name in ("lane", "alone")]
    assert [status["status"] for status in statuses] == ["failed", "failed"]


class Breaking(torch.optim.SGD):
    """An optimizer whose tenth step raises."""

    calls = 0

    def step(self, closure: Any = None) -> Any:
        self.calls += 1
        if self.calls == 10:
            raise ArithmeticError("no inverse")
        return super().step(closure)


def test_an_optimizer_that_raises_fails_its_lane_alone(
    configs: Configs, check: Check, tmp_path: Path
) -> None:
    jobs = configs(("optim=sgd",), ("seed=0",), ("seed=1",), ("seed=2",), ("seed=3", "optim=adam"))
    jobs[1]["optim"] = {"_target_": f"{__name__}.Breaking", "_partial_": True, "lr": 0.1}
    with execution_whitelist([*WHITELIST, f"{__name__}.*"]):
        outcomes = train_stack([Job(cfg, tmp_path / f"lane{n}") for n, cfg in enumerate(jobs)])
        with pytest.raises(ArithmeticError, match="no inverse"):
            run(jobs[1], tmp_path / "alone1")
        for number in (0, 2, 3):
            run(jobs[number], tmp_path / f"alone{number}")
    assert [str(outcome.error or "") for outcome in outcomes] == ["", "no inverse", "", ""]
    statuses = [RunDirectory(tmp_path / f"{name}1").read_status() for name in ("lane", "alone")]
    assert statuses[0]["status"] == statuses[1]["status"] == "failed"
    assert statuses[0]["reason"] == statuses[1]["reason"] == "ArithmeticError: no inverse"
    for number in (0, 2, 3):
        check(tmp_path / f"lane{number}", tmp_path / f"alone{number}")


@pytest.mark.parametrize("common", [(), ("model.norm=batch", "model.hidden=[16]"), ("model.dropout=0.2",)])
def test_neighbours_do_not_notice(common: tuple[str, ...], configs: Configs, tmp_path: Path) -> None:
    """The same optimizer class and slab as the diverging lane's: nothing of it may reach the others."""
    healthy = [("loss=mse", "optim=momentum", f"seed={seed}") for seed in range(3)]
    weights = {}
    for name, odd in (("beside", "1e6"), ("without", "0.01")):
        other = ("loss=mse", "optim=momentum", "seed=9", f"optim.lr={odd}")
        jobs = configs(common, healthy[0], other, *healthy[1:])
        with allowed():
            outcomes = train_stack([Job(cfg, tmp_path / name / str(n)) for n, cfg in enumerate(jobs)])
        assert isinstance(outcomes[1].error, DivergedError) == (name == "beside")
        weights[name] = [
            load(tmp_path / name / str(n) / "checkpoints" / f"{which}.ckpt")["state_dict"]
            for n in (0, 2, 3)
            for which in ("best", "last")
        ]
    for one, other_weights in zip(weights["beside"], weights["without"], strict=True):
        assert all(one[key].equal(other_weights[key]) for key in one)


def test_a_bad_config_fails_alone_and_first(configs: Configs, tmp_path: Path) -> None:
    jobs = configs((), ("seed=0",), ("optim=adam", "optim.betas=[0.9,2.0]"), ("seed=1",))
    with allowed():
        outcomes = train_stack([Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(jobs)])
    assert isinstance(outcomes[1].error, ConfigError)
    status = RunDirectory(tmp_path / "1").read_status()
    assert status["status"] == "failed"
    assert "Invalid beta" in status["reason"]
    for n in (0, 2):
        assert outcomes[n].error is None
        directory = RunDirectory(tmp_path / str(n))
        assert outcomes[n].value == directory.read_result()["metrics"]["val/accuracy"]
        assert directory.read_status() == {"status": "finished"}


def test_a_failing_callback_is_its_lane_s_failure(
    configs: Configs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = RunDirectory.append_metrics

    def full(self: RunDirectory, row: Any) -> None:
        if self.path.name == "1" and row["epoch"] == 2:
            raise OSError("no space left")
        append(self, row)

    monkeypatch.setattr(RunDirectory, "append_metrics", full)
    jobs = configs((), ("seed=0",), ("seed=1",), ("seed=2",))
    with allowed():
        outcomes = train_stack([Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(jobs)])
    assert [type(outcome.error) for outcome in outcomes] == [type(None), OSError, type(None)]
    assert "no space left" in RunDirectory(tmp_path / "1").read_status()["reason"]
    assert RunDirectory(tmp_path / "2").read_status() == {"status": "finished"}


def test_an_interruption_is_written_down(
    configs: Configs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from abreast.stacking.chunk import Chunk

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Chunk, "train", interrupted)
    jobs = configs((), ("seed=0",), ("seed=1",))
    with allowed(), pytest.raises(KeyboardInterrupt):
        train_stack([Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(jobs)])
    for n in range(2):
        assert RunDirectory(tmp_path / str(n)).read_status()["status"] == "interrupted"


def test_checkpoints_hold_their_lane_alone(configs: Configs, tmp_path: Path) -> None:
    """A view is saved with the whole of what it is a view of: 12 lanes would weigh 12 times as much."""
    sizes = []
    for lanes in (2, 12):
        jobs = configs(("trainer.max_epochs=1",), *[(f"seed={seed}",) for seed in range(lanes)])
        with allowed():
            train_stack([Job(cfg, tmp_path / str(lanes) / str(n)) for n, cfg in enumerate(jobs)])
        sizes.append((tmp_path / str(lanes) / "1" / "checkpoints" / "last.ckpt").stat().st_size)
    assert abs(sizes[0] - sizes[1]) < 256  # paths differ in length
