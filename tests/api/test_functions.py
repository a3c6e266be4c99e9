"""The functions of `import abreast`: the same runs, tables and messages as the commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import abreast
from abreast.errors import AbreastError, ConfigError, DataError, DivergedError, RunError
from api.conftest import SHORT
from support.forks import run_forked
from support.helpers import ROOT
from support.whole_runs import files_of


def test_importing_it_imports_nothing_else() -> None:
    program = "import sys; before = {*sys.modules}; import abreast; print({*sys.modules} - before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = {name.partition(".")[0] for name in eval(done.stdout)} - sys.stdlib_module_names
    assert imported == {"abreast"}


def test_everything_that_is_offered_is_documented() -> None:
    for name in abreast.__all__:
        offered = getattr(abreast, name)
        assert name == "__version__" or offered.__doc__
    assert {*abreast.__all__} <= {*dir(abreast)}
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        abreast.trian  # noqa: B018


def test_a_run_is_that_of_the_command_line(tmp_path: Path) -> None:
    run = abreast.train(*SHORT, loss="mse", optim={"lr": 0.01}, dir=tmp_path / "python")
    command = [*SHORT, "loss=mse", "optim.lr=0.01", f"hydra.run.dir={tmp_path / 'command'}"]
    assert run_forked(command, tmp_path).code == 0
    one, other = (
        {
            name: content
            for name, content in files_of(tmp_path / folder, replaced={str(tmp_path / folder): "RUN"}).items()
            if name.endswith((".ckpt", ".csv", "config.yaml", "result.json")) and ".hydra" not in name
        }
        for folder in ("python", "command")
    )
    assert len(one) >= 5
    assert str(one) == str(other)
    assert run.status == "finished"
    assert run.scores == json.loads((tmp_path / "python" / "result.json").read_text())["metrics"]
    assert [*run.metrics.index] == [1, 2]
    assert run.to_frame()["val/loss"].iloc[-1] == pytest.approx(run.scores["val/loss"])
    assert re.fullmatch(r"<abreast\.Run .*python: finished, test/accuracy 0\.\d{4}>", repr(run))


def test_a_loaded_run_predicts_and_is_tested_again(finished: abreast.Sweep) -> None:
    run = abreast.load(finished.best.directory)
    assert run.config["loss"]["_target_"] == "abreast.losses.Loss"
    assert run.evaluate()["test/accuracy"] == run.scores["test/accuracy"]
    inputs = np.arange(3 * 64).reshape(3, 1, 8, 8) % 17
    predicted = run.predict(inputs)
    with torch.inference_mode():
        expected = torch.softmax(run.module(torch.tensor(inputs, dtype=torch.uint8)), 1)
    assert np.allclose(predicted.filter(like="probability").to_numpy(), expected)
    assert [*predicted["prediction"]] == [str(index) for index in expected.argmax(1).tolist()]
    assert [*run.predict(inputs[0])["prediction"]] == [*predicted["prediction"][:1]]
    for wrong, message in (
        (np.zeros((2, 3)), r"inputs: rows of shape \(3,\), but the network takes \(1, 8, 8\)"),
        (np.full((1, 1, 8, 8), np.nan), "inputs: row 1, value .* is nan"),
        (["a"], "not numbers"),
        ("missing.png", "missing.png: no such file"),
    ):
        with pytest.raises(DataError, match=message):
            run.predict(wrong)


def test_a_run_on_a_table_predicts_for_a_data_frame(tmp_path: Path) -> None:
    import pandas as pd

    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"size": generator.normal(size=60), "colour": ["red", "blue"] * 30})
    frame["kind"] = np.where(frame["size"] > 0, "large", "small")
    frame.to_csv(tmp_path / "table.csv", index=False, sep=";")
    run = abreast.train(
        *SHORT,
        data="table",
        **{"data.file": tmp_path / "table.csv", "data.target": "kind"},
        optim={"lr": 0.1},
    )
    frame.index += 7
    frame.loc[8, "size"] = np.nan
    predicted = run.predict(frame.drop(columns="kind"))
    assert [*predicted.index] == [*frame.index]
    agrees = predicted["prediction"] == frame["kind"]
    assert agrees.mean() > 0.7
    with pytest.raises(DataError, match=r"^data frame: .*colour"):
        run.predict(frame[["size"]])


def test_a_sweep_trains_what_the_lists_span(finished: abreast.Sweep) -> None:
    frame = finished.to_frame()
    assert {*zip(frame["loss"], frame["seed"], strict=True)} == {
        (loss, seed) for loss in ("mse", "hinge") for seed in (0, 1)
    }
    assert [*frame["status"]] == ["finished"] * 4
    assert len(finished.groups) == 2
    assert len(finished.runs) == 4
    assert repr(finished).endswith("sweep: 4 finished>")
    assert all(run.result["execution"]["stacked"] for run in finished.runs)
    before = {run.directory: run.result for run in finished.runs}
    again = abreast.sweep(*SHORT, loss=["mse", "hinge"], seed=range(2), dir=finished.directory)
    assert {run.directory: run.result for run in again.runs} == before


def test_a_report_is_written_and_shown(finished: abreast.Sweep, tmp_path: Path) -> None:
    report = abreast.report(finished.directory, out=tmp_path / "report", metric="val/loss")
    assert report.page.read_text().startswith("<!doctype html>")
    assert report.headline in repr(report)
    shown = report._repr_html_()
    assert shown.count("<img") == 2
    assert "validation loss" in shown
    for word in ("mse", "hinge", "compared with the best"):
        assert word in shown


def test_what_is_shown_escapes_what_others_wrote(finished: abreast.Sweep, tmp_path: Path) -> None:
    folder = tmp_path / "<script>alert(1)<"
    folder.symlink_to(finished.directory)
    for result in (abreast.Sweep(folder), abreast.load(folder / finished.best.directory.name)):
        assert "<script" in repr(result)
        assert "<script" not in result._repr_html_()


@pytest.mark.long  # the notebook decides, too
def test_a_decision_has_a_verdict(tmp_path: Path) -> None:
    decision = abreast.decide(
        *SHORT, loss=["mse", "cross_entropy"], margin=0.4, max_seeds=8, dir=tmp_path / "decided"
    )
    assert decision.verdict in ("better", "equivalent", "undecided")
    assert [*decision.to_frame().columns] == ["loss=mse", "loss=cross_entropy", "difference"]
    assert decision.page.exists()
    assert decision.headline in repr(decision)
    assert decision._repr_html_().count("<img") == 2


MISTAKES: dict[str, tuple[Any, type[AbreastError], str]] = {
    "option": (lambda: abreast.train(loss="msee"), ConfigError, "loss=msee: no such option"),
    "options": (lambda: abreast.train(loss=["mse", "hinge"]), ConfigError, "loss=[mse,hinge]: a run has one"),
    "key": (lambda: abreast.train(optim={"lrr": 1}), ConfigError, "optim.lrr: no such key"),
    "value": (lambda: abreast.train(data={"batch_size": 0}), ConfigError, "data.batch_size: "),
    "flag": (lambda: abreast.train("-m", "loss=mse,hinge"), ConfigError, "-m: not an override"),
    "swept run": (lambda: abreast.train("loss=mse,hinge"), ConfigError, "loss=mse,hinge"),
    "study": (lambda: abreast.train("+study=losses"), ConfigError, "study=losses: is many runs"),
    "sweep": (lambda: abreast.sweep(loss=["msee", "mse2"]), ConfigError, "loss=msee: no such option"),
    "margin": (lambda: abreast.decide(loss=["mse", "l1"], margin=-1), ConfigError, "margin"),
    "one value": (lambda: abreast.decide(loss="mse", margin=0.1), ConfigError, "two"),
    "missing run": (lambda: abreast.load("nowhere"), RunError, "nowhere: no such run directory"),
    "missing sweep": (lambda: abreast.report("nowhere"), RunError, "nowhere: no such directory"),
    "nothing": (lambda: abreast.report(), ConfigError, "report: name a directory"),
    "resume": (lambda: abreast.resume("nowhere"), RunError, "nowhere: no such run directory"),
    "directory": (lambda: abreast.train(dir=""), ConfigError, "dir='': is empty"),
    "folder": (
        lambda: abreast.train(config_dir="missing"),
        ConfigError,
        "missing: there is no such directory",
    ),
    "data sets": (lambda: abreast.train(data=["digits", "mnist"]), ConfigError, "a run has one data"),
    "diverged": (
        lambda: abreast.train(*SHORT, loss="mse", optim="sgd", **{"optim.lr": 1e30}),
        DivergedError,
        "diverged at step",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_the_commands_line_as_an_exception(name: str) -> None:
    command, kind, message = MISTAKES[name]
    with pytest.raises(kind) as caught:
        command()
    assert message in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert name == "diverged" or not Path("runs").exists()


def test_runs_of_every_status_are_shown() -> None:
    golden = ROOT / "tests" / "golden" / "format-1"
    runs = {
        name: abreast.load(golden / name) for name in ("finished", "interrupted", "diverged", "regression")
    }
    assert {name: len(run.metrics) for name, run in runs.items()} == {
        "finished": 3,
        "interrupted": 4,
        "diverged": 0,
        "regression": 3,
    }
    assert [run.status for run in runs.values()] == ["finished", "interrupted", "failed", "finished"]
    for name, run in runs.items():
        assert run.status in repr(run)
        assert run._repr_html_().count("<img") == (name != "diverged")


def test_a_run_that_is_there_is_kept(finished: abreast.Sweep) -> None:
    run = finished.best
    before = run.result
    with pytest.raises(ConfigError, match="holds a run already: resume it"):
        abreast.train(*SHORT, dir=run.directory)
    with pytest.raises(ConfigError, match="a resumed run keeps its settings"):
        abreast.resume(run, loss="mse")
    assert abreast.resume(run).result == before  # nothing is left to train
