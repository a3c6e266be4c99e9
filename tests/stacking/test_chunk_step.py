"""A stack whose steps are recorded is the stack whose steps are executed; by a stand-in for CUDA's graphs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from abreast.build import step_graphs
from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from abreast.stacking import chunk, chunk_step, layout
from abreast.stacking.build import Job, Outcome
from abreast.stacking.chunk import Chunk
from abreast.stacking.grouping import plan
from abreast.stacking.losses.stacked_loss import StackedLoss
from abreast.stacking.network_size import NetworkSize
from abreast.stacking.optimizers import steppers
from abreast.stacking.options import Options
from abreast.stacking.run import train_stack
from support.helpers import allowed, compose, same
from support.recorded_graph import NoSynchronization, RecordedGraph

COMMON = ("trainer=cpu", "logger=none", "callbacks=none", "trainer.max_epochs=3", "test=false")
Configs = list[dict[str, Any]]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[RecordedGraph]:
    """Lets stacks be recorded; gives the graphs. Steps that are executed are those of the same device."""
    monkeypatch.setattr(step_graphs, "CudaGraph", RecordedGraph)
    monkeypatch.setattr(chunk_step, "steppers", steppers.device_steppers)
    monkeypatch.setattr(chunk_step, "is_on_device", lambda state: True)
    RecordedGraph.made.clear()
    return RecordedGraph.made


def lanes(*overrides: str) -> Configs:
    """Runs of one network: optimizers, a loss and a rate that differ, a seed each."""
    settings = [("optim=adam", "optim.lr=0.01"), ("optim=adam",), ("optim=momentum", "loss=hinge")]
    common = (*COMMON, "model.hidden=[16]", "trainer.limit_train_batches=12")
    return [compose(*common, f"seed={seed}", *more, *overrides) for seed, more in enumerate(settings)]


def stacked(configs: Configs, folder: Path, options: Options = Options()) -> list[Outcome]:  # noqa: B008
    """Train the runs as one stack."""
    with allowed():
        (order,) = plan(configs).stacks
        return train_stack([Job(configs[number], folder / str(number)) for number in order], options)


def left(folder: Path) -> dict[str, Any]:
    """Weights, optimizer and metrics of each run."""
    results = {}
    for file in sorted(folder.glob("*/checkpoints/last.ckpt")):
        content = load(file)
        rows = [{**row, "seconds": 0} for row in RunDirectory(file.parents[1]).read_metrics()]
        results[file.parents[1].name] = {**content, "loops": {}, "callbacks": {}, "rows": rows}
    return results


@pytest.mark.parametrize(
    "overrides",
    [
        ("model.norm=batch", "optim=adam", "optim.amsgrad=true"),  # by their optimizers
        ("trainer.gradient_clip_val=0.3",),
        ("optim=adagrad", "schedule=cosine"),
    ],
)
def test_every_lane_is_bitwise_that_of_executed_steps(
    overrides: tuple[str, ...], recorded: list[RecordedGraph], tmp_path: Path
) -> None:
    stacked([{**config, "cuda_graph": False} for config in lanes(*overrides)], tmp_path / "executed")
    assert not recorded
    stacked(lanes(*overrides), tmp_path / "recorded")
    assert same(left(tmp_path / "recorded"), left(tmp_path / "executed"))
    assert sum(graph.replays for graph in recorded) >= 30


def test_lanes_that_share_their_mini_batches_are_recorded(
    recorded: list[RecordedGraph], tmp_path: Path
) -> None:
    short = ("trainer.max_epochs=2", "model.norm=batch")
    configs = [{**config, "seed": number // 2} for number, config in enumerate(lanes(*short))]
    shared = Options(shared_batches=True)
    stacked([{**config, "cuda_graph": False} for config in configs], tmp_path / "executed", shared)
    assert not recorded
    stacked(configs, tmp_path / "recorded", shared)
    assert sum(graph.replays for graph in recorded) >= 20
    assert same(left(tmp_path / "recorded"), left(tmp_path / "executed"))


def _has_ended(chunks: list[Chunk]) -> bool:
    return any(not lane.running for chunk in chunks for lane in chunk.lanes)


def test_a_lane_that_diverges_leaves_the_others_and_the_rest_is_recorded_again(
    recorded: list[RecordedGraph], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abreast.stacking.module.compacting_pays_off", _has_ended)
    configs = [
        compose(*COMMON, "model.hidden=[16]", "loss=mse", "optim=sgd", f"optim.lr={rate}")
        for rate in ("0.1", "1e30", "0.2")
    ]
    outcomes = stacked(configs, tmp_path / "recorded")
    before = len(recorded)
    assert [outcome.error is None for outcome in outcomes].count(False) == 1
    # three lanes' graphs of a step and of a sampled last one, then two lanes' new ones
    assert len({id(graph) for graph in recorded}) == before >= 3
    healthy = [{**config, "cuda_graph": False} for config in (configs[0], configs[2])]
    stacked(healthy, tmp_path / "executed")
    results = left(tmp_path / "recorded")
    assert same([results["0"], results["2"]], list(left(tmp_path / "executed").values()))


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (("model.dropout=0.1",), "dropout draws from a generator of each lane"),
        (("optim=adamax", "schedule=cosine"), "schedule.interval=step changes the lanes' learning rates"),
        (("optim=muon",), "MuonAdamW may count its steps"),
    ],
)
def test_what_is_not_recorded_says_why(
    overrides: tuple[str, ...],
    reason: str,
    recorded: list[RecordedGraph],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(step_graphs.log, "info", told.append)
    short = ("trainer.max_epochs=1", "trainer.limit_train_batches=3")
    stacked([{**config} for config in lanes(*short, *overrides)][:2], tmp_path)
    assert not recorded
    assert len(told) == 1
    assert reason in told[0]


def test_a_loss_that_waits_for_the_device_is_executed_and_its_lane_is_not_to_blame(
    recorded: list[RecordedGraph], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(step_graphs.log, "info", told.append)
    multi_margin = torch.nn.functional.multi_margin_loss

    def waiting(*args: Any, **kwargs: Any) -> Any:
        result = multi_margin(*args, **kwargs)
        assert float(result.detach()) >= 0
        return result

    monkeypatch.setattr(torch.nn.functional, "multi_margin_loss", waiting)
    configs = lanes("trainer.max_epochs=1", "loss=hinge")
    outcomes = stacked(configs, tmp_path)
    assert all(outcome.error is None for outcome in outcomes)
    assert len(told) == 1
    assert "waits for the device" in told[0]


def test_batched_losses_are_recorded(
    recorded: list[RecordedGraph], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*(("loss=focal", f"loss.criterion.gamma={gamma}") for gamma in (0.5, 2, 3)), ("loss=hinge",)]
    common = (*COMMON, "model.hidden=[16]", "trainer.limit_train_batches=12", "trainer.max_epochs=2")
    configs = [compose(*common, *more) for more in (*settings, ("loss=hinge", "seed=1"))]
    stacked([{**config, "cuda_graph": False} for config in configs], tmp_path / "individual")
    monkeypatch.setattr(chunk, "is_on_device", lambda state: True)
    stacked(configs, tmp_path / "batched")
    assert sum(graph.replays for graph in recorded) >= 20
    for one, other in zip(
        *(left(tmp_path / name).values() for name in ("batched", "individual")), strict=True
    ):
        for name, weight in other["state_dict"].items():
            torch.testing.assert_close(one["state_dict"][name], weight, rtol=1e-3, atol=1e-3)


def test_nothing_waits_for_the_device_within_a_block(
    recorded: list[RecordedGraph], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train: Callable[..., None] = Chunk.train
    blocks: list[Chunk] = []

    def watched(chunk: Chunk, *args: Any, **kwargs: Any) -> None:
        is_first = not blocks  # in which the CPU compares its optimizers' step counts
        blocks.append(chunk)
        with nullcontext() if is_first else NoSynchronization():
            train(chunk, *args, **kwargs)

    monkeypatch.setattr(Chunk, "train", watched)
    outcomes = stacked(lanes(), tmp_path)
    assert all(outcome.error is None for outcome in outcomes)
    assert len(blocks) == 3


def test_another_device_than_the_cpu_takes_all_lanes_from_one_thread() -> None:
    size = NetworkSize(200_000, 200_000, 0)
    assert layout.choose_layout(size, 128, on_cpu=False).chunks(2048) == 1
    assert layout.choose_layout(size, 128, threads=4, on_cpu=False).threads == 1
    assert layout.choose_layout(size, 128).chunks(2048) > 100


def test_the_forms_of_other_devices_give_the_losses_of_the_cpu() -> None:
    from abreast.stacking.losses.cross_entropy import StackedCrossEntropy

    logs = -torch.rand(3, 4, 32).exp()
    on_meta = StackedCrossEntropy().values([logs[0].to("meta")])
    assert on_meta.shape == (1, 4)
    assert StackedLoss([], []).parts == []
    torch.testing.assert_close(-logs.mean(-1), StackedCrossEntropy().values([*logs]))
