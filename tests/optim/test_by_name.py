"""Every optimizer of pytorch-optimizer by its name: built with its defaults, or refused with its reason."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
import pytorch_optimizer
import torch
from torch import nn
from torch.optim import Optimizer

from abreast.errors import ConfigError
from abreast.learner.random_state import random_state, set_random_state
from abreast.optim import Lookahead, by_name
from abreast.optim.by_name import REFUSED, _registry
from abreast.optim.step_needs import backward, needs_closure, needs_graph
from support.helpers import same

NAMES = list(pytorch_optimizer.get_supported_optimizers())
USED = [name for name in NAMES if name not in REFUSED]
INPUTS = torch.randn(32, 6, generator=torch.Generator().manual_seed(1))
LABELS = torch.randint(4, (32,), generator=torch.Generator().manual_seed(2))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))


def train(net: nn.Module, optimizer: Optimizer, steps: int) -> float:
    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        with torch.enable_grad():
            loss = nn.functional.cross_entropy(net(INPUTS), LABELS)
            backward(loss, with_graph=needs_graph(optimizer))
        return loss

    loss = torch.zeros(())
    for _ in range(steps):
        if needs_closure(optimizer):
            optimizer.step(closure)  # type: ignore[arg-type]
        else:
            loss = closure()
            optimizer.step()
    return loss.item()


def test_there_are_128_and_few_are_refused() -> None:
    assert len(NAMES) == 128
    assert len(USED) == 112
    assert {*REFUSED} < {*NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_each_is_built_or_refused(name: str) -> None:
    if name in REFUSED:
        with pytest.raises(ConfigError, match=rf"^optim\.name={name}: not used, as it"):
            by_name(network().parameters(), name)
        return
    net = network()
    optimizer = by_name(net.parameters(), name, num_iterations=20)
    parameters = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert parameters == {id(p) for p in net.parameters()}


@pytest.mark.long
@pytest.mark.parametrize("name", USED)
def test_each_trains_and_resumes(name: str) -> None:
    net, again = network(), network()
    memory = [p.data_ptr() for p in net.parameters()]
    optimizer = by_name(net.parameters(), name, num_iterations=20)
    train(net, optimizer, 4)
    assert [p.data_ptr() for p in net.parameters()] == memory  # a lane's weights are views
    file = io.BytesIO()
    torch.save([net.state_dict(), optimizer.state_dict()], file)
    file.seek(0)
    weights, state = torch.load(file, weights_only=True)
    again.load_state_dict(weights)
    resumed = by_name(again.parameters(), name, num_iterations=20)
    resumed.load_state_dict(state)
    random = random_state()  # Kron draws from NumPy's, too
    train(net, optimizer, 3)
    set_random_state(random)
    train(again, resumed, 3)
    assert same(dict(net.state_dict()), dict(again.state_dict()))
    assert all(p.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("Yogy", {}, r"has no such optimizer\. Did you mean optim\.name=Yogi\?"),
        ("yogi", {"beta": 1}, r"optim\.beta: no such key\. Yogi takes: lr, betas.*Did you mean optim\.betas"),
        ("Lion", {"cautios": True}, r"optim\.cautios: no such key.*Did you mean optim\.cautious\?"),
        ("SAM", {}, r"has no such optimizer"),
        ("DeMo", {}, r"not used, as it requires processes"),
        ("../../x", {}, r"has no such optimizer"),
    ],
)
def test_mistakes(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        by_name(network().parameters(), name, **settings)


def test_names_in_any_spelling() -> None:
    kinds = {type(by_name(network().parameters(), name)) for name in ("SGDP", "sgd_p", "sgdp")}
    assert kinds == {pytorch_optimizer.SGDP}


def test_settings_reach_the_class() -> None:
    (group,) = by_name(network().parameters(), "Lion", lr=0.5, cautious=True, weight_decay=0.1).param_groups
    assert (group["lr"], group["cautious"], group["weight_decay"]) == (0.5, True, 0.1)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    _registry.cache_clear()
    with pytest.raises(ConfigError, match=r"is not installed: pip install 'abreast\[optimizers\]'"):
        by_name(network().parameters(), "Lion")
    assert isinstance(Lookahead(network().parameters()).base, torch.optim.AdamW)  # needs none
