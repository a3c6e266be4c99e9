"""What was varied is found by comparing configurations."""

from __future__ import annotations

from typing import Any

import pytest

from abreast.report.settings import flatten, settings_label, varied_keys
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


@pytest.mark.parametrize(("changes", "expected"), VARIED)
def test_varied_keys(changes: list[dict[str, Any]], expected: tuple[str, ...]) -> None:
    assert varied_keys([flatten(config(**each)) for each in changes]) == expected


def test_groups_without_names_are_named_by_their_class() -> None:
    cfg = config()
    del cfg["names"]
    flat = flatten(cfg)
    assert (flat["optim"], flat["loss"], flat["schedule"]) == ("Adam", "CrossEntropyLoss", "none")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"loss": "mse", "optim.lr": 0.001}, "loss=mse optim.lr=0.001"),
        ({"optim": "adam", "optim.momentum": None, "optim.fused": True}, "optim=adam optim.fused=true"),
        ({"optim.lr": 1e-05}, "optim.lr=1e-05"),
        ({}, "all runs"),
    ],
)
def test_a_label_reads_as_a_command(settings: dict[str, Any], expected: str) -> None:
    assert settings_label(settings) == expected
