"""The row of hyperparameters names what was chosen, and nothing that cannot change a result."""

from __future__ import annotations

import pytest

from abreast.loggers.hyperparameters import hyperparameters
from support.helpers import compose


def test_a_row() -> None:
    row = hyperparameters(compose("loss=mse", "optim=muon", "model.hidden=[8,4]", "schedule=step"))
    assert row["loss"] == "MSELoss"
    assert row["optim"] == "MuonAdamW"
    assert row["schedule"] == "StepLR"
    assert row["model.hidden"] == "[8, 4]"
    assert row["optim.adamw.lr"] == 0.001
    assert row["schedule.scheduler.step_size"] == 5
    assert row["trainer.max_epochs"] == 10
    assert not [key for key in row if key.startswith("logger")]
    assert not [key for key in row if key.endswith("_target_")]
    targets = {key: value for key, value in row.items() if key.startswith("target.")}
    assert targets == {
        "target.loss": "torch.nn.MSELoss",
        "target.schedule": "torch.optim.lr_scheduler.StepLR",
    }
    assert [key for key in sorted(row) if key in ("loss", "optim", "target.loss")][-1] == "target.loss"
    assert all(isinstance(value, (str, int, float, bool)) for value in row.values())


def test_options_have_their_names_where_they_are_known() -> None:
    config = {**compose("optim=nesterov"), "names": {"optim": "nesterov"}}
    assert hyperparameters(config)["optim"] == "nesterov"
    assert hyperparameters(compose())["schedule"] == "constant"


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("data.split_seed=3", "data.split_seed", 3),
        ("data.val_fraction=0.3", "data.val_fraction", 0.3),
        ("data.normalize=false", "data.normalize", False),
        ("trainer.limit_train_batches=2", "trainer.limit_train_batches", 2),
        ("loss.scores=probs", "loss.scores", "probs"),
        ("matmul_precision=bf16", "matmul_precision", "bf16"),
        ("data.label_noise=0.2", "data.label_noise", 0.2),
    ],
)
def test_a_key_of_the_identity_is_in_the_row(override: str, key: str, value: object) -> None:
    usual = hyperparameters(compose("loss=mse"))
    row = hyperparameters(compose("loss=mse", override))
    assert (row[key], type(row[key])) == (value, type(value))
    assert row.keys() == usual.keys()
    assert {name for name in row if row[name] != usual[name]} == {key}


def test_keys_that_are_neutral_are_not_in_the_row() -> None:
    row = hyperparameters(compose("loss=mse"))
    assert row == hyperparameters(compose("loss=mse", "steps_per_execution=1", "logger=none"))
