"""The row of hyperparameters names what was chosen, and nothing that cannot change a result."""

from __future__ import annotations

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
    assert not [key for key in row if key.startswith(("callbacks", "logger")) or key.endswith("_target_")]
    assert all(isinstance(value, (str, int, float, bool)) for value in row.values())


def test_options_have_their_names_where_they_are_known() -> None:
    config = {**compose("optim=nesterov"), "names": {"optim": "nesterov"}}
    assert hyperparameters(config)["optim"] == "nesterov"
    assert hyperparameters(compose())["schedule"] == "constant"
