"""A search that is killed at any moment and run again asks for the same trials, and leaves the same runs."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from abreast.learner.checkpoint import load
from abreast.runs.directory import RunDirectory
from support.forks import EVERYTHING, SCRIPT, forks
from support.helpers import same

pytest.importorskip("optuna", reason="optuna is not installed: pip install -e '.[search]'")
pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="install '.[search]'")

# Counts what is written and trained, and kills the process just before one of them.
KILLED = """
import os, runpy, signal, sys
import optuna
from abreast.runs.directory import RunDirectory
from abreast.stacking.chunk import Chunk
from abreast.stacking.lane import Lane
from abreast.stacking.lane_checkpoints import LaneCheckpoints
from hydra_plugins.abreast_launcher._hydra_jobs import HydraJobs
from optuna.storages import RDBStorage

done = 0

def counted(cls, name):
    action = getattr(cls, name)

    def counting(*arguments, **more):
        global done
        done += 1
        if done == int(os.environ.get("KILL_AT", 0)):
            os.kill(os.getpid(), signal.SIGKILL)
        return action(*arguments, **more)

    setattr(cls, name, counting)

for cls, name in (
    (RunDirectory, "write_status"), (RunDirectory, "write_config"), (Chunk, "train"), (Lane, "finish"),
    (LaneCheckpoints, "flush"), (HydraJobs, "begin"), (HydraJobs, "end"),
    (RDBStorage, "create_new_trial"), (RDBStorage, "set_trial_user_attr"),
    (RDBStorage, "set_trial_state_values"), (RDBStorage, "set_trial_intermediate_value"),
):
    counted(cls, name)
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print(f"\\nDONE={done}")
"""
SEARCH = (
    *("-m", "hydra/sweeper=abreast_search", "hydra.sweeper.n_trials=11", "trainer.accelerator=cpu"),
    *("logger=none", "data=random", "data.size=200", "data.test_size=50", "trainer.max_epochs=6"),
    *("optim=sgd,adam", "optim.lr=tag(log,interval(0.001,1))", "+hydra.sweeper.sampler.n_startup_trials=5"),
)
STOPS = (
    *("callbacks=early_stopping", "callbacks.early_stopping.patience=1"),
    "callbacks.early_stopping.min_delta=0.01",
)
KINDS = {
    "early stopping": (*STOPS, "hydra.sweeper.batch=3"),
    "halving": ("hydra.launcher.halving=[1,3]", "hydra.sweeper.batch=4"),
    "both, validated every second epoch": (
        *(*STOPS, "hydra.launcher.halving=[2,4]", "hydra.launcher.keep=0.5", "hydra.sweeper.batch=3"),
        "trainer.check_val_every_n_epoch=2",
    ),
    "one lane": ("hydra.launcher.halving=[1,2]", "hydra.sweeper.batch=1", "hydra.sweeper.n_trials=5"),
}
KILLS = 4
CASES = [(kind, save_every) for kind in KINDS for save_every in (0, 30)]


def searched(folder: Path, *overrides: str, kill_at: int = 0) -> Any:
    arguments = [str(SCRIPT), *SEARCH, *overrides, f"hydra.sweep.dir={folder}"]
    return forks(EVERYTHING + "import optuna\n").run(KILLED, arguments, folder.parent, KILL_AT=str(kill_at))


def trials(folder: Path) -> list[tuple[Any, ...]]:
    """What Optuna knows of each trial, but for times."""
    with closing(sqlite3.connect(folder / "search.db")) as database:
        select = "SELECT t.number, t.state, v.value FROM trials t LEFT JOIN trial_values v USING (trial_id)"
        params = (
            "SELECT t.number, p.param_name, p.param_value FROM trial_params p JOIN trials t USING (trial_id)"
        )
        notes = (
            "SELECT t.number, a.key, a.value_json FROM trial_user_attributes a JOIN trials t USING (trial_id)"
        )
        return [row for query in (select, params, notes) for row in sorted(database.execute(query), key=repr)]


def runs(folder: Path) -> dict[str, Any]:
    """What the run directories hold, but for times."""
    return {
        path.parent.name: dict(_content(RunDirectory(path.parent))) for path in folder.glob("*/config.yaml")
    }


def _content(run: RunDirectory) -> Iterator[tuple[str, Any]]:
    status = run.read_status()
    yield "status", {key: status.get(key) for key in ("status", "reason", "dropped_at")}
    yield "metrics", [{**row, "seconds": 0} for row in run.read_metrics()]
    yield "result", run.read_result()["metrics"]
    yield "weights", load(run.checkpoints / "last.ckpt")["state_dict"]
    yield "hydra", (run.path / ".hydra" / "hydra.yaml").read_text().count(f"id: '{_number(run)}'")


def _number(run: RunDirectory) -> str:
    text = (run.path / ".hydra" / "hydra.yaml").read_text()
    return text.partition("  num: ")[2].partition("\n")[0]


@pytest.mark.long
@pytest.mark.parametrize(("kind", "save_every"), CASES)
def test_killed_at_any_moment(kind: str, save_every: int, tmp_path: Path) -> None:
    overrides = (*KINDS[kind], f"hydra.launcher.save_every={save_every}")
    whole = searched(tmp_path / "whole", *overrides)
    assert whole.code == 0, whole.err
    moments = int(whole.out.rpartition("DONE=")[2])
    expected = trials(tmp_path / "whole"), runs(tmp_path / "whole")
    assert len(expected[1]) == (5 if kind == "one lane" else 11)
    for seed in range(3):
        draw = random.Random(f"{kind} {save_every} {seed}")
        folder = tmp_path / f"killed{seed}"
        moment: list[int] = []
        for _ in range(KILLS):
            moment.append(draw.randint(1, moments))
            if searched(folder, *overrides, kill_at=moment[-1]).code == 0:
                break
        last = searched(folder, *overrides)
        assert last.code == 0, last.err
        assert trials(folder) == expected[0], moment
        killed = runs(folder)
        assert [*sorted(killed)] == [*sorted(expected[1])], moment
        for name, content in expected[1].items():
            assert same(killed[name].pop("weights"), content["weights"]), (moment, name)
            assert killed[name] == {key: content[key] for key in content if key != "weights"}, (moment, name)
