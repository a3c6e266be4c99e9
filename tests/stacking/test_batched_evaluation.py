"""Validation and test of all lanes at once on a device are those of each lane; by the CPU in its place."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from abreast.build.components import build_net
from abreast.config.types import Config
from abreast.losses import Loss
from abreast.runs.directory import RunDirectory
from abreast.stacking import batched_evaluation, evaluation
from abreast.stacking.batched_evaluation import BatchedLossValues, BatchedScores, UnbatchedError
from abreast.stacking.build import Job
from abreast.stacking.evaluation import Evaluation
from abreast.stacking.run import train_stack
from stacking.losses.test_batched import ALL, LANES, SWEPT, losses_of, mini_batch
from support.helpers import allowed
from support.networks import NETWORKS, configuration
from support.operations import Counted
from support.stacks import Configs

ROWS = 70


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lets lanes be measured as on a device; gives what is told."""
    lines: list[str] = []
    monkeypatch.setattr(evaluation, "is_on_device", lambda lanes: True)
    monkeypatch.setattr(evaluation.log, "info", lambda text, *values: lines.append(text % values))
    evaluation._say.cache_clear()
    return lines


def images(rows: int = ROWS, *shape: int) -> Tensor:
    return torch.randn(rows, *(shape or (1, 8, 8)), generator=torch.Generator().manual_seed(0))


def moved_off(net: nn.Module) -> nn.Module:
    """The network in evaluation, with running statistics that tell an evaluation from a training step."""
    for name, buffer in net.named_buffers():
        if name.endswith("running_mean"):
            buffer.add_(0.5)
        elif name.endswith("running_var"):
            buffer.mul_(3)
    return net.eval()


