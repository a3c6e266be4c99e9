"""Our own keys are said once: what Hydra composes, what is checked and what --help prints is the schema."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import get_args, get_type_hints

import pytest

from abreast.config.schema import (
    TASKS,
    LoaderKeys,
    RunKeys,
    ScheduleKeys,
    SweepKeys,
    Task,
    defaults,
    help_text,
    loader_defaults,
    names,
    required,
)
from abreast.data.datamodule import DataModule
from abreast.losses.transforms import SCORES, TARGETS, Scores, Targets
from abreast.validation.components import schema_parameters
from support.helpers import compose, options

SCHEMAS = (RunKeys, SweepKeys, LoaderKeys, ScheduleKeys)
# What each data set had when its file held all of these keys.
BATCH_SIZES = {
    "digits": 32,
    "fashion_mnist": 128,
    "idx": 128,
    "images": 128,
    "npz": 128,
    "kmnist": 128,
    "mnist": 128,
    "random": 64,
    "random_noise": 64,
    "random_regression": 64,
    "sklearn": 32,
    "breast_cancer": 32,
    "wine": 32,
    "table": 32,
    "torchvision": 128,
}

STANDARDIZED = {"npz", "sklearn", "table"}  # their targets, in a regression


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_key_has_a_meaning_and_is_read_as_source(schema: type) -> None:
    assert all(len(key.metadata["help"]) > 10 for key in fields(schema))
    assert tuple(schema_parameters(schema)) == names(schema)


def test_a_run_has_the_schemas_keys() -> None:
    config = compose()
    top = defaults(RunKeys)
    assert {name: config[name] for name in top} == top
    assert list(config)[: len(top)] == list(top)
    assert set(names(ScheduleKeys)) | {"scheduler"} == set(config["schedule"])


@pytest.mark.parametrize("name", BATCH_SIZES)
def test_each_data_set_has_the_loaders_keys(name: str) -> None:
    assert set(options("data")) == {*BATCH_SIZES, "given"}
    files = [f"data.{part}=x" for part in ("train_images", "train_labels", "test_images", "test_labels")]
    is_regression = name == "random_regression"
    more = ["loss=mse"] if is_regression else files if name == "idx" else []
    more += {
        "table": ["data.file=x", "data.target=y"],
        "npz": ["data.file=x"],
        "images": ["data.dir=x"],
        "torchvision": ["data.name=CIFAR10"],
    }.get(name, [])
    data = compose(f"data={name}", *more)["data"]
    expected = loader_defaults("regression" if is_regression else "classification")
    assert ("label_noise" in data) == (not is_regression)
    if name in STANDARDIZED:
        assert data.pop("scale_targets") is True
        expected.pop("scale_targets", None)
    expected |= {"batch_size": BATCH_SIZES[name], "normalize": not name.startswith("random")}
    assert {key: data.get(key) for key in expected} == expected
    assert compose(f"data={name}", *more, "data.batch_size=7")["data"]["batch_size"] == 7


def test_the_data_modules_own_defaults_are_the_same() -> None:
    parameters = inspect.signature(DataModule).parameters
    for name, default in defaults(LoaderKeys).items():
        if name not in required(LoaderKeys):
            assert parameters[name].default == default, name


def test_the_choices_are_those_that_exist() -> None:
    assert get_args(Task) == TASKS
    assert get_args(Scores) == tuple(SCORES)
    assert get_args(Targets) == tuple(TARGETS)


def test_help_names_every_key_and_its_default() -> None:
    lines = help_text().splitlines()
    assert "seed=0 " in lines[0]
    assert sum(line.startswith("data.") for line in lines) == len(names(LoaderKeys))
    assert any(line.startswith("sweep.on_fail=continue ") for line in lines)
    assert any(line.startswith("monitor=null ") for line in lines)
    assert max(map(len, lines)) <= 110
    assert get_type_hints(RunKeys)["seed"] is int
