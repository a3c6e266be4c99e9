"""A run whose steps are recorded is the run whose steps are executed; by a stand-in for CUDA's graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from abreast.build import step_graphs
from abreast.errors import DivergedError
from abreast.learner import block_step, module
from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from abreast.training.run import resume, run
from support.helpers import allowed, compose, same
from support.recorded_graph import NoSynchronization, RecordedGraph

COMMON = ("trainer=cpu", "logger=none", "callbacks=none", "trainer.limit_val_batches=1", "test=false")


def trained(folder: Path, *overrides: str) -> dict[str, Any]:
    """What a run leaves, but for its times."""
    with allowed():
        run(compose(*COMMON, "trainer.max_epochs=3", *overrides), folder)
    return left(folder)


def left(folder: Path) -> dict[str, Any]:
    """Weights, optimizer and metrics of a run."""
    directory = RunDirectory(folder)
    content = load(directory.checkpoints / "last.ckpt")
    rows = [{**row, "seconds": 0} for row in directory.read_metrics()]
    return {"weights": content["state_dict"], "optimizer": content["optimizer_states"], "rows": rows}


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[RecordedGraph]:
    """Lets runs be recorded; gives the graphs."""
    monkeypatch.setattr(step_graphs, "CudaGraph", RecordedGraph)
    RecordedGraph.made.clear()
    return RecordedGraph.made


@pytest.mark.parametrize(
    "overrides",
    [
        ("optim=adam",),
        ("optim=momentum", "schedule=step", "schedule.scheduler.step_size=1"),
        ("optim=adamw", "model.norm=batch", "model.dropout=0.2", "trainer.gradient_clip_val=0.5"),
        ("optim=rmsprop", "loss=hinge", "trainer.precision=bf16-mixed", "trainer.log_every_n_steps=7"),
        (
            "optim=adam",
            "model=cnn",
            "model.channels=[4]",
            "model.hidden=[8]",
            "trainer.limit_train_batches=5",
        ),
        ("optim=sgd", "schedule=cosine"),
    ],
)
def test_weights_optimizer_and_metrics_are_bitwise_those_of_executed_steps(
    overrides: tuple[str, ...], recorded: list[RecordedGraph], tmp_path: Path
) -> None:
    executed = trained(tmp_path / "executed", *overrides, "cuda_graph=false")
    assert not recorded
    assert same(trained(tmp_path / "recorded", *overrides), executed)
    assert sum(graph.replays for graph in recorded) >= 5


def test_a_rate_that_changes_with_every_step_is_read_by_the_recorded_ones(
    recorded: list[RecordedGraph], tmp_path: Path
) -> None:
    executed = trained(tmp_path / "executed", "schedule=one_cycle", "cuda_graph=false")
    replayed = trained(tmp_path / "recorded", "schedule=one_cycle")
    assert sum(graph.replays for graph in recorded) > 100
    for name, weight in executed["weights"].items():
        torch.testing.assert_close(replayed["weights"][name], weight, rtol=1e-4, atol=1e-6)


def test_a_resumed_run_is_bitwise_the_one_that_was_not_stopped(
    recorded: list[RecordedGraph], tmp_path: Path
) -> None:
    whole = trained(tmp_path / "whole")
    trained(tmp_path / "part", "trainer.max_epochs=2")
    config = compose(*COMMON, "trainer.max_epochs=3")
    with allowed():
        resume(config, RunDirectory(tmp_path / "part"))
    assert same(left(tmp_path / "part"), whole)


def test_a_run_that_diverges_says_at_which_step(recorded: list[RecordedGraph], tmp_path: Path) -> None:
    settings = ("optim=sgd", "loss=mse", "optim.lr=1e9")
    steps = []
    for more in ("cuda_graph=false", "cuda_graph=auto"):
        with pytest.raises(DivergedError) as caught:
            trained(tmp_path / more[-4:], *settings, more)
        steps.append(str(caught.value))
    assert recorded
    assert steps[0] == steps[1]


@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "focal", "hinge"])
def test_nothing_waits_for_the_device_within_a_block(
    loss: str, recorded: list[RecordedGraph], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watched(learner: Any, block: Any, config: Any) -> int:
        with NoSynchronization():
            return block_step.train_block(learner, block, config)

    monkeypatch.setattr(module, "train_block", watched)
    trained(tmp_path, f"loss={loss}", "model.norm=batch", "trainer.max_epochs=2")
    assert sum(graph.replays for graph in recorded) > 50
