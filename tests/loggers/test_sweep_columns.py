"""HPARAMS of a sweep: the columns are what varies, and the test's accuracy comes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import EXPERIMENT_TAG, parse_experiment_plugin_data

from abreast.loggers.sweep_columns import SweepColumns, columns_of
from abreast.runs.directory import RunDirectory
from abreast.runs.files import SWEEP_EVENTS
from support.helpers import compose

TENSORBOARD = "logger=tensorboard"


def columns(folder: Path, *runs: tuple[str, ...]) -> SweepColumns:
    result = SweepColumns(folder)
    for number, overrides in enumerate(runs):
        result.add(folder / str(number), compose(TENSORBOARD, *overrides))
    return result


def experiment(folder: Path) -> Any:
    events = EventAccumulator(str(folder))
    events.Reload()
    return parse_experiment_plugin_data(events.SummaryMetadata(EXPERIMENT_TAG).plugin_data.content)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        (
            [("optim=adam", "loss=mse", "seed=1"), ("optim=sgd", "optim.lr=0.1", "loss=hinge", "seed=2")],
            ["loss", "optim", "optim.lr", "seed"],
        ),
        ([("data.normalize=false",), ("checkpoint=last",)], ["checkpoint", "data.normalize"]),
        ([("trainer.gradient_clip_val=1",), ()], ["trainer.gradient_clip_val"]),
        ([("optim=sgd", "optim.nesterov=false"), ("optim=sgd", "optim.nesterov=0")], ["optim.nesterov"]),
        ([("logger=many",), ("steps_per_execution=1",)], []),
        ([(), ()], []),
    ],
)
def test_what_varies(runs: list[tuple[str, ...]], expected: list[str], tmp_path: Path) -> None:
    found = columns(tmp_path, *runs)
    found.write()
    assert (tmp_path / SWEEP_EVENTS).exists() == bool(expected)
    if expected:
        assert {info.name for info in experiment(tmp_path).hparam_infos} == set(expected)


def test_five_columns_are_ticked_and_the_accuracy_of_the_test_is_the_first_metric(tmp_path: Path) -> None:
    lines = [
        ("seed=1", "optim.lr=0.1", "data.batch_size=8", "loss=mse", "optim=sgd", "checkpoint=last"),
        ("seed=2", "data.batch_size=16", "loss=hinge", "optim=adam", "checkpoint=best"),
    ]
    columns(tmp_path, *lines).write()
    shown = experiment(tmp_path)
    assert len(shown.hparam_infos) == 6
    ticked = [info.name for info in shown.hparam_infos if info.differs]
    assert ticked[:3] == ["loss", "optim", "optim.lr"]
    assert len(ticked) == 5
    assert [(info.name.tag, info.display_name) for info in shown.metric_infos][:2] == [
        ("weights/test/accuracy", "test accuracy"),
        ("weights/test/loss", "test loss"),
    ]


def test_runs_of_an_earlier_command_count_and_other_folders_do_not(tmp_path: Path) -> None:
    for name, overrides in {"early": ["seed=1"], "csv": ["seed=3", "logger=none"]}.items():
        (tmp_path / name).mkdir()
        RunDirectory(tmp_path / name).write_config(compose(TENSORBOARD, *overrides))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.yaml").write_text("- 3\n")
    found = columns_of(tmp_path)
    assert columns_of(tmp_path) is found
    found.add(tmp_path / "late", compose(TENSORBOARD, "seed=2"))
    found.add_others()
    found.write()
    (seed,) = experiment(tmp_path).hparam_infos
    assert (seed.name, seed.domain_interval.min_value, seed.domain_interval.max_value) == ("seed", 1, 2)