@pytest.mark.parametrize(("name", "most_values"), [*((name, 1 << 28) for name in NETWORKS), ("mlp", 1)])
def test_scores_are_those_of_each_network(
    name: str, most_values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batched_evaluation, "MOST_VALUES", most_values)  # lanes one by one, and together
    with allowed():
        nets = [moved_off(build_net(configuration(name, f"seed={seed}"), (1, 8, 8), 10)) for seed in range(3)]
    batched = BatchedScores(nets)
    for inference_mode in (True, False):  # Lightning validates within one, and tests
        with torch.inference_mode(inference_mode), torch.no_grad():
            batched.load()
            batched.check(images())
            expected = torch.stack([net(images()) for net in nets])
            torch.testing.assert_close(batched(images()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fails_at", range(1, 5))  # two parameters and two buffers
def test_what_is_loaded_in_part_is_not_used(fails_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    nets = [moved_off(nn.BatchNorm1d(4, affine=True)) for _ in range(3)]
    batched, stack, calls = BatchedScores(nets), torch.stack, []

    def stacked(*arguments: Any) -> Tensor:
        calls.append(arguments)
        if len(calls) == fails_at:
            raise torch.OutOfMemoryError
        return stack(*arguments)

    with torch.no_grad():
        batched.load()
        batched(images(9, 4))
        monkeypatch.setattr(torch, "stack", stacked)
        with pytest.raises(torch.OutOfMemoryError):
            batched.load()
        for use in (batched, batched.check):
            with pytest.raises(UnbatchedError, match="not loaded"):
                use(images(9, 4))


class Drawing(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + random.random()


class Counting(nn.Linear):
    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls.add_(1)
        return super().forward(x)


class Numbered(nn.Linear):
    """A lane's own attribute, which no one copies."""

    lanes = 0

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        Numbered.lanes += 1
        self.factor = Numbered.lanes

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.factor


@pytest.mark.parametrize(
    ("kind", "reason"), [(Drawing, "draws random"), (Counting, "changes its buffers"), (Numbered, "differ")]
)
def test_what_is_not_the_same_batched_is_refused(kind: type[nn.Linear], reason: str) -> None:
    batched = BatchedScores([kind(4, 3).eval() for _ in range(3)])
    state = random.getstate()
    with torch.no_grad():
        batched.load()
        with pytest.raises(UnbatchedError, match=reason):
            batched.check(images(9, 4))
    assert random.getstate() == state


@pytest.mark.parametrize(("name", "task"), ALL)
def test_losses_are_those_of_each_lane(name: str, task: str) -> None:
    losses = losses_of(name, SWEPT.get(name, [""] * LANES), task)
    scores, targets = mini_batch(LANES, task)
    for inference_mode in (True, False):
        with torch.inference_mode(inference_mode), torch.no_grad():
            batched = BatchedLossValues(losses, scores.device)
            batched.check(scores, targets[0])
            # The others' lanes of unequal numbers have one formula.
            assert len(batched.parts) == (2 if name == "bi_tempered" else 1)
            expected = torch.stack(
                [loss(lane, targets[0]) for loss, lane in zip(losses, scores, strict=True)]
            )
            torch.testing.assert_close(batched(scores, targets[0]), expected, rtol=1e-4, atol=1e-5)


def test_lanes_that_are_not_finite_are_no_reason() -> None:
    nets = [nn.Linear(4, 3).eval() for _ in range(3)]
    losses = [Loss(nn.CrossEntropyLoss()) for _ in nets]
    targets = torch.zeros(9, dtype=torch.int64)
    with torch.no_grad():
        nets[0].weight.fill_(torch.inf)
        nets[1].bias.fill_(torch.nan)
        batched, values = BatchedScores(nets), BatchedLossValues(losses, targets.device)
        batched.load()
        batched.check(images(9, 4))
        scores = batched(images(9, 4))
        values.check(scores, targets)
        assert values(scores, targets).isfinite().tolist() == [False, False, True]


class CustomLoss(nn.Module):
    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(scores, targets) * random.uniform(0.9, 1.1)


class DrawsInEvaluation(nn.Linear):
    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)

    def forward(self, x: Tensor) -> Tensor:
        scores = super().forward(x.flatten(1))
        return scores if self.training else scores * random.uniform(0.5, 2)


def left(configs: list[Config], folder: Path) -> list[dict[str, Any]]:
    """The metrics of validation and test of runs in a stack."""
    with allowed():
        outcomes = train_stack([Job(config, folder / str(n)) for n, config in enumerate(configs)])
    assert all(outcome.error is None for outcome in outcomes)
    rows = []
    for number in range(len(configs)):
        run = RunDirectory(folder / str(number))
        measured = {**run.read_metrics()[-1], **run.read_result()["metrics"]}
        rows.append({k: v for k, v in measured.items() if k.startswith(("val/", "test/"))})
    return rows


CUSTOM = {
    "model": ({"_target_": f"{__name__}.DrawsInEvaluation"}, "The scores of validation and test"),
    "loss": (
        {"_target_": "abreast.losses.Loss", "criterion": {"_target_": f"{__name__}.CustomLoss"}},
        "custom losses may draw random numbers",
    ),
}


@pytest.mark.parametrize("custom", ["", *CUSTOM])
def test_a_stack_measures_what_its_runs_measure(
    custom: str, configs: Configs, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = [("loss=focal", f"loss.criterion.gamma={gamma}") for gamma in (0.5, 1, 2)]
    each += [("loss=mse", "data.split_seed=1"), ("loss=hinge", "data.split_seed=1")]
    common = ("model.norm=batch", "data.eval_batch_size=17", "metrics=[auroc]")
    runs = configs((*common, "trainer.max_epochs=1" if custom else "trainer.max_epochs=2"), *each)
    for run in runs if custom else ():
        run[custom] = CUSTOM[custom][0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "is_on_device", lambda lanes: False)
        expected = left(runs, tmp_path / "lane by lane")
    if not custom:
        monkeypatch.setattr(Evaluation, "_lane_by_lane", None)
    results = left(runs, tmp_path / "batched")
    assert len(expected[0]) >= 7
    for one, other in zip(results, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-6)
    assert len(told) == bool(custom)
    assert not custom or CUSTOM[custom][1] in told[0]


def test_operations_do_not_grow_with_the_lanes(told: list[str]) -> None:
    counts = []
    targets = torch.zeros(ROWS, dtype=torch.int64)
    for count in (2, 6):
        nets = [
            nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)).eval() for _ in range(count)
        ]
        losses = [Loss(nn.CrossEntropyLoss(), check_labels=False) for _ in nets]
        batched, values = BatchedScores(nets), BatchedLossValues(losses, targets.device)
        batched.load()
        with torch.no_grad():
            batched.check(images(ROWS, 4))
            with Counted() as counted:
                values(batched(images(ROWS, 4)), targets)
        counts.append(counted.count)
    assert counts[0] == counts[1] > 0
