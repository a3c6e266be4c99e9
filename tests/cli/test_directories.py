"""Paths are those of the caller's directory; long names of run directories are shortened."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.command_line import Outcome, run_all
from support.patches import needs_patch

pytestmark = needs_patch("sweep_loader")  # which shortens the names of a sweep

TRAINING = """
import os

def run(config, run_dir):
    print("TRAINED", os.getcwd(), config["data"].get("dir"), run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    return 0.5
"""
LONG = [f"model.hidden=[{','.join(['16'] * 16)}]", *(f"optim.{k}=0.000123456789" for k in ("lr", "eps"))]
LONG += [
    f"+loss.criterion.weight=[{','.join(['1.000123456'] * 10)}]",
    "trainer.gradient_clip_val=0.123456789",
]
NAME = "x_${hydra:job.override_dirname}"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Outcome]]:
    """One run and two sweeps, with Hydra's change of directory and with a long name."""
    folder = tmp_path_factory.mktemp("caller")
    common = ["data=mnist", "data.dir=mine", "hydra.job.chdir=true", *LONG]
    sweep = ["-m", "seed=0,1", "hydra/launcher=basic", f"hydra.sweep.subdir={NAME}"]
    rows = [
        [*common, f"hydra.run.dir=runs/{NAME}"],
        [*common, *sweep, "hydra.sweep.dir=sweep"],
        ["data=mnist", "data.dir=mine", f"hydra.run.dir=short/{NAME}"],
        ["data=digits"],
    ]
    return folder, run_all([(folder, row) for row in rows], TRAINING, fresh=False)


def lines(outcome: Outcome) -> list[list[str]]:
    assert outcome.code in (0, None), outcome.err
    trained = [line.split()[1:] for line in outcome.out.splitlines() if line.startswith("TRAINED")]
    assert trained, outcome.out
    return trained


def test_paths_are_the_callers(outcomes: tuple[Path, list[Outcome]]) -> None:
    folder, (single, sweep, *_) = outcomes
    for outcome, runs in ((single, 1), (sweep, 2)):
        trained = lines(outcome)
        assert len(trained) == runs
        for working_directory, data, _ in trained:
            assert working_directory == str(folder)
            assert data == str(folder / "mine")


def test_long_names_are_shortened(outcomes: tuple[Path, list[Outcome]]) -> None:
    folder, (single, sweep, short, usual) = outcomes
    names = [Path(run_dir) for outcome in (single, sweep) for _, _, run_dir in lines(outcome)]
    assert len(set(names)) == 3
    for name in names:
        assert name.is_relative_to(folder)
        assert 200 <= len(name.name) <= 255
    assert "shorter name" in single.out
    assert "shorter name" not in short.out
    assert Path(lines(usual)[0][2]).name.endswith("_digits_mlp_cross_entropy_adam")
    assert Path(lines(short)[0][2]).name == "x_data.dir=mine,data=mnist"
