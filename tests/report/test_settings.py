"""What was varied is found by comparing configurations."""

from __future__ import annotations

from typing import Any

import pytest

from abreast.config.identity import Scalar
from abreast.report.columns import Distinct, shown_settings
from abreast.report.settings import ABSENT, flatten, read_settings, settings_label
from support.report_runs import config

VARIED: list[tuple[list[dict[str, Any]], tuple[str, ...]]] = [
    ([{}, {"seed": 1}], ()),
    ([{}, {"optim__lr": 0.1}], ("optim.lr",)),
    ([{"optim": "sgd", "optim__lr": 0.1}, {"optim__lr": 0.001}], ("optim",)),  # each with its default
    ([{"optim": "sgd", "optim__lr": 0.1}, {"optim": "sgd"}, {}], ("optim", "optim.lr")),
    ([{"loss": "mse"}, {"loss": "hinge"}], ("loss",)),
    ([{"optim": "sgd", "optim__nesterov": True}, {}], ("optim",)),
    ([{"data": "mnist", "data___target_": "abreast.data.mnist"}, {}], ("data",)),
    ([{"data__dir": "/a"}, {"data__dir": "/b"}], ()),
    ([{"logger": {"a": {"_target_": "x"}}}, {}], ()),
    ([{"callbacks": {"progress": {"_target_": "abreast.callbacks.Progress", "every": 2}}}, {}], ()),
    ([{"steps_per_execution": 1}, {"steps_per_execution": 16}], ()),
    (
        [{"callbacks": {"swa": {"_target_": "x.Swa", "swa_lrs": n}}} for n in (1, 2)],
        ("callbacks.swa.swa_lrs",),
    ),
    ([{"model__hidden": [8, 4]}, {"model__hidden": [8]}], ("model.hidden",)),
    ([{"trainer__max_epochs": 5}, {"trainer__max_epochs": 9}], ("trainer.max_epochs",)),
    # T_max follows max_epochs: one column says it.
    (
        [
            {"trainer__max_epochs": n, "schedule__scheduler": {"_target_": "torch.X", "T_max": n}}
            for n in (5, 9)
        ],
        ("trainer.max_epochs",),
    ),
    ([{"test": False}, {"test": True}], ()),
]


def rows(configs: list[dict[str, Any]], overridden: set[str] | None = None) -> list[dict[str, Scalar]]:
    """What is shown of configurations, the same ones once."""
    by_key = {read.identity.settings: read for read in map(read_settings, reversed(configs))}
    return shown_settings(
        [
            Distinct(key, read.flat, read.identified(with_paths=False), {}, overridden)
            for key, read in reversed(by_key.items())
        ]
    )


def labels(configs: list[dict[str, Any]], overridden: set[str] | None = None) -> list[str]:
    """The labels of configurations."""
    return [settings_label(row) for row in rows(configs, overridden)]


@pytest.mark.parametrize(("changes", "expected"), VARIED)
def test_the_columns_that_are_shown(changes: list[dict[str, Any]], expected: tuple[str, ...]) -> None:
    shown = rows([config(**each) for each in changes])
    assert {tuple(row) for row in shown} == {expected}
    assert len({settings_label(row) for row in shown}) == len(shown)


DIGITS: list[tuple[str, list[Any], list[str]]] = [
    ("optim__lr", [0.001, 0.01], ["0.001", "0.01"]),
    ("optim__lr", [0.001, 0.0010000001], ["0.001", "0.0010000001"]),
    ("optim__lr", [0.1, 0.1 + 2**-56], ["0.10000000000000001", "0.10000000000000002"]),
    ("optim__lr", [1, 1.0, True, "1"], ["1", "1.0", "true", '"1"']),
    ("optim__lr", [None, "null", 0.0], ["null", '"null"', "0.0"]),
    ("monitor", [None, "val/loss"], ["null", "val/loss"]),
]


@pytest.mark.parametrize(("key", "values", "texts"), DIGITS)
def test_what_differs_reads_differently(key: str, values: list[Any], texts: list[str]) -> None:
    name = key.replace("__", ".")
    assert labels([config(**{key: value}) for value in values]) == [f"{name}={text}" for text in texts]


def test_a_key_that_follows_others_has_no_column() -> None:
    def one_cycle(lr: float, schedule: bool = True) -> dict[str, Any]:
        scheduler = {"_target_": "torch.OneCycleLR", "max_lr": lr, "total": round(5 * lr)}
        node = {"scheduler": scheduler if schedule else None, "interval": "step"}
        return {**config(optim__lr=lr), "schedule": node}

    configs = []
    for schedule in ("one_cycle", "constant"):
        for lr in (1.0, 2.0):
            configs.append(one_cycle(lr, schedule == "one_cycle"))
            configs[-1]["names"]["schedule"] = schedule
    shown = rows(configs, {"optim.lr", "schedule"})
    assert {tuple(row) for row in shown} == {("optim.lr", "schedule")}
    # What the command line sets is shown, also where another key could stand for it.
    shown = rows([config(loss="mse", optim__lr=0.1), config(loss="l1", optim__lr=0.2)], {"optim.lr"})
    assert {tuple(row) for row in shown} == {("loss", "optim.lr")}


def test_the_same_settings_under_two_names_are_one() -> None:
    one, other = config(), config()
    other["names"]["optim"] = "another_adam"
    assert read_settings(one).identity == read_settings(other).identity
    assert labels([one, other, config(optim="sgd")]) == ["optim=adam", "optim=sgd"]


def test_a_key_that_does_not_apply_is_not_null() -> None:
    adam, momentum = config(optim="adam"), config(optim="sgd", optim__momentum=None)
    other = config(optim="sgd", optim__momentum=0.9)
    assert labels([adam, momentum, other]) == [
        "optim=adam",
        "optim=sgd optim.momentum=null",
        "optim=sgd optim.momentum=0.9",
    ]
    assert rows([adam, momentum, other])[0]["optim.momentum"] is ABSENT


def test_groups_without_names_are_named_by_their_class() -> None:
    cfg = config()
    del cfg["names"]
    flat = flatten(cfg)
    assert (flat["optim"], flat["loss"], flat["schedule"]) == ("Adam", "CrossEntropyLoss", "none")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"loss": "mse", "optim.lr": 0.001}, "loss=mse optim.lr=0.001"),
        ({"optim": "adam", "optim.momentum": ABSENT, "optim.fused": True}, "optim=adam optim.fused=true"),
        ({"monitor": None}, "monitor=null"),
        ({"optim.lr": 1e-05}, "optim.lr=1e-05"),
        ({}, "all runs"),
    ],
)
def test_a_label_reads_as_a_command(settings: dict[str, Any], expected: str) -> None:
    assert settings_label(settings) == expected
