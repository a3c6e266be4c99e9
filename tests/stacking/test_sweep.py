"""A sweep from the command line: grouped, trained side by side, and reported as Hydra expects."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobReturn, JobStatus
from hydra.utils import execution_whitelist
from omegaconf import OmegaConf

from abreast.cli.task import task
from abreast.data.files import NAMES
from abreast.report.analysis import analyse
from abreast.report.collect import collect
from abreast.runs.directory import RunDirectory
from abreast.validation.preflight import Stop
from support.forks import run_forked
from support.helpers import CONF, jobs_of

COMMON = (
    "data=random",
    "data.size=150",
    "data.test_size=50",
    "data.batch_size=16",
    "model.hidden=[12]",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "callbacks=none",
    "logger=none",
)
Sweep = Callable[..., list[JobReturn]]


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """Run `train.py -m` in this process; gives Hydra's returns, failed ones included."""
    returned: list[JobReturn] = []

    def swept(*overrides: str) -> list[JobReturn]:
        with (
            initialize_config_dir(str(CONF)),
            execution_whitelist(["abreast.*", "hydra_plugins.*"]),
            pytest.MonkeyPatch.context() as patch,
        ):
            from hydra_plugins.abreast_launcher.launcher import AbreastLauncher

            launch = AbreastLauncher.launch

            def launched(self: AbreastLauncher, job_overrides: Any, initial_job_idx: int) -> Any:
                found = launch(self, job_overrides, initial_job_idx)
                returned.extend(found)
                return [each for each in found if each.status == JobStatus.COMPLETED]

            patch.setattr(AbreastLauncher, "launch", launched)
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            hydra.multirun(
                config_name="train",
                task_function=task,
                overrides=[
                    "hydra/launcher=abreast",
                    "hydra.mode=MULTIRUN",
                    f"hydra.sweep.dir={tmp_path}/sweep",
                    *COMMON,
                    *overrides,
                ],
            )
        return returned

    return swept


