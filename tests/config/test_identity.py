"""Which settings are equal, and which runs are."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from abreast.config.identity import identity
from abreast.config.run_id import run_id, run_ids
from support.helpers import compose


def _changed(key: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(compose("trainer=cpu"))
    node = config
    *path, name = key.split(".")
    for part in path:
        node = node[part]
    node[name] = value
    return config


@pytest.mark.parametrize(("key", "value"), [("trainer.accelerator", "auto"), ("test", False), ("seed", 3)])
def test_settings_that_are_equal(key: str, value: Any) -> None:
    assert identity(_changed(key, value)) == identity(compose("trainer=cpu"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("loss.scores", "probs"),
        ("loss.tasks", ["classification", "regression"]),
        ("optim.lr", 0.0010000001),
        ("optim.weight_decay", False),
        ("data.eval_batch_size", 100),
        ("data.normalize", False),
        ("compile", True),
        ("trainer.devices", 2),
        ("trainer.precision", "bf16-mixed"),
    ],
)
def test_settings_that_differ(key: str, value: Any) -> None:
    assert identity(_changed(key, value)).settings != identity(compose("trainer=cpu")).settings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/here/x.csv", "/there/x.csv"),
        (["/here/a.csv", "/here/b.csv"], ["/there/a.csv", "/there/b.csv"]),
        ({"train": "/here/a", "test": "/here/b"}, {"train": "/there/a", "test": "/there/b"}),
    ],
)
def test_where_data_lie_is_no_setting(one: Any, other: Any) -> None:
    """The digest of the data tells whether they differ; a value beside the paths is a setting."""
    assert identity(_changed("data.files", one)).settings == identity(_changed("data.files", other)).settings
    assert identity(_changed("data.files", one)).paths != identity(_changed("data.files", other)).paths
    mixed = [[*part, 3] if isinstance(part, list) else {"rows": 3, "file": part} for part in (one, other)]
    mine, others = (identity(_changed("data.files", value)).settings for value in mixed)
    assert mine != others


def test_another_device_is_the_same_run_of_another_id() -> None:
    cpu, auto = compose("trainer=cpu"), compose()
    assert run_id(cpu) != run_id(auto)
    assert run_ids(cpu)[0] == run_id(cpu)
    assert run_id(auto) in run_ids(cpu)
    assert run_id(compose("seed=1")) not in run_ids(cpu)
