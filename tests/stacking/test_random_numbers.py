"""A lane's random numbers are those of its individual run, whoever its neighbours are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import execution_whitelist

from abreast.config.schema import LoaderKeys, names
from abreast.stacking import random_numbers
from abreast.stacking.build import Job
from abreast.stacking.losses import stacked_loss as losses
from abreast.stacking.options import Options
from abreast.stacking.run import train_stack
from abreast.training.run import run
from support.helpers import WHITELIST
from support.stacks import Check, Configs

SEEDS = (("seed=0",), ("seed=1", "optim=sgd"), ("seed=2", "loss=mse"), ("seed=0", "optim.lr=0.01"))


def noisy(configs: Configs, *common: str) -> list[dict[str, Any]]:
    """Runs with a custom loss, but for the third."""
    runs = configs(common, *SEEDS)
    for number, config in enumerate(runs):
        if number != 2:
            config["loss"]["criterion"] = {"_target_": "support.noisy.NoisyLoss"}
    return runs


def train_both(
    runs: list[dict[str, Any]], path: Path, options: Options | None = None
) -> list[tuple[Path, Path]]:
    with execution_whitelist([*WHITELIST, "support.*"]):
        jobs = [Job(cfg, path / f"lane{number}") for number, cfg in enumerate(runs)]
        for outcome in train_stack(jobs, options):
            assert outcome.error is None
            assert outcome.not_stacked is None
        for number, cfg in enumerate(runs):
            run(cfg, path / f"plain{number}")
    return [(path / f"lane{number}", path / f"plain{number}") for number in range(len(runs))]


@pytest.mark.parametrize("common", [("model.dropout=0.3",), ("trainer.check_val_every_n_epoch=2",)])
def test_a_custom_loss_draws_what_it_draws_alone(
    common: tuple[str, ...], configs: Configs, tmp_path: Path, check: Check
) -> None:
    for lane, plain in train_both(noisy(configs, *common), tmp_path, Options(threads=2, chunk_lanes=2)):
        check(lane, plain)


def test_without_protection_neighbours_matter(
    configs: Configs, tmp_path: Path, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "is_custom_module", lambda module: False)
    (lane, plain), *_ = train_both(noisy(configs), tmp_path)
    with pytest.raises(AssertionError):
        check(lane, plain)


@pytest.mark.parametrize("way", ["torch", "functional", "numpy", "python"])
def test_a_network_that_draws_is_trained_individually(way: str, configs: Configs, tmp_path: Path) -> None:
    runs = configs((), ("seed=0",), ("seed=1",))
    for config in runs:
        config["model"] = {"_target_": "support.noisy.NoisyNet", "way": way}
    with execution_whitelist([*WHITELIST, "support.*"]):
        outcomes = train_stack([Job(cfg, tmp_path / str(number)) for number, cfg in enumerate(runs)])
    for outcome in outcomes:
        assert outcome.not_stacked is not None
        assert outcome.not_stacked.startswith("NoisyNet cannot be batched (")
        assert "random" in outcome.not_stacked


def test_an_optimizer_that_draws_is_trained_individually(configs: Configs, tmp_path: Path) -> None:
    runs = configs((), ("seed=0",), ("seed=1",))
    for config in runs:
        config["optim"] = {"_target_": "support.noisy.NoisySGD", "_partial_": True, "lr": 0.1}
    with execution_whitelist([*WHITELIST, "support.*"]):
        outcomes = train_stack([Job(cfg, tmp_path / str(number)) for number, cfg in enumerate(runs)])
    assert all(outcome.not_stacked and "draws random numbers" in outcome.not_stacked for outcome in outcomes)


def test_looking_leaves_the_generators_as_they_were() -> None:
    before = torch.get_rng_state()
    assert random_numbers.draws(lambda: torch.rand(3))
    assert not random_numbers.draws(lambda: torch.ones(3))
    assert torch.equal(torch.get_rng_state(), before)


def test_data_that_depend_on_the_seed_are_not_shared(configs: Configs, tmp_path: Path, check: Check) -> None:
    runs = configs((), ("seed=1",), ("seed=1", "optim=sgd"), ("seed=2",))
    for config in runs:
        config["data"] = {key: config["data"][key] for key in names(LoaderKeys) if key in config["data"]}
        config["data"]["_target_"] = "support.noisy.drawn_source"
    with execution_whitelist([*WHITELIST, "support.*"]):
        outcomes = train_stack([Job(cfg, tmp_path / str(number)) for number, cfg in enumerate(runs)])
        run(runs[1], tmp_path / "plain")
    assert [outcome.not_stacked is None for outcome in outcomes] == [True, True, False]
    assert "by the run's seed" in str(outcomes[2].not_stacked)
    check(tmp_path / "1", tmp_path / "plain")
