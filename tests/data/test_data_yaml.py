"""Every YAML of the data group fits its function: the same arguments, the same defaults."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml

from abreast.config.schema import TASKS, LoaderKeys, defaults, names
from abreast.data.source import Source

FOLDER = Path(__file__).parents[2] / "conf" / "data"
FILES = sorted(FOLDER.glob("*.yaml"))
SHIPPED = {
    "digits",
    "mnist",
    "fashion_mnist",
    "given",
    "kmnist",
    "idx",
    "images",
    "npz",
    "random",
    "random_noise",
    "random_regression",
    "sklearn",
    "table",
    "torchvision",
}


def function_of(config: Any) -> Any:
    module, _, name = config["_target_"].rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_the_files_are_found() -> None:
    assert {path.stem for path in FILES} >= SHIPPED


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_keys_are_the_functions_arguments(path: Any) -> None:
    """Beside the loader's, of which a file only holds those that differ from the schema."""
    config = yaml.safe_load(path.read_text())
    task, itself = config.pop("defaults")
    if (FOLDER / f"{task}.yaml").is_file():  # an option with some keys set: those of the other one
        inherited = yaml.safe_load((FOLDER / f"{task}.yaml").read_text())
        assert set(config) < set(inherited)
        config = inherited
        task, _ = config.pop("defaults")
    assert task in [f"/{name}@_here_" for name in TASKS]
    assert itself == "_self_"
    loader = {name: config.pop(name) for name in names(LoaderKeys) if name in config}
    if "task" in loader:
        assert loader.pop("task") == "${abreast.sklearn_task:${.name}}"
    assert all(defaults(LoaderKeys)[name] != value for name, value in loader.items())
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(function_of(config)).parameters.items()
        if name not in names(LoaderKeys)
    }
    assert set(config) == {"_target_", *parameters}
    for name, parameter in parameters.items():
        default = "???" if parameter.default is inspect.Parameter.empty else parameter.default
        default = list(default) if isinstance(default, tuple) else default
        assert config[name] == default, name
        assert type(config[name]) is type(default), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_file_opens_with_what_it_is_and_its_command(path: Any) -> None:
    head = path.read_text().partition("defaults:")[0].splitlines()
    assert len(head) >= 2
    assert all(line.startswith("# ") for line in head)
    if path.stem == "given":  # in Python
        assert "abreast.train(data=(X, y))" in head[0]
        return
    assert any(line.startswith(f"#   python train.py data={path.stem}") for line in head)


@pytest.mark.parametrize("name", ["digits", "random", "random_noise", "random_regression", "sklearn"])
def test_the_values_make_a_source_of_the_task(name: str) -> None:
    config = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    function = function_of(config)
    source = function(**{key: config[key] for key in inspect.signature(function).parameters})
    assert isinstance(source, Source)
    assert (config["defaults"][0] == "/classification@_here_") == bool(source.classes)
