"""Each key that is said not to change a result is changed, and the result is bitwise the same."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from abreast.config.identity import identity
from abreast.config.neutral_keys import EXECUTION_KEYS, NEUTRAL_KEYS, OBSERVERS, is_neutral, without_neutral
from abreast.config.run_id import run_id
from abreast.data.files import NAMES
from abreast.runs.directory import RunDirectory
from abreast.training.run import run
from support.helpers import allowed, compose, same

ROWS = {"train": 60, "t10k": 20}


def _write_idx(path: Path, values: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    head = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(head + values.tobytes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set in the layout of MNIST."""
    folder = tmp_path_factory.mktemp("mnist")
    random = np.random.default_rng(0)
    for name in NAMES:
        rows = ROWS[name.split("-")[0]]
        labels = np.arange(rows, dtype=np.uint8) % 10
        images = random.integers(0, 256, (rows, 28, 28), dtype=np.uint8)
        _write_idx(folder / name, images if "images" in name else labels)
    return folder


@pytest.fixture(scope="module")
def config(folder: Path) -> dict[str, Any]:
    overrides = ["data=mnist", "data.batch_size=16", "trainer=cpu", "trainer.max_epochs=2"]
    return compose(*overrides, "model.dropout=0.1", f"data.dir={folder}", "logger=none")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Trains a configuration and gives what must not change."""

    def train(config: dict[str, Any]) -> dict[str, Any]:
        directory = RunDirectory(tmp_path_factory.mktemp("run") / "run")
        with allowed():
            run(config, directory.path)
        checkpoint = torch.load(directory.checkpoints / "last.ckpt", weights_only=True)
        result = directory.read_result()
        return {
            "weights": checkpoint["state_dict"],
            "optimizer": checkpoint["optimizer_states"],
            "metrics": result["metrics"],
            "epoch": result["epoch"],
            "curve": [{**row, "seconds": 0.0} for row in directory.read_metrics()],
        }

    return train


@pytest.fixture(scope="module")
def reference(config: dict[str, Any], trained: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return trained(config)


CHANGES: dict[str, Callable[[dict[str, Any], Path], Any]] = {
    "names": lambda config, path: {"data": "something_else"},
    "sweep": lambda config, path: {"on_fail": "stop"},
    "logger": lambda config, path: compose("logger=tensorboard")["logger"],
    "steps_per_execution": lambda config, path: 1,
    "optim.elementwise": lambda config, path: True,
    "data.dir": lambda config, path: str(shutil.copytree(config["data"]["dir"], path / "copy")),
    "data.mirrors": lambda config, path: ["https://mirror.invalid/"],
    "trainer.log_every_n_steps": lambda config, path: 1,
}
CALLBACKS = {
    "without progress": {"pictures": {"_target_": "abreast.callbacks.TestImages", "worst": 25}},
    "without images": {"progress": {"_target_": "abreast.callbacks.Progress"}},
    "fewer images": {"pictures": {"_target_": "abreast.callbacks.TestImages", "worst": 1}},
    "none": {},
}


def test_every_neutral_key_and_observer_is_changed_here() -> None:
    assert CHANGES.keys() == NEUTRAL_KEYS.keys()
    targets = {node["_target_"] for callbacks in CALLBACKS.values() for node in callbacks.values()}  # type: ignore[attr-defined]
    assert targets == OBSERVERS
    assert all(NEUTRAL_KEYS.values())  # each has its reason


@pytest.mark.parametrize("key", NEUTRAL_KEYS)
def test_a_neutral_key_changes_no_bit(
    key: str, config: dict[str, Any], reference: dict[str, Any], trained: Any, tmp_path: Path
) -> None:
    changed = copy.deepcopy(config)
    node, name = changed, key
    if "." in key:
        group, name = key.split(".")
        node = changed[group]
    value = CHANGES[key](config, tmp_path)
    assert node.get(name) != value
    node[name] = value
    assert same(trained(changed), reference)
    assert run_id(changed) == run_id(config)


def test_the_device_changes_no_setting_and_no_bit_on_the_same_device(
    config: dict[str, Any], reference: dict[str, Any], trained: Any
) -> None:
    changed = {**config, "trainer": {**config["trainer"], "accelerator": "auto"}}
    assert changed != config
    assert identity(changed) == identity(config)
    if not torch.cuda.is_available():  # there `auto` is another device, whose kernels round otherwise
        assert same(trained(changed), reference)


@pytest.mark.parametrize("key", ["enable_progress_bar", "enable_model_summary"])
def test_what_lightning_shows_changes_no_setting_and_no_bit(
    key: str, config: dict[str, Any], reference: dict[str, Any], trained: Any
) -> None:
    changed = {**config, "trainer": {**config["trainer"], key: True}}
    assert changed != config
    assert identity(changed) == identity(config)
    assert same(trained(changed), reference)


def test_a_test_changes_no_setting_and_no_bit(
    config: dict[str, Any], reference: dict[str, Any], trained: Any
) -> None:
    changed = {**config, "test": not config["test"]}
    assert identity(changed) == identity(config)
    untested = {name: value for name, value in reference["metrics"].items() if not name.startswith("test/")}
    assert untested != reference["metrics"]
    assert same(trained(changed), {**reference, "metrics": untested})


def test_more_metrics_change_no_setting_and_no_bit(
    config: dict[str, Any], reference: dict[str, Any], trained: Any
) -> None:
    changed = {**config, "metrics": compose("metrics=[auroc,brier]")["metrics"]}
    assert identity(changed) == identity(config)
    assert run_id(changed) != run_id(config)  # or what was asked for would not be measured
    found = trained(changed)
    names = {f"{stage}/{name}" for stage in ("train", "val", "test") for name in ("auroc", "brier")}
    assert names <= found["metrics"].keys()
    without = {name: value for name, value in found["metrics"].items() if name not in names}
    curve = [{name: value for name, value in row.items() if name not in names} for row in found["curve"]]
    assert same({**found, "metrics": without, "curve": curve}, reference)


def test_no_metrics_are_no_key(config: dict[str, Any]) -> None:
    assert config["metrics"] == {}
    earlier = {key: value for key, value in config.items() if key != "metrics"}
    assert run_id(earlier) == run_id(config)
    assert identity(earlier) == identity(config)


def test_every_execution_key_is_changed_here() -> None:
    shown = {"trainer.enable_progress_bar", "trainer.enable_model_summary"}
    assert EXECUTION_KEYS.keys() == {"trainer.accelerator", "cuda_graph", "test", "metrics", *shown}
    assert all(EXECUTION_KEYS.values())


@pytest.mark.parametrize("value", [True, False])
def test_graphs_change_no_setting_and_no_bit_without_a_gpu(
    value: bool, config: dict[str, Any], reference: dict[str, Any], trained: Any
) -> None:
    changed = {**config, "cuda_graph": value}
    assert same(trained(changed), reference)
    assert identity(changed) == identity(config)
    assert run_id(changed) != run_id(config)
    earlier = {key: item for key, item in config.items() if key != "cuda_graph"}
    assert run_id(earlier) == run_id(config)


@pytest.mark.parametrize("name", CALLBACKS)
def test_an_observer_changes_no_bit(
    name: str, config: dict[str, Any], reference: dict[str, Any], trained: Any
) -> None:
    changed = {**config, "callbacks": CALLBACKS[name]}
    assert changed["callbacks"] != config["callbacks"]
    assert same(trained(changed), reference)
    assert run_id(changed) == run_id(config)


def test_what_is_neutral_by_name() -> None:
    assert is_neutral("logger")
    assert is_neutral("logger.csv.name")
    assert is_neutral("data.dir")
    assert not is_neutral("data")
    assert not is_neutral("data.directory")
    assert not is_neutral("trainer.max_epochs")


def test_without_neutral_leaves_the_rest(config: dict[str, Any]) -> None:
    before = json.dumps(config)
    kept = without_neutral(config)
    assert json.dumps(config) == before
    assert {"dir", "mirrors"} & kept["data"].keys() == set()
    assert kept["data"].keys() | {"dir", "mirrors"} == config["data"].keys()
    assert kept["model"] == config["model"]
    assert kept["callbacks"] == {}
