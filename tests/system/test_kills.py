"""SIGKILL at any moment: a checkpoint can always be loaded, and the end is as if nothing had happened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from abreast.learner import checkpoint
from abreast.runs.directory import RunDirectory
from abreast.runs.files import EXAMPLES
from abreast.training.run import run
from support.helpers import allowed, compose, program_environment, same
from support.killing import is_finished

pytestmark = pytest.mark.slow

TINY = (
    "data=random",
    "data.size=400",
    "data.test_size=50",
    "data.batch_size=10",
    "model.hidden=[64]",
    "model.dropout=0.2",
    "trainer=cpu",
    "callbacks=none",
    "steps_per_execution=8",
)


def killed(tmp_path: Path, **spec: Any) -> str:
    """What `support.killing` printed."""
    file = tmp_path / "spec.json"
    file.write_text(json.dumps(spec))
    command = [sys.executable, "-m", "support.killing", str(file)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=500, cwd=spec["folder"], env=program_environment()
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def weights(path: Path) -> dict[str, Any]:
    return {file.name: checkpoint.load(file)["state_dict"] for file in path.glob("checkpoints/*.ckpt")}


def result(path: Path) -> dict[str, Any]:
    result = RunDirectory(path).read_result()
    return {key: value for key, value in result.items() if key not in ("seconds", "execution")}


def rows(path: Path) -> list[dict[str, float]]:
    return [{**row, "seconds": 0.0} for row in RunDirectory(path).read_metrics()]


@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.long)])
def test_kills_of_a_run(kills: int, tmp_path: Path) -> None:
    cfg = compose(*TINY, "trainer.max_epochs=20")
    folder = tmp_path / "killed"
    folder.mkdir()
    assert killed(tmp_path, folder=str(folder), cfg=cfg, kills=kills, longest=0.4).split()[-1] == str(kills)
    with allowed():
        run(cfg, tmp_path / "whole")
    found = [path for path in folder.iterdir() if is_finished(path)]
    assert found
    for path in found:
        assert result(path) == result(tmp_path / "whole")
        assert (path / EXAMPLES).read_bytes() == (tmp_path / "whole" / EXAMPLES).read_bytes()
        assert rows(path) == rows(tmp_path / "whole")
        assert same(weights(path), weights(tmp_path / "whole"))
        assert not [*path.rglob("*.part")]


@pytest.mark.long
@pytest.mark.parametrize(
    ("more", "runs"),
    [(("optim=adam,lbfgs", "seed=0,1"), 4), (("hydra.launcher.workers=2", "seed=range(6)"), 6)],
    ids=["a stack and others", "two processes"],
)
def test_fifteen_kills_of_a_sweep(more: tuple[str, ...], runs: int, tmp_path: Path) -> None:
    """With two processes, the one that has forked them is killed; a lane each makes the others wait."""
    arguments = [
        "-m",
        *TINY,
        "trainer.max_epochs=30",
        "optim.lr=0.01",
        "hydra.launcher.save_every=0",
        "hydra.launcher.max_lanes=2",
        *more,
    ]
    for name, kills in (("killed", 15), ("whole", 0)):
        folder = tmp_path / name
        folder.mkdir()
        killed(tmp_path, folder=str(folder), arguments=arguments, kills=kills, longest=1.6)
    [left], [right] = ([*(tmp_path / name).glob("runs/*/*")] for name in ("killed", "whole"))
    names = sorted(path.parent.name for path in right.glob("*/result.json"))
    assert names == sorted(path.parent.name for path in left.glob("*/result.json"))
    assert len(names) == runs
    for name in names:
        assert result(left / name) == result(right / name)
        assert rows(left / name) == rows(right / name)
        assert same(weights(left / name), weights(right / name))
        assert RunDirectory(left / name).read_status() == {"status": "finished"}
