"""A short training tells what the whole one takes, and leaves nothing."""

from __future__ import annotations

import math
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from torch import nn

from abreast.config.types import Config
from abreast.stacking.grouping import lane_key
from abreast.stacking.options import Options
from abreast.stacking.probe import ProbeError, probe_run, probe_stack
from support.helpers import compose

LOGGER = "mlflow" if find_spec("mlflow") else "tensorboard"  # it must write nothing here either
SMALL = ("data=random", "data.size=300", "data.test_size=50", "model.hidden=[8]", "trainer=cpu")


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


class Hooked(nn.Linear):
    """A network that no stack can have."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.register_forward_hook(lambda module, inputs, output: 2 * output)


def config(*overrides: str) -> Config:
    return {**compose(*SMALL, *overrides), "names": {}}


def test_a_stack_is_measured_and_a_lane_that_cannot_be_stacked_is_named(tmp_path: Path) -> None:
    configs = [config(f"seed={seed}") for seed in range(3)]
    odd = config("optim=any", "optim.name=SophiaH")
    odd["optim"] = {**odd["optim"], "elementwise": True}
    cost = probe_stack([*configs, odd], Options())
    assert cost.epochs == 10
    assert 0 < cost.epoch[0] <= cost.epoch[1] < 10
    assert cost.run_bytes > 1000
    assert cost.epoch_bytes > 50
    assert [*cost.individual] == [lane_key(odd)]
    assert "SophiaH" in cost.individual[lane_key(odd)]
    assert not [*tmp_path.iterdir()]


def test_a_network_that_cannot_be_stacked_is_named() -> None:
    configs = [config(f"seed={seed}") for seed in range(2)]
    for cfg in configs:
        cfg["model"] = {"_target_": f"{__name__}.Hooked"}
    cost = probe_stack(configs, Options())
    assert set(cost.individual.values()) == {"Hooked has hooks (Hooked)"}


def test_a_run_of_few_steps_is_measured(tmp_path: Path) -> None:
    cost = probe_run(config("trainer.max_steps=6", "data.batch_size=100", f"logger={LOGGER}"))
    assert cost.epochs == 2
    low, high = cost.seconds(1)
    assert 0 < low < high
    endless = probe_run(config("trainer.max_epochs=-1"))
    assert math.isinf(endless.seconds(1)[1])
    assert not [*tmp_path.iterdir()]


def test_what_is_not_there_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match=r"^MNIST is not on this machine$"):
        probe_run(compose("data=mnist", f"data.dir={tmp_path / 'none'}"))
    with pytest.raises(ProbeError, match="several processes"):
        probe_run(config("trainer.strategy=ddp", "trainer.devices=2"))
    assert not [*tmp_path.iterdir()]
