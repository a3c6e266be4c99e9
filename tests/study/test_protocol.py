"""A study's YAML and the command line: what runs come of them, and the messages for mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from abreast.errors import ConfigError
from abreast.study.overrides import parse_command_line
from abreast.study.protocol import Protocol, read_protocol

GROUPS = {"loss": ["cross_entropy", "hinge", "mse"], "optim": ["adam", "momentum", "sgd"], "data": ["digits"]}
STUDY = {
    "cells": {"loss": ["mse", "hinge"], "optim": ["sgd", "adam"]},
    "space": {"default": {"optim.lr": [0.01, 0.1]}, "adam": {"optim.lr": [0.001, 0.01]}},
    "trials": 2,
    "tune_seeds": [0],
    "repeat_seeds": [1, 2],
}


def made(*arguments: str, **changes: object) -> Protocol:
    return read_protocol("it", {**STUDY, **changes}, parse_command_line(arguments), GROUPS)


def refused(*arguments: str, **changes: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        made(*arguments, **changes)
    return str(caught.value).split("\n")


def test_every_combination_is_a_cell_with_the_space_of_its_options() -> None:
    cells = made().cells
    assert [each.name for each in cells] == ["mse, sgd", "mse, adam", "hinge, sgd", "hinge, adam"]
    assert cells[1].parts == {"loss": "mse", "optim": "adam"}
    assert [[each["optim.lr"] for each in cell.settings] for cell in cells[:2]] == [
        [0.01, 0.1],
        [0.001, 0.01],
    ]


def test_the_runs_of_both_stages() -> None:
    plan = made("data=digits", "trainer.max_epochs=3")
    tuning = plan.tuning_runs()
    assert len(tuning) == 4 * 2
    assert tuning[0] == [
        *("data=digits", "trainer.max_epochs=3", "loss=mse", "optim=sgd", "optim.lr=0.01", "seed=0"),
        *("test=false", "hydra.sweep.subdir=tune/${hydra:job.num}"),
    ]
    repeats = plan.repeat_runs([1, None, 0, None])
    assert [each[4:7] for each in repeats] == [
        *(["optim.lr=0.1", "seed=1", "test=true"], ["optim.lr=0.1", "seed=2", "test=true"]),
        *(["optim.lr=0.01", "seed=1", "test=true"], ["optim.lr=0.01", "seed=2", "test=true"]),
    ]
    assert {each[7] for each in repeats} == {"hydra.sweep.subdir=repeat/${hydra:job.num}"}


@pytest.mark.parametrize(
    ("arguments", "names", "fixed"),
    [
        (["loss=mse"], ["mse, sgd", "mse, adam"], []),
        (["optim=adam,sgd", "loss=mse"], ["mse, adam", "mse, sgd"], []),
        (
            ["optim=momentum", "loss=mse"],
            ["mse, momentum"],
            [],
        ),  # not among the declared: tuned as the default
        (
            ["+model.width=1,2", "loss=mse", "optim=sgd"],
            ["mse, sgd, model.width=1", "mse, sgd, model.width=2"],
            [],
        ),
        (["+study=it", "loss=mse", "optim=sgd"], ["mse, sgd"], ["+study=it"]),
    ],
)
def test_the_command_line_replaces_cells(arguments: list[str], names: list[str], fixed: list[str]) -> None:
    plan = made(*arguments)
    assert [each.name for each in plan.cells] == names
    assert list(plan.fixed) == fixed


def test_the_command_line_replaces_a_dimension() -> None:
    cells = made("optim.lr=1,2,3", "loss=mse", trials=3).cells
    assert [[each["optim.lr"] for each in cell.settings] for cell in cells] == [[1, 2, 3]] * 2
    plan = made("optim.lr=0.5", space={"default": {"optim.lr": [1, 2], "optim.momentum": [0.0, 0.9]}})
    assert plan.fixed == ("optim.lr=0.5",)
    assert list(plan.cells[0].space) == ["optim.momentum"]


def test_named_cells() -> None:
    cells = [
        {"adam": ["optim=adam"]},
        {"adam again": "optim=adam"},
        {"plain": ["optim=sgd", "optim.momentum=0"]},
    ]
    space = {"default": {"optim.lr": [1, 2]}, "adam again": {"optim.lr": [3, 4]}, "sgd": {"optim.lr": [5, 6]}}
    plan = made("loss=mse,hinge", cells=cells, space=space)
    assert [each.name for each in plan.cells[::2]] == ["adam, mse", "adam again, mse", "plain, mse"]
    assert [each.settings[0] for each in plan.cells[::2]] == [
        {"optim.lr": 1},
        {"optim.lr": 3},
        {"optim.lr": 5},
    ]
    assert plan.cells[4].overrides == ("optim=sgd", "optim.momentum=0", "loss=mse")
    assert plan.cells[0].parts == {"cell": "adam", "loss": "mse"}


def test_the_budget_is_the_grid_where_none_is_given() -> None:
    assert made(trials=None).trials == 2


def test_values_of_any_kind_are_written_as_hydra_reads_them() -> None:
    space = {
        "default": {"model.hidden": [[64], [128, 64]], "optim.betas": [[0.9, 0.99]], "schedule": ["a b"]}
    }
    run = made(space=space).tuning_runs()[1]
    assert run[2:5] == ["model.hidden=[128,64]", "optim.betas=[0.9,0.99]", "schedule=a\\ b"]


SPLITS = (
    "hydra.sweeper.repeat_splits: must be null, a list of split seeds such as [0, 1, 2], or {folds: 5}, got"
)
SEEDS = "must be a list of integers from 0 to 2**32 - 1, got"
CELLS = "hydra.sweeper.cells"
SPACE = "hydra.sweeper.space"


@pytest.mark.parametrize(
    ("arguments", "changes", "message"),
    [
        ([], {"cells": {"loss": ["msee"]}}, "loss takes: cross_entropy, hinge, mse. Did you mean loss=mse?"),
        (["loss=mse,hing"], {}, "loss=hing: no such option. loss takes: cross_entropy, hinge, mse"),
        ([], {"cells": {}}, f"{CELLS}: nothing to compare, got {{}}; write"),
        ([], {"cells": None}, f"{CELLS}: nothing to compare, got None; write"),
        ([], {"cells": {"loss": []}}, f"{CELLS}.loss: an empty list leaves no cell; give it values"),
        ([], {"cells": {"loss": ["mse", "mse"]}}, "contains a value twice; give such cells names"),
        ([], {"cells": ["adam"]}, f"{CELLS}: 'adam' is not a cell; write {{name: [override, ...]}}"),
        ([], {"cells": [{"a": ["adam"]}]}, f"{CELLS}.a: 'adam' is not an override such as optim=adam"),
        ([], {"cells": [{"a": ["optim=sgd"]}, {"a": ["optim=adam"]}]}, f"{CELLS}: two cells have the name a"),
        (["optim=sgd"], {"cells": [{"a": ["optim=adam"]}]}, "optim: is set by the study's cell a (opt"),
        ([], {"space": {}}, f"{SPACE}: the cell mse, sgd has nothing to tune; write default:"),
        ([], {"space": {"default": {}}}, f"{SPACE}: the cell mse, sgd has nothing to tune; write default:"),
        ([], {"space": {"default": {"optim.lr": []}}}, f"{SPACE}.default: optim.lr: an empty list"),
        ([], {"space": {"default": 3}}, f"{SPACE}.default: 3 is not a space"),
        ([], {"space": {"default": {"optim.lr": [1, 2]}, "adamm": {}}}, "Did you mean adam?"),
        ([], {"space": {"default": {"loss": ["mse"]}}}, f"{SPACE}: loss is tuned, but the cell mse, sgd"),
        (["optim.lr=1"], {}, "has nothing to tune: the command line sets optim.lr"),
        ([], {"repeat_seeds": [1, 0]}, "hydra.sweeper.repeat_seeds: 0 is also in tune_seeds"),
        ([], {"repeat_seeds": [1, 1]}, "hydra.sweeper.repeat_seeds: [1, 1] contains a seed twice"),
        ([], {"repeat_splits": []}, f"{SPLITS} []"),
        ([], {"repeat_splits": [0, -1]}, f"{SPLITS} [0, -1]"),
        ([], {"repeat_splits": 3}, f"{SPLITS} 3"),
        ([], {"tune_splits": 3}, "hydra.sweeper.tune_splits: must be null, a list of split seeds"),
        ([], {"repeat_splits": [0, 0]}, "hydra.sweeper.repeat_splits: [0, 0] contains a split twice"),
        ([], {"repeat_splits": {"folds": 1}}, "hydra.sweeper.repeat_splits: {'folds': 1} must be {folds: k}"),
        ([], {"tune_seeds": []}, f"hydra.sweeper.tune_seeds: {SEEDS} []"),
        ([], {"tune_seeds": 3}, f"hydra.sweeper.tune_seeds: {SEEDS} 3"),
        (["seed=1,2"], {}, "seed: is set by the study for each run; leave it out. Its seeds are"),
        (["test=true"], {}, "test: is set by the study for each run; leave it out"),
        ([], {"trials": 3}, "hydra.sweeper.trials: 3 is more than the grid has for mse, sgd (2), "),
        ([], {"trials": 0}, "hydra.sweeper.trials: must be an integer of at least 1, got 0"),
        (
            [],
            {"trials": None, "space": {"default": {"optim.lr": [1, 2]}, "adam": {"optim.lr": [1]}}},
            "the grids differ in size (mse, sgd: 2, mse, adam: 1",
        ),
        (
            [],
            {"trials": None, "space": {"default": {"optim.lr": {"low": 0.1, "high": 1}}}},
            "hydra.sweeper.trials: has no value, but the space of mse, sgd has an interval; write a number",
        ),
        (["optim.lr=interval(0,1)"], {}, "optim.lr=interval(0,1): a study draws from the intervals"),
        ([], {"margin": 0}, "hydra.sweeper.margin: must be a positive number, the largest difference"),
        ([], {"margin": "small"}, "hydra.sweeper.margin: must be a positive number, the largest difference"),
        ([], {"margin": 2, "metric": "accuracy"}, "hydra.sweeper.margin: 2 is as large as the whole range"),
        ([], {"metric": "acuracy"}, "must be one of accuracy, r2, mae, loss, got acuracy. Did"),
        ([], {"search_seed": -1}, "hydra.sweeper.search_seed: must be an integer of at least 0, got -1"),
        ([], {"trails": 1}, "hydra.sweeper.trails: unknown key."),
    ],
)  # fmt: skip
def test_mistakes_are_reported(arguments: list[str], changes: dict[str, Any], message: str) -> None:
    found = refused(*arguments, **changes)
    assert any(message in line for line in found), found


def test_all_mistakes_are_reported_at_once() -> None:
    found = refused("seed=3", cells={"loss": ["msee"], "optim": ["adam"]}, repeat_seeds=[0], metric="f1")
    assert len(found) == 4, found


def test_a_margin_is_a_number() -> None:
    assert made().margin is None
    assert made(margin=0.002, metric="accuracy").margin == 0.002


def test_repeats_are_trained_on_every_split_and_seed() -> None:
    plan = made(repeat_splits=[0, 4])
    runs = plan.repeat_runs([0, None, None, None])
    parts = [[line for line in run if line.startswith(("seed=", "data."))] for run in runs]
    assert parts == [[f"data.split_seed={split}", f"seed={seed}"] for split in (0, 4) for seed in (1, 2)]
    tuned = plan.tuning_runs()
    assert [[line for line in run if line.startswith("data.")] for run in tuned[:2]] == [
        *(["data.split_seed=0"], ["data.split_seed=4"])
    ]
    assert len(tuned) == 2 * len(made().tuning_runs())
    alone = made(repeat_splits=[0, 4], tune_splits=[9]).tuning_runs()
    assert len(alone) == len(made().tuning_runs())
    assert all("data.split_seed=9" in run for run in alone)
    runs = made(repeat_splits={"folds": 3}).repeat_runs([0, None, None, None])
    assert [line for line in runs[-1] if line.startswith("data.")] == ["data.folds=3", "data.fold=2"]
    assert len(runs) == 6
    assert made().repeat_runs([0, None, None, None])[0] == [
        line for line in made(repeat_splits=[0]).repeat_runs([0, None, None, None])[0] if "split" not in line
    ]
