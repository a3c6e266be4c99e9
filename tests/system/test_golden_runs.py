"""Run directories of earlier versions: evaluated, resumed and reported by this one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hydra.utils import execution_whitelist

from abreast.config.run_id import run_id
from abreast.inference.evaluate import evaluate
from abreast.report.write import write_report
from abreast.runs.directory import RunDirectory
from abreast.training.run import resume
from support.helpers import ROOT, WHITELIST

GOLDEN = ROOT / "tests" / "golden"
VERSIONS = sorted(path for path in GOLDEN.iterdir() if path.is_dir())
assert VERSIONS
# The runs were trained on another CPU, perhaps: its kernels may round otherwise.
TOLERANCE = {"rel": 1e-4, "abs": 1e-5}

every_version = pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.name)


@pytest.fixture
def golden(version: Path, tmp_path: Path) -> Path:
    """A copy of a version's run directories."""
    return Path(shutil.copytree(version, tmp_path / "golden"))


def metrics(path: Path) -> dict[str, float]:
    """The final metrics."""
    values = RunDirectory(path).read_result()["metrics"]
    assert values
    return dict(values)


def finished(golden: Path) -> list[Path]:
    """The runs that have a result."""
    paths = sorted(path.parent for path in golden.rglob("result.json"))
    assert len(paths) == 6
    return paths


@every_version
def test_evaluation_gives_the_metrics_of_the_result(golden: Path) -> None:
    for path in finished(golden):
        expected = {k: v for k, v in metrics(path).items() if k.startswith("test/")}
        assert evaluate(path) == pytest.approx(expected, **TOLERANCE), path


@every_version
def test_run_ids_have_not_changed(golden: Path) -> None:
    ids = json.loads((golden / "ids.json").read_text())
    assert len(ids) == 8
    for name, expected in ids.items():
        assert run_id(RunDirectory(golden / name).read_config()) == expected, name


@every_version
def test_an_interrupted_run_ends_as_if_it_had_not_been(golden: Path) -> None:
    directory = RunDirectory(golden / "interrupted")
    assert directory.read_status()["status"] == "interrupted"
    with execution_whitelist(WHITELIST):
        resume(directory.read_config(), directory)
    assert directory.read_status()["status"] == "finished"
    expected = json.loads((golden / "interrupted.json").read_text())
    assert metrics(directory.path) == pytest.approx(expected, **TOLERANCE)


@every_version
@pytest.mark.parametrize("name", ["finished", "regression"])
def test_a_finished_run_is_trained_for_longer(golden: Path, name: str) -> None:
    directory = RunDirectory(golden / name)
    rows = directory.read_metrics()
    config = directory.read_config()
    config["trainer"]["max_epochs"] += 1
    with execution_whitelist(WHITELIST):
        resume(config, directory)
    assert directory.read_metrics()[:-1] == rows
    assert len(directory.read_metrics()) == len(rows) + 1


@every_version
def test_a_sweep_is_reported(golden: Path) -> None:
    report = write_report([golden / "sweep", golden / "diverged"], golden / "out")
    (task,) = report.analysis.tasks
    assert sorted(len(group.runs) for group in task.groups) == [1, 2, 2]
    assert "diverged" in report.page.read_text()
