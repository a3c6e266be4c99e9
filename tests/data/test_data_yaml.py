"""Every YAML of the data group fits its function: the same arguments, the same defaults."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest
import yaml

from abreast.data.source import Source

FOLDER = Path(__file__).parents[2] / "conf" / "data"
FILES = sorted(FOLDER.glob("*.yaml"))
LOADER = {"task", "batch_size", "eval_batch_size", "val_fraction", "split_seed", "normalize"}
SHIPPED = {
    "digits",
    "mnist",
    "fashion_mnist",
    "kmnist",
    "idx",
    "random",
    "random_noise",
    "random_regression",
}


def function_of(config):
    module, _, name = config["_target_"].rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_the_files_are_found():
    assert {path.stem for path in FILES} >= SHIPPED


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_keys_are_the_functions_arguments_and_the_loaders(path):
    config = yaml.safe_load(path.read_text())
    parameters = inspect.signature(function_of(config)).parameters
    of_classes = {"label_noise"} if config["task"] == "classification" else set()
    assert set(config) == {"_target_", *parameters, *LOADER, *of_classes}
    for name, parameter in parameters.items():
        default = "???" if parameter.default is inspect.Parameter.empty else parameter.default
        assert config[name] == default, name
        assert type(config[name]) is type(default), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_loader_keys_have_values_that_can_be(path):
    config = yaml.safe_load(path.read_text())
    assert config["task"] in ("classification", "regression")
    assert config["batch_size"] >= 1
    assert config["eval_batch_size"] == 1024
    assert 0 <= config["val_fraction"] < 1
    assert config["split_seed"] == 0
    assert config.get("label_noise", 0.0) == 0.0
    assert isinstance(config["normalize"], bool)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_file_opens_with_what_it_is_and_its_command(path):
    head = path.read_text().partition("_target_")[0].splitlines()
    assert len(head) >= 3
    assert all(line.startswith("# ") for line in head)
    assert any(line.startswith(f"#   python train.py data={path.stem}") for line in head)


@pytest.mark.parametrize("name", ["digits", "random", "random_noise", "random_regression"])
def test_the_values_make_a_source_of_the_task(name):
    config = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    function = function_of(config)
    source = function(**{key: config[key] for key in inspect.signature(function).parameters})
    assert isinstance(source, Source)
    assert (config["task"] == "classification") == bool(source.classes)
