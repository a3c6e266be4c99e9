"""Networks other than the MLP: batched by vmap, or named with the reason and left to be trained plainly."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from abreast.stacking.build import Job
from abreast.stacking.parameters import StackedState
from abreast.stacking.run import train_stack
from abreast.stacking.vmap import VmappedNet
from support.helpers import allowed
from support.stacks import Both, Configs

HERE = __name__


class Skipping(nn.Module):
    """Two branches and a norm: nothing that the MLP has a form for."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(in_features)
        self.deep = nn.Sequential(nn.Linear(in_features, 16), nn.Tanh(), nn.Linear(16, out_features))
        self.wide = nn.Linear(in_features, out_features)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x.flatten(1))
        return self.deep(x) + self.wide(x)  # type: ignore[no-any-return]


class Choosy(Skipping):
    """Control flow that depends on values."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.mean() > 0 else -x)


def networks(configs: Configs, name: str, *each: tuple[str, ...]) -> list[dict[str, Any]]:
    found = configs((), *each)
    for config in found:
        config["model"] = {"_target_": f"{HERE}.{name}"}
    return found


def test_a_network_by_vmap(configs: Configs, both: Both) -> None:
    """Rounding differs in each product, and grows over 27 steps; 1e-5 is a hundred times float32's 1e-7.

    Momentum rather than Adam, which scales even a difference of 1e-8 in a vanishing gradient up to its step.
    """
    each = [
        ("optim=momentum", f"seed={seed}", f"loss={loss}") for seed in (0, 1) for loss in ("mse", "hinge")
    ]
    for lane, plain in both(networks(configs, "Skipping", *each)):
        one, other = (load(run / "checkpoints" / "last.ckpt") for run in (lane, plain))
        assert one["state_dict"].keys() == other["state_dict"].keys()
        for key, value in one["state_dict"].items():
            torch.testing.assert_close(value, other["state_dict"][key], rtol=1e-4, atol=1e-5)
        start, end = RunDirectory(lane).read_metrics(), RunDirectory(plain).read_metrics()
        for row, reference in zip(start, end, strict=True):
            assert row["train/loss"] == pytest.approx(reference["train/loss"], rel=1e-4)
        assert RunDirectory(lane).read_status() == {"status": "finished"}


def test_what_vmap_refuses_is_left_with_the_reason(configs: Configs, tmp_path: Path) -> None:
    jobs = networks(configs, "Choosy", ("seed=0",), ("seed=1",))
    with allowed():
        outcomes = train_stack([Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(jobs)])
    for outcome in outcomes:
        assert outcome.not_stacked is not None
        assert outcome.not_stacked.startswith("Choosy cannot be batched")
        assert outcome.error is None


class Hooked(Skipping):
    """A hook that one lane alone would call."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.wide.register_forward_hook(lambda module, inputs, output: output * 2)


class Frozen(Skipping):
    """Weights that are not trained."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.wide.requires_grad_(False)


class Evaluated(Skipping):
    """A norm that keeps its statistics."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.norm.eval()


class Tied(Skipping):
    """Two parameters in one memory."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.other = nn.Parameter(self.wide.weight.data)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + x.flatten(1) @ self.other.t()  # type: ignore[no-any-return]


class Drawn(nn.Sequential):
    """Another architecture for another seed."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(nn.Dropout(float(torch.rand(()))), nn.Linear(in_features, out_features))


class Repeated(nn.Sequential):
    """One block with parameters, applied twice."""

    def __init__(self, in_features: int, out_features: int) -> None:
        block = nn.Sequential(nn.Linear(16, 16), nn.Tanh())
        super().__init__(nn.Linear(in_features, 16), block, block, nn.Linear(16, out_features))


class FromNumpy(Skipping):
    """Initial weights that torch does not draw."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        drawn = np.random.randn(out_features, in_features) * random.random()
        self.wide.weight.data = torch.from_numpy(drawn.astype("f4"))


class Scaled(Skipping):
    """A parameter that is one number."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.scale


class Counting(Skipping):
    """A forward that remembers, in an attribute of which a stack has but one."""

    steps = 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += 1
        return super().forward(x)


class Showing(Skipping):
    """Keeps its last activations, for somebody to look at."""

    last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.last = self.deep[0](x.flatten(1))
        return super().forward(x)


class Carrying(Skipping):
    """Computes with the scores of the batch before."""

    last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        scores = super().forward(x)
        before, self.last = self.last, scores.detach()
        same_size = before is not None and before.shape == scores.shape
        return scores + 0.1 * before if same_size and before is not None else scores


class Averaging(Skipping):
    """A forward that puts a new tensor in the place of a buffer."""

    average: Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.register_buffer("average", torch.zeros(in_features))

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        if self.training:
            self.average = 0.5 * self.average + 0.5 * x.mean(0)
        return super().forward(x - self.average)


class AveragingAlways(Averaging):
    """As before, in evaluation too, which calls the lanes' own networks."""

    def forward(self, x: Tensor) -> Tensor:
        self.average = 0.9 * self.average + 0.1 * x.flatten(1).mean(0)
        return super().forward(x)


