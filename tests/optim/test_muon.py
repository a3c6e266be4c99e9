"""Optimizers: every YAML is the library's own, and the composed ones equal their parts."""

from __future__ import annotations

import inspect
from copy import deepcopy

import pytest
import torch
from hydra.utils import get_object, instantiate
from torch import nn

from abreast.build.components import optimizer_node
from abreast.optim.muon import MuonAdamW
from abreast.optim.step_needs import backward, needs_graph
from support.helpers import allowed, compose, options

# What a file sets on purpose: what its name says.
MEANT = {
    "any": {"name"},
    "cautious_adopt": {"cautious"},
    "cautious_lion": {"cautious"},
    "momentum": {"momentum"},
    "nesterov": {"momentum", "nesterov"},
}
# What the run itself reads or fills in, and the same rule in one kernel.
SKIPPED = ("_target_", "_partial_", "fused", "adamw", "elementwise", "num_iterations")
DENSE = {  # torch.optim.__all__ without SparseAdam, the base class and what is no optimizer
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "ASGD",
    "LBFGS",
    "Muon",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
}


def plain(value: object) -> object:
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("name", options("optim"))
def test_defaults_are_the_librarys(name: str) -> None:
    node = compose(f"optim={name}")["optim"]
    target = torch.optim.Muon if name == "muon" else get_object(node["_target_"])
    defaults = {key: p.default for key, p in inspect.signature(target).parameters.items()}
    for key, value in node.items():
        if key in SKIPPED or key in MEANT.get(name, ()):
            continue
        assert value == plain(defaults[key]), key
    if name == "muon":
        theirs = {key: p.default for key, p in inspect.signature(torch.optim.AdamW).parameters.items()}
        assert all(value == plain(theirs[key]) for key, value in node["adamw"].items())


def test_every_dense_optimizer_of_torch_has_a_file() -> None:
    targets = {compose(f"optim={name}")["optim"]["_target_"].rsplit(".", 1)[1] for name in options("optim")}
    assert {*targets, "Muon"} >= DENSE
    found = {n for n in torch.optim.__all__ if isinstance(getattr(torch.optim, n), type)}
    assert found - {"Optimizer", "SparseAdam"} == DENSE


@pytest.mark.parametrize("name", options("optim"))
def test_every_optimizer_lowers_a_quadratic(name: str) -> None:
    torch.manual_seed(0)
    net = nn.Linear(3, 3)
    inputs, wanted = torch.randn(64, 3), torch.randn(64, 3)
    with allowed():
        node = optimizer_node(compose(f"optim={name}"), total_steps=300)
        optimizer = instantiate(node, _convert_="all")(net.parameters())
    if hasattr(optimizer, "train"):
        optimizer.train()

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (net(inputs) - wanted).square().mean()
        backward(loss, with_graph=needs_graph(optimizer))
        return loss

    before = closure().item()
    for _ in range(200 if name == "dadapt_adam" else 20):  # it starts with steps of 1e-6
        optimizer.step(closure)
    assert closure().item() < before


def test_muon_is_muon_for_matrices_and_adamw_for_the_rest() -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(4, 3), nn.Linear(4, 3)
    theirs.load_state_dict(ours.state_dict())
    both = MuonAdamW(ours.parameters(), lr=0.02, adamw={"lr": 0.01})
    muon = torch.optim.Muon([theirs.weight], lr=0.02)
    adamw = torch.optim.AdamW([theirs.bias], lr=0.01)
    for _ in range(3):
        inputs = torch.randn(5, 4)
        for net in (ours, theirs):
            net.zero_grad()
            net(inputs).square().sum().backward()
        both.step()
        muon.step()
        adamw.step()
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)


def test_muon_goes_on_from_its_state() -> None:
    torch.manual_seed(0)
    net = nn.Linear(4, 3)
    first = MuonAdamW(net.parameters())

    def step(optimizer: MuonAdamW, module: nn.Module, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        optimizer.zero_grad()
        module(torch.randn(5, 4, generator=generator)).square().sum().backward()
        optimizer.step()

    step(first, net, 0)
    copy = nn.Linear(4, 3)
    copy.load_state_dict(net.state_dict())
    second = MuonAdamW(copy.parameters())
    second.load_state_dict(deepcopy(first.state_dict()))
    second.param_groups[0]["lr"] *= 0.5  # what a schedule does must reach the parts after a load too
    first.param_groups[0]["lr"] *= 0.5
    step(first, net, 1)
    step(second, copy, 1)
    assert torch.equal(net.weight, copy.weight)
    assert torch.equal(net.bias, copy.bias)


@pytest.mark.parametrize("shape", ["matrices only", "none at all"])
def test_muon_without_one_kind_of_parameter(shape: str) -> None:
    net = nn.Linear(3, 2, bias=False) if shape == "matrices only" else nn.BatchNorm1d(3)
    optimizer = MuonAdamW(net.parameters())
    net(torch.randn(4, 3)).square().sum().backward()
    before = [p.clone() for p in net.parameters()]
    optimizer.step()
    assert all(not torch.equal(p, b) for p, b in zip(net.parameters(), before, strict=True) if p.grad.any())
