"""Every network option in a stack: bitwise its individual run, by the batched path."""

from __future__ import annotations

import pytest
from torch import nn

from abreast.models import Residual
from abreast.stacking import chunk
from support.networks import NETWORKS, configuration
from support.stacks import Both, Check


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network(name: str, both: Both, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(chunk, "VmappedNet")  # nothing falls back to it
    lanes = ((), ("seed=1", "optim=momentum"), ("seed=2", "loss=mse"))
    for lane, alone in both([configuration(name, *more) for more in lanes]):
        check(lane, alone)


class Custom(nn.Sequential):
    """A convolutional network of a user's."""

    def __init__(self, in_shape: tuple[int, ...], out_features: int, *, channels: int = 6) -> None:
        super().__init__(
            nn.Conv2d(in_shape[0], channels, 3, padding="same", bias=False),
            nn.BatchNorm2d(channels),
            nn.SiLU(),
            Residual([nn.Conv2d(channels, channels, 3, padding=1, groups=2), nn.Tanh()]),
            nn.AvgPool2d(2),
            nn.Dropout2d(0.1),
            nn.Sequential(nn.Conv2d(channels, 4, 1, stride=2), nn.ELU()),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, out_features),
        )


def test_a_custom_network(both: Both, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(chunk, "VmappedNet")
    configs = [configuration("linear", f"seed={seed}") for seed in range(3)]
    for config in configs:
        config["model"] = {"_target_": f"{__name__}.Custom", "channels": 8}
    for lane, alone in both(configs, chunk_lanes=2):
        check(lane, alone)