class Half(nn.Linear):
    """Weights of 16 bits."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, dtype=torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1).bfloat16()).float()


class Mixed(Skipping):
    """Products of 16 bits, whose rounding differs between lanes together and a lane alone."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(x).float()


class Listed(Skipping):
    """A frozen module that is none of its own, drawn by the seed, and itself, in a list."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.kept = [nn.Linear(in_features, in_features).requires_grad_(False), self]

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.kept[0](x.flatten(1)))


class DrawnFunction(Skipping):
    """A function that another seed may draw otherwise."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.function = [torch.tanh, torch.relu][int(torch.rand(()) < 0.5)]

    def forward(self, x: Tensor) -> Tensor:
        return self.function(super().forward(x))


@pytest.mark.parametrize("name", ["Repeated", "FromNumpy", "Scaled", "Averaging"])
def test_odd_networks_by_vmap(name: str, configs: Configs, both: Both) -> None:
    jobs = networks(configs, name, *[("optim=momentum", f"seed={seed}") for seed in range(3)])
    for lane, alone in both(jobs):
        one, other = (load(run / "checkpoints" / "last.ckpt")["state_dict"] for run in (lane, alone))
        assert one.keys() == other.keys()
        for key, value in one.items():
            torch.testing.assert_close(value, other[key], rtol=1e-4, atol=1e-5)


class Padded(nn.Module):
    """An embedding whose padding has no gradient: vmap's rule gives it one in all lanes but the first."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(4, out_features, padding_idx=0)

    def forward(self, x: Tensor) -> Tensor:
        return self.embedding(x.flatten(1).abs().long().clamp(max=3)).mean(1)  # type: ignore[no-any-return]


class Traced(nn.Module):
    """A traced layer, whose parameters torch.func cannot replace."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracing is deprecated
            self.net = torch.jit.trace(nn.Linear(in_features, out_features), torch.zeros(2, in_features))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.flatten(1))  # type: ignore[no-any-return]


INDIVIDUAL = {
    "Traced": "Traced is scripted or traced (Linear)",
    "Padded": "torch.func.vmap gives other gradients than a lane alone",
    "Counting": "its forward changes its attributes",
    "Carrying": "Carrying cannot be batched",
    "AveragingAlways": "puts new tensors in the place of its buffers when it evaluates",
    "Half": "has parameters of bfloat16 (weight)",
    "Listed": "Listed differs in architecture from the stack's first run",
}


@pytest.mark.parametrize("name", INDIVIDUAL)
def test_what_one_network_alone_keeps_is_trained_individually(
    name: str, configs: Configs, tmp_path: Path
) -> None:
    jobs = networks(configs, name, ("seed=0",), ("seed=1",))
    with allowed():
        outcomes = train_stack([Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(jobs)])
    assert INDIVIDUAL[name] in str(outcomes[-1].not_stacked)


def test_what_is_written_and_never_read_keeps_no_network_out_of_a_stack(configs: Configs, both: Both) -> None:
    jobs = networks(configs, "Showing", ("seed=0",), ("seed=1",))
    for lane, alone in both(jobs):
        results = [RunDirectory(path).read_result()["metrics"] for path in (lane, alone)]
        assert results[0] == pytest.approx(results[1], rel=1e-4)


def test_networks_of_16_bits_are_stacked_and_a_probe_leaves_nothing() -> None:
    nets = [Mixed(20, 10) for _ in range(3)]
    vmapped = VmappedNet(nets, StackedState(nets))
    vmapped.probe(torch.randn(3, 8, 20))
    assert "_scores" not in vars(vmapped)


def test_lanes_whose_functions_differ_are_trained_individually(configs: Configs, tmp_path: Path) -> None:
    seeds = range(6)
    draws = []
    for seed in seeds:
        torch.manual_seed(seed)
        draws.append(DrawnFunction(20, 10).function)
    assert len(set(draws)) == 2
    jobs = networks(configs, "DrawnFunction", *[(f"seed={seed}",) for seed in seeds])
    with allowed():
        outcomes = train_stack([Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(jobs)])
    assert [outcome.not_stacked is None for outcome in outcomes] == [draw == draws[0] for draw in draws]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Hooked", "Hooked has hooks (Linear)"),
        ("Frozen", "Frozen has frozen parameters (wide.weight)"),
        ("Evaluated", "Evaluated is in evaluation mode (BatchNorm1d)"),
        ("Tied", "Tied has tensors that share memory (wide.weight)"),
    ],
)
def test_what_a_stack_would_miss_is_trained_individually(
    name: str, reason: str, configs: Configs, tmp_path: Path
) -> None:
    jobs = networks(configs, name, ("seed=0",), ("seed=1",))
    with allowed():
        outcomes = train_stack([Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(jobs)])
    assert [outcome.not_stacked for outcome in outcomes] == [reason, reason]


def test_another_architecture_is_trained_individually(configs: Configs, tmp_path: Path) -> None:
    jobs = networks(configs, "Drawn", ("seed=0",), ("seed=1",), ("seed=0", "loss=mse"))
    with allowed():
        outcomes = train_stack([Job(cfg, tmp_path / str(n)) for n, cfg in enumerate(jobs)])
    assert [outcome.not_stacked for outcome in outcomes] == [
        None,
        "Drawn differs in architecture from the stack's first run",
        None,
    ]
