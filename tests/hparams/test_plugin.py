"""HPARAMS of several sweeps and single runs: the columns are what varies among all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest
from tensorboard.plugins.hparams import backend_context

from abreast.hparams import all_runs
from abreast.hparams.experiment import Column
from abreast.hparams.plugin import HparamsLoader
from abreast.loggers.hyperparameters import hyperparameters
from abreast.loggers.summaries import columns_of_runs, session_start
from support.helpers import ROOT, compose

Contents = dict[str, dict[str, bytes]]
CURVES = (
    "train/accuracy",
    "val/accuracy",
    "weights/val/accuracy",
    "weights/test/loss",
    "weights/test/accuracy",
)


class TensorBoardData:
    """Stands for what TensorBoard has read."""

    def __init__(self, contents: Contents) -> None:
        self.data_provider = self
        self.contents = contents

    def list_scalars(self, *_: object, **__: object) -> Mapping[str, Mapping[str, Any]]:
        series = type("Series", (), {"plugin_content": b""})
        return {run: dict.fromkeys(CURVES, series) for run in self.contents}


def shown(contents: Contents, limit: int = 0, *, metrics: bool = True) -> Any:
    context = backend_context.Context(TensorBoardData(contents))
    no_others = type("Result", (), {"hyperparameters": [], "session_groups": []})()
    return context.experiment_from_metadata(None, "", metrics, contents, no_others, limit)


def content(*summaries: Any) -> dict[str, bytes]:
    return {value.tag: value.metadata.plugin_data.content for summary in summaries for value in summary.value}


def folder(*sweeps: tuple[str, ...]) -> Contents:
    """Sweeps by what they vary, or an empty text for single runs, and then the overrides of each run."""
    result: Contents = {}
    for varied, *lines in sweeps:
        result |= {line: content(session_start(hyperparameters(compose(*line.split())))) for line in lines}
        if varied:
            column = Column(varied, ["a", "b"], is_ticked=True)
            result[varied] = content(columns_of_runs([column], {"weights/test/accuracy": "hits"}))
    return result


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        backend_context.Context,
        "experiment_from_metadata",
        backend_context.Context.experiment_from_metadata,
    )
    monkeypatch.delenv("ABREAST_NO_PATCHES", raising=False)
    entry = re.search(r'tensorboard_plugins]\nabreast = "(.+):(.+)"', (ROOT / "pyproject.toml").read_text())
    assert entry
    module, name = entry.groups()
    loader = getattr(import_module(module), name)
    assert loader is HparamsLoader
    for _ in range(2):
        loader().load(None)


LOSSES = ("loss", "loss=mse optim=adam", "loss=hinge optim=adam")
RATES = ("optim.lr", "optim=sgd optim.lr=0.1", "optim=sgd optim.lr=0.01")


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("sweeps", "expected"),
    [
        ([LOSSES], ["loss"]),
        ([RATES], ["optim.lr"]),
        ([LOSSES, RATES], ["loss", "optim", "optim.lr"]),
        ([RATES, LOSSES], ["loss", "optim", "optim.lr"]),
        ([LOSSES, ("", "loss=mse seed=7", "loss=mse optim=lion")], ["loss", "optim", "optim.lr", "seed"]),
        ([("", "loss=mse", "loss=mse data.normalize=false")], ["data.normalize"]),
        ([("", "loss=mse")], ["loss", "optim", "optim.lr", "model", "schedule"]),
    ],
)
def test_columns_are_what_varies_among_all_runs(sweeps: list[tuple[str, ...]], expected: list[str]) -> None:
    contents = folder(*sweeps)
    result = shown(contents)
    names = [info.name for info in result.hparam_infos]
    assert names[: len(expected)] == expected
    assert all(info.differs for info in result.hparam_infos[: len(expected)])
    assert [info.name.tag for info in result.metric_infos] == [*reversed(CURVES[3:]), CURVES[2]]
    assert result.metric_infos[0].display_name == ("hits" if sweeps[0][0] else "test accuracy")
    assert [info.name for info in shown(contents, limit=1).hparam_infos] == expected[:1]
    assert not shown(contents, metrics=False).metric_infos


@pytest.mark.usefixtures("loaded")
def test_runs_of_others_are_left_to_tensorboard() -> None:
    foreign = {"theirs": content(session_start({"loss": "mse", "depth": 3}))}
    both = shown(foreign | folder(("", "loss=hinge")))
    assert {"depth", "trainer.max_epochs"} <= {info.name for info in both.hparam_infos}
    assert len(shown(foreign).metric_infos) == len(CURVES)
    assert not shown({}).hparam_infos


def test_without_patches_tensorboard_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABREAST_NO_PATCHES", "1")
    HparamsLoader().load(None)
    assert [info.name for info in shown(folder(LOSSES, RATES)).hparam_infos] == ["loss"]


@pytest.mark.usefixtures("loaded")
def test_where_it_fails_tensorboard_is_as_it_was(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("moved")

    monkeypatch.setattr(all_runs, "rows_of", fail)
    assert [info.name for info in shown(folder(LOSSES, RATES)).hparam_infos] == ["loss"]
    monkeypatch.setattr(all_runs, "find_columns_in_all_runs", fail)
    HparamsLoader().load(None)
    assert caplog.text.count("HPARAMS shows TensorBoard's own columns: KeyError") == 2
