"""Sharpness-aware minimisation, step by step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from abreast.errors import ConfigError
from abreast.optim import SAM

INPUTS = torch.randn(16, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def trained(net: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 3) -> list[float]:
    losses = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = net(INPUTS).exp().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.item())
        return loss

    for _ in range(steps):
        optimizer.step(closure)  # type: ignore[arg-type]
    return losses


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_papers_algorithm(adaptive: bool) -> None:
    ours, net = network(), network()
    trained(ours, SAM(ours.parameters(), lr=0.1, rho=0.5, adaptive=adaptive))
    parameters = list(net.parameters())
    w = nn.utils.parameters_to_vector(parameters).detach()

    def gradient(at: Tensor) -> Tensor:
        nn.utils.vector_to_parameters(at, parameters)
        return torch.cat([g.flatten() for g in torch.autograd.grad(net(INPUTS).exp().mean(), parameters)])

    for _ in range(3):
        g = gradient(w)
        # Kwon et al. 2021, equation 7, T = |w|; with T = 1 Foret et al. 2021, equation 2
        t = w.abs() if adaptive else torch.ones_like(w)
        w = w - 0.1 * gradient(w + 0.5 * t**2 * g / (t * g).norm())
    torch.testing.assert_close(nn.utils.parameters_to_vector(ours.parameters()), w, rtol=1e-9, atol=1e-12)


def test_by_hand() -> None:
    # f(w) = w^2 / 2 at w = 2 with rho = 0.5: the gradient at 2.5 is 2.5, and the step 2 - 0.1 * 2.5.
    weight = nn.Parameter(torch.tensor([2.0]))
    optimizer = SAM([weight], lr=0.1, rho=0.5)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = weight.square().sum() / 2
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2.0
    assert weight.item() == pytest.approx(1.75)


def test_without_a_neighbourhood_it_is_its_base() -> None:
    ours, theirs = network(), network()
    trained(ours, SAM(ours.parameters(), lr=0.01, rho=0.0, base="Adam"))
    trained(theirs, torch.optim.Adam(theirs.parameters(), lr=0.01))
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_a_base_that_does_not_exist() -> None:
    with pytest.raises(ConfigError, match=r"^optim\.base=AdamX1: .*has no such optimizer"):
        SAM(network().parameters(), base="AdamX1")
    with pytest.raises(ConfigError, match=r"optim\.momentun: no such key.*Did you mean optim\.momentum"):
        SAM(network().parameters(), momentun=0.9)


@pytest.mark.parametrize(
    ("base", "reason"),
    [("LBFGS", "takes more of a step"), ("SophiaH", "takes more of a step"), ("ScheduleFreeSGD", "averages")],
)
def test_a_base_that_cannot_be_wrapped(base: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"optim\.base: {base} {reason}.*; choose another"):
        SAM(network().parameters(), base=base)
