"""A sweep leaves what the basic launcher leaves, file by file, and what it leaves without the quick ways."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from support.forks import run_forked
from support.helpers import jobs_of
from support.whole_runs import files_of

COMMON = ("-m", "trainer=cpu", "trainer.max_epochs=2", "model.hidden=[12]")
SMALL = ("data=random", "data.size=150", "data.test_size=50")
QUIET = ("logger=none", "callbacks=none")


def swept(folder: Path, *overrides: str, **environment: str) -> list[Path]:
    """The runs of a sweep in a folder, by their numbers."""
    folder.mkdir()
    done = run_forked([*COMMON, *overrides, "hydra.sweep.dir=sweep"], folder, **environment)
    assert done.code == 0, done.out + done.err
    return jobs_of(folder / "sweep")


def check(runs: Sequence[Path], others: Sequence[Path], *, across_launchers: bool) -> None:
    """Compare all files of all runs."""
    assert len(runs) == len(others) > 1
    for run, other in zip(runs, others, strict=True):
        contents = []
        for path in (run, other):
            folder = next(parent for parent in path.parents if parent.name == "sweep").parent
            replaced = {f"sweep/{path.name}": "RUN", str(folder): "FOLDER"}
            contents.append(files_of(path, replaced=replaced, across_launchers=across_launchers))
        assert contents[0].keys() == contents[1].keys()
        for name, content in contents[0].items():
            assert content == contents[1][name], f"{run.name}/{name}"


def test_every_file_is_that_of_the_basic_launcher(tmp_path: Path) -> None:
    sweep = ("data=digits", "optim=adam,momentum", "optim.lr=0.01,1e-3")
    lanes = swept(tmp_path / "stack", *sweep)
    alone = swept(tmp_path / "basic", *sweep, "hydra/launcher=basic")
    assert "checkpoints/last.ckpt" in files_of(lanes[0], replaced={})
    assert any("tfevents" in name for name in files_of(lanes[0], replaced={}))
    check(lanes, alone, across_launchers=True)


@pytest.mark.parametrize(
    "sweep",
    [
        ("optim.lr=0.01,1e-3", "model.hidden=[8],[8,4]", "loss=mse,cross_entropy"),
        ("schedule=one_cycle", "optim=adam", "optim.lr=0.01,0.02"),  # the schedule interpolates the rate
        ("seed=0,1", "+hydra.job.env_set.ABREAST_TEST=${seed}", "hydra.sweep.subdir=n_${hydra:job.num}"),
        pytest.param(
            ("seed=0,1", "hydra.verbose=true", "hydra.job.name='ünïcode: name'"),
            marks=pytest.mark.long,
        ),
        pytest.param(
            (
                "data=wine,breast_cancer",
                "optim=adam,sgd",
                "loss=mse",
                "hydra.sweep.subdir=t/${hydra:job.num}",
            ),
            marks=pytest.mark.long,
        ),
        pytest.param(
            (
                "optim=adam",
                "optim.betas=[0.9,0.99],[0.8,0.999]",
                "optim.lr=1e-2,0.0010",
                "checkpoint=last",
            ),
            marks=pytest.mark.long,
        ),
        pytest.param(("seed=0,1", "hydra.job.chdir=true", "monitor=val/loss"), marks=pytest.mark.long),
        pytest.param(
            ("seed=0,1", "hydra.job_logging.handlers.file.filename=elsewhere_${hydra:job.num}.log"),
            marks=pytest.mark.long,
        ),
        pytest.param(("seed=0,1", "hydra/job_logging=none"), marks=pytest.mark.long),
    ],
    ids=lambda sweep: sweep[-1].partition("=")[0],
)
def test_every_file_is_that_without_the_quick_ways(sweep: tuple[str, ...], tmp_path: Path) -> None:
    sweep = (*QUIET, *(() if sweep[0].startswith("data=") else SMALL), *sweep)
    quick = swept(tmp_path / "quick", *sweep)
    slow = swept(tmp_path / "slow", *sweep, ABREAST_NO_PATCHES="1")
    check(quick, slow, across_launchers=False)
