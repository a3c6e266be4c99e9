"""What MLflow and W&B are told of a run, alone or as a lane of a stack, by the real packages."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from lightning.pytorch import LightningModule, Trainer

from abreast.callbacks.run_writer import RunWriter
from abreast.errors import DivergedError, Interrupted
from abreast.runs.directory import RunDirectory
from abreast.stacking.build import Job
from abreast.stacking.run import train_stack
from abreast.training.run import resume, run
from support.command_line import ROOT
from support.helpers import allowed, compose, program_environment
from support.resuming import STEPS, TINY
from support.trackers import Logged, read_mlflow, read_wandb

pytest.importorskip("mlflow", reason="make test-long installs it")
pytest.importorskip("wandb", reason="make test-long installs it")

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # theirs

EVERY_STEP = ("logger=many", "trainer.log_every_n_steps=1", "+logger.mlflow.log_model=true")
Train = Callable[..., None]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store for all tests of the module: making one takes MLflow seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture(scope="module")
def overrides(store: str) -> tuple[str, ...]:
    artifacts = Path(store.removeprefix("sqlite:///")).parent.as_uri()
    return (
        *TINY,
        *EVERY_STEP,
        f"logger.mlflow.tracking_uri={store}",
        f"+logger.mlflow.artifact_location={artifacts}",
    )


def alone(folder: Path, *overrides: str, resumed: bool = False) -> None:
    cfg, path = compose(*overrides), folder / "run"
    with allowed():
        resume(cfg, RunDirectory(path)) if resumed else run(cfg, path)


def lane(folder: Path, *overrides: str, resumed: bool = False) -> None:
    """The second one of two lanes."""
    jobs = [
        Job(compose(*overrides, f"seed={seed}"), folder / name)
        for seed, name in [(1, "neighbour"), (0, "run")]
    ]
    with allowed():
        for outcome in train_stack(jobs):
            assert outcome.not_stacked is None
            if outcome.error is not None:
                raise outcome.error


def both(store: str, path: Path) -> tuple[Logged, Logged]:
    """What MLflow and W&B hold of the run in a directory."""
    return read_mlflow(store)[f"{path.parent.name}/{path.name}"], read_wandb(path)


@pytest.fixture(scope="module")
def expected(
    store: str, overrides: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Logged, Logged]:
    folder = tmp_path_factory.mktemp("expected")
    alone(folder, *overrides)
    return both(store, folder / "run")


def test_an_individual_run_is_logged(expected: tuple[Logged, Logged]) -> None:
    mlflow, wandb = expected
    assert (mlflow.status, wandb.status) == ("FINISHED", "finished")
    assert (mlflow.name, wandb.name) == ("run", "run")
    assert mlflow.id == wandb.id
    for logged in expected:
        assert [step for step, _ in logged.history["step/loss"]] == [*range(STEPS)]
        assert [step for step, _ in logged.history["val/loss"]] == [8, 17, 26]
        assert [step for step, _ in logged.history["final/test/loss"]] == [STEPS]
        assert logged.params.keys() >= {"seed", "loss", "optim.lr"}
    assert {"best/best.ckpt", "last/last.ckpt"} <= {*mlflow.artifacts}


def test_a_lane_is_logged_as_the_individual_run_is(
    store: str, overrides: tuple[str, ...], expected: tuple[Logged, Logged], tmp_path: Path
) -> None:
    lane(tmp_path, *overrides)
    logged = both(store, tmp_path / "run")
    assert [it.content for it in logged] == [it.content for it in expected]
    neighbours = both(store, tmp_path / "neighbour")
    assert [it.name for it in neighbours] == ["neighbour"] * 2
    assert len({it.id for it in (*logged, *neighbours, *expected)}) == 3  # two of the three have one seed
    assert neighbours[0].history != logged[0].history
    links = [path for path in tmp_path.rglob("wandb/**/*") if path.is_symlink()]
    assert links == []  # `resume=` follows none out of the run's directory


@contextmanager
def interrupted_in(epoch: int) -> Iterator[None]:
    ended = RunWriter.on_train_epoch_end

    def told(self: RunWriter, trainer: Trainer, pl_module: LightningModule) -> None:
        ended(self, trainer, pl_module)
        if trainer.current_epoch == epoch:
            raise Interrupted(signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch, suppress(Interrupted):
        patch.setattr(RunWriter, "on_train_epoch_end", told)
        yield


@pytest.mark.parametrize("train", [alone, lane])
def test_a_resumed_run_continues_what_it_began(
    train: Train, store: str, overrides: tuple[str, ...], expected: tuple[Logged, Logged], tmp_path: Path
) -> None:
    """It is stopped after the second epoch was logged, before a checkpoint holds that epoch."""
    train(tmp_path, *overrides, "trainer.max_epochs=1")
    ids = [it.id for it in both(store, tmp_path / "run")]
    with interrupted_in(1):
        train(tmp_path, *overrides, resumed=True)
    assert both(store, tmp_path / "run")[0].status == "KILLED"
    train(tmp_path, *overrides, resumed=True)
    logged = both(store, tmp_path / "run")
    assert [it.id for it in logged] == ids
    for continued, whole in zip(logged, expected, strict=True):
        assert continued.status == whole.status
        for name, points in whole.history.items():
            assert continued.history[name][-len(points) :] == points
            steps = [step for step, _ in continued.history[name]]
            assert steps == sorted({*steps})
    assert logged[1].history == expected[1].history  # of a run that was lengthened MLflow has two results


@pytest.mark.parametrize("train", [alone, lane])
def test_a_run_that_restarts_from_scratch_replaces_the_unfinished_one(
    train: Train, store: str, overrides: tuple[str, ...], expected: tuple[Logged, Logged], tmp_path: Path
) -> None:
    with interrupted_in(0):  # before there is a checkpoint
        train(tmp_path, *overrides)
    train(tmp_path, *overrides, resumed=True)
    logged = both(store, tmp_path / "run")  # of each one run
    assert [it.history for it in logged] == [it.history for it in expected]


@pytest.mark.parametrize("train", [alone, lane])
def test_a_run_that_diverges_has_failed_and_its_neighbour_has_not(
    train: Train, store: str, overrides: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(DivergedError):
        train(tmp_path, *overrides, "optim=sgd", "loss=mse", "optim.lr=1e20")
    mlflow, wandb = both(store, tmp_path / "run")
    assert (mlflow.status, wandb.status) == ("FAILED", "failed")
    assert all(math.isfinite(value) for _, value in mlflow.history.get("val/loss", []))


def test_a_killed_sweep_that_is_run_again_leaves_no_doubles(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "train.py"), *TINY, *EVERY_STEP[:2], "-m", "seed=0,1,2"]
    command += ["hydra.sweep.dir=sweep", "trainer.max_epochs=60", "hydra.launcher.save_every=0"]
    environment = program_environment(PYTHONWARNINGS="ignore")
    environment.pop("WANDB_SERVICE", None)  # of this process's runs: it takes a while to notice the kill
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    folder = tmp_path / "killed"
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as process:
        while len([*folder.glob("sweep/*/checkpoints/last.ckpt")]) < 3:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    for name in ("whole", "killed"):
        done = subprocess.run(command, cwd=tmp_path / name, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    whole = read_mlflow(f"sqlite:///{tmp_path / 'whole' / 'mlflow.db'}")
    killed = read_mlflow(f"sqlite:///{folder / 'mlflow.db'}")
    assert len(whole) == 3
    assert {name: it.content for name, it in killed.items()} == {
        name: it.content for name, it in whole.items()
    }
    for name in whole:
        assert read_wandb(folder / name).content == read_wandb(tmp_path / "whole" / name).content
    assert len({it.id for it in (*killed.values(), *whole.values())}) == 6


def test_processes_that_start_at_once_make_one_database(tmp_path: Path) -> None:
    """Two workers of joblib; MLflow alone has one of them find a database that is half made."""
    command = [sys.executable, str(ROOT / "train.py"), *TINY, "logger=mlflow", "-m", "seed=range(4)"]
    command += ["hydra.launcher.engine=joblib", "hydra.launcher.workers=2", "hydra.sweep.dir=sweep"]
    environment = program_environment(PYTHONWARNINGS="ignore")
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {it.status for it in read_mlflow(f"sqlite:///{tmp_path / 'mlflow.db'}").values()} == {"FINISHED"}
    assert len(read_mlflow(f"sqlite:///{tmp_path / 'mlflow.db'}")) == 4