def test_a_mixed_sweep(sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    returned = sweep("optim=adam,lbfgs,sgd", "loss=mse", "optim.lr=0.01,1e9")
    assert [ret.hydra_cfg.hydra.job.num for ret in returned] == list(range(6))  # type: ignore[union-attr]
    expected = {0: "finished", 1: "failed", 2: "finished", 3: "failed", 4: "finished", 5: "failed"}
    for number, status in expected.items():
        directory = RunDirectory(jobs_of(tmp_path / "sweep")[number])
        assert directory.read_status()["status"] == status, number
        assert (directory.path / ".hydra" / "overrides.yaml").exists()
        if status == "finished":
            value = returned[number].return_value
            assert value == directory.read_result()["metrics"]["val/accuracy"]
        else:
            assert returned[number].return_value == 0.0  # the worst accuracy, for sweepers
    printed = capsys.readouterr().out
    assert printed.count("LBFGS evaluates the loss") == 1
    assert "3 of 6 jobs failed:" in printed
    for number in (1, 3, 5):
        assert f"#{number} optim=" in printed


def test_a_sweep_leaves_what_plain_runs_leave(
    sweep: Sweep, tmp_path: Path, check: Callable[[Path, Path], None]
) -> None:
    plain = f"hydra.sweep.dir={tmp_path}/plain"
    sweep("seed=0,1", "optim=adam,momentum", "hydra/launcher=basic", plain)
    returned = sweep("seed=0,1", "optim=adam,momentum", "hydra.launcher.max_lanes=3")
    assert len(returned) == 4
    for number in range(4):
        lane, reference = jobs_of(tmp_path / "sweep")[number], tmp_path / "plain" / str(number)
        check(lane, reference)
        assert (lane / "config.yaml").read_text() == (reference / "config.yaml").read_text()
        names = [sorted(path.name for path in run.iterdir()) for run in (lane, reference)]
        assert names[0] == names[1]
        value = RunDirectory(reference).read_result()["metrics"]["val/accuracy"]
        assert returned[number].return_value == value


def test_returns_hold_what_hydra_returns(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their configs are composed when somebody asks for them."""
    overrides = ("seed=0,1", "optim.lr=0.01", "hydra.job.chdir=false")
    quick = list(sweep(*overrides))
    (tmp_path / "sweep").rename(tmp_path / "quick")
    with monkeypatch.context() as patch:
        patch.setattr("hydra_plugins.abreast_launcher._composing.Composer.plain", lambda *_: None)
        whole = sweep(*overrides)[len(quick) :]
    assert [type(returned) for returned in whole] == [JobReturn, JobReturn]
    for one, other in zip(quick, whole, strict=True):
        one = pickle.loads(pickle.dumps(one))  # as launchers do that use other processes
        assert (one.overrides, one.task_name) == (other.overrides, other.task_name)
        assert (one.working_dir, one.status) == (other.working_dir, other.status)
        assert one.return_value == other.return_value
        assert one.cfg == other.cfg
        assert one.hydra_cfg is not None
        assert OmegaConf.to_yaml(one.hydra_cfg) == OmegaConf.to_yaml(other.hydra_cfg)


WATCH = """
from hydra.experimental.callback import Callback

class Watch(Callback):
    def on_job_start(self, config, **_):
        self.note("start", config)

    def on_job_end(self, config, job_return, **_):
        self.note(job_return.return_value, config)

    def note(self, what, config):
        with open("noted", "a") as file:
            file.write(f"{config.hydra.job.num} {config.seed} {what}\\n")
"""


def test_job_callbacks(tmp_path: Path) -> None:
    (tmp_path / "watching.py").write_text(WATCH)
    watch = "+hydra.callbacks.watch._target_=watching.Watch"
    done = run_forked(["-m", *COMMON, watch, "seed=3,4", "hydra.sweep.dir=sweep"], tmp_path)
    assert done.code == 0, done.out + done.err
    noted = (tmp_path / "noted").read_text().splitlines()
    values = [
        RunDirectory(run).read_result()["metrics"]["val/accuracy"] for run in jobs_of(tmp_path / "sweep")
    ]
    assert noted == ["0 3 start", "1 4 start", f"0 3 {values[0]}", f"1 4 {values[1]}"]


def test_a_job_whose_config_is_bad_fails_alone_and_first(
    sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    returned = sweep("seed=0,1", "data.val_fraction=0.1,2.0")
    assert [ret.status for ret in returned] == [JobStatus.COMPLETED, JobStatus.FAILED] * 2
    printed = capsys.readouterr().out
    assert "val_fraction" in printed
    assert printed.index("#1") < printed.index("Training 2 of 4 jobs")
    assert "2 of 4 jobs failed" in printed
    for number, path in enumerate(jobs_of(tmp_path / "sweep")):
        status = RunDirectory(path).read_status()
        assert status["status"] == ("finished", "failed")[number % 2]
        if number % 2:
            assert "val_fraction: must be in [0, 1), got 2.0" in status["reason"]
            assert "Traceback" in status["traceback"]


def test_a_sweep_without_a_job_that_can_run_is_not_begun(sweep: Sweep, tmp_path: Path) -> None:
    with pytest.raises(Stop) as stop:
        sweep("seed=0,1", "optim.lr=-1,-2")
    assert str(stop.value).splitlines() == [
        "seed=0 optim.lr=-1: optim.lr: must be at least 0, got -1",
        "optim.lr=-2: optim.lr: must be at least 0, got -2",
    ]
    assert not (tmp_path / "sweep").exists()


def test_after_a_failure_the_rest_is_left_out_if_so_wished(
    sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    returned = sweep("seed=0,1", "data.val_fraction=0.1,2.0", "sweep.on_fail=stop")
    assert [ret.status for ret in returned] == [JobStatus.FAILED] * 4
    printed = capsys.readouterr().out
    assert "Training" not in printed
    assert "#0 seed=0 data.val_fraction=0.1: not started: another run failed (sweep.on_fail=stop)" in printed
    assert len([*(tmp_path / "sweep").glob("*/status.json")]) == 2


def test_a_sweep_run_again_trains_what_is_missing(
    sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = [ret.return_value for ret in sweep("seed=0,1", "optim=adam,sgd")]
    files = sorted((tmp_path / "sweep").glob("*/result.json"))
    assert len(files) == 4
    before = {path: path.read_text() for path in files}
    files[2].unlink()  # as if the process had been killed just before
    (files[2].parent / "status.json").write_text('{"status": "running"}')
    capsys.readouterr()
    again = [ret.return_value for ret in sweep("optim=adam,sgd", "seed=0,1")[4:]]
    assert "3 of 4 runs are finished already, 1 are resumed" in capsys.readouterr().out
    assert sorted(again) == sorted(first)
    for path, text in before.items():
        if path != files[2]:
            assert path.read_text() == text
    assert RunDirectory(files[2].parent).read_status() == {"status": "finished"}


def test_a_changed_run_is_a_new_one(sweep: Sweep, tmp_path: Path) -> None:
    sweep("seed=0,1")
    sweep("seed=0,1", "trainer.max_epochs=1")
    sweep("seed=0,1", "logger=tensorboard")  # changes no result: the runs of the first sweep
    assert len([*(tmp_path / "sweep").glob("*/result.json")]) == 4


def test_the_same_run_twice_is_trained_once(sweep: Sweep, tmp_path: Path) -> None:
    returned = sweep("seed=0,1,0")
    assert returned[0].return_value == returned[2].return_value
    assert len([*(tmp_path / "sweep").glob("*/result.json")]) == 2


def test_a_stack_that_fails_as_a_whole_is_trained_plainly(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from abreast.stacking.chunk import Chunk

    train, calls = Chunk.train, []

    def broken(self: Chunk, *arguments: Any, **more: Any) -> None:
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("no memory")
        train(self, *arguments, **more)

    monkeypatch.setattr(Chunk, "train", broken)
    returned = sweep("seed=0,1", "steps_per_execution=4")
    assert [ret.status for ret in returned] == [JobStatus.COMPLETED] * 2
    for number in range(2):
        rows = RunDirectory(jobs_of(tmp_path / "sweep")[number]).read_metrics()
        assert [row["epoch"] for row in rows] == [1, 2]
    assert "no memory" in capsys.readouterr().out


def test_nothing_heavy_at_discovery() -> None:
    import subprocess

    program = (
        "import sys; from hydra.core.plugins import Plugins; Plugins.instance(); "
        "assert 'hydra_plugins.abreast_launcher.launcher' in sys.modules; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_sweep_over_data_trains_a_run_on_each(tmp_path: Path) -> None:
    """A path cannot change a result, but the data behind two paths do."""
    folders = [tmp_path / name for name in ("one", "other", "copy")]
    for folder, seed in zip(folders, (0, 1, 0), strict=True):
        random = np.random.default_rng(seed)
        folder.mkdir()
        for name in NAMES:
            rows = 60 if name.startswith("train") else 20
            shape = (rows, 28, 28) if "images" in name else (rows,)
            values = random.integers(0, 10, shape, dtype=np.uint8)
            head = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in shape)
            (folder / name).write_bytes(head + values.tobytes())
    small = [each for each in COMMON if not each.startswith("data")]
    command = ["-m", *small, "data=mnist", f"data.dir={','.join(map(str, folders))}", "hydra.sweep.dir=sweep"]
    outcome = run_forked(command, tmp_path)
    assert outcome.code == 0, outcome.err
    runs = [RunDirectory(path) for path in jobs_of(tmp_path / "sweep")]
    assert len(runs) == 3
    digests = [run.read_result()["data"]["digest"] for run in runs]
    assert digests[0] == digests[2] != digests[1]
    times = [(run.path / "result.json").stat().st_mtime_ns for run in runs]
    assert run_forked(command, tmp_path).code == 0
    assert [(run.path / "result.json").stat().st_mtime_ns for run in runs] == times
    groups = analyse(collect([tmp_path / "sweep"])).groups
    assert sorted(len(group.runs) for group in groups) == [1, 1]  # the copy repeats the first
