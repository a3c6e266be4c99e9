"""Stacks that other processes train leave what this one leaves."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abreast.errors import ConfigError
from hydra_plugins.abreast_launcher.engines.choose import choose_engine
from hydra_plugins.abreast_launcher.engines.work import divide
from support.helpers import same

pytestmark = pytest.mark.long

SIX = ("data=random", "data.size=200", "data.test_size=50", "trainer.max_epochs=2", "seed=range(6)")
ENGINES = {
    "joblib": ("joblib", ()),
    "submitit": ("submitit", ("hydra.launcher.engine_options={cluster: local}",)),
    "ray": ("ray", ()),
}
LAUNCHERS = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", ("hydra.launcher.n_jobs=2",)),
    "submitit_local": ("hydra_plugins.hydra_submitit_launcher", ()),
    "ray": ("hydra_plugins.hydra_ray_launcher", ()),
}


def needs(module: str, extra: str) -> None:
    """Skip where the module is not installed."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed: pip install -e '.[{extra}]'")


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_trains_the_slices_of_a_stack(engine: str, sweep: Callable[..., Any]) -> None:
    module, more = ENGINES[engine]
    needs(module, engine)
    here = sweep(*SIX, name="here")
    there = sweep(*SIX, f"hydra.launcher.engine={engine}", "hydra.launcher.workers=2", *more, name="there")
    assert f"2 parts of stacks go to {engine}" in there.output
    assert there.statuses() == here.statuses() == ["finished"] * 6
    assert same(there.weights(), here.weights())
    for name, run in here.runs().items():
        files = {path.name for path in run.path.rglob("*")}
        assert {path.name for path in there.runs()[name].path.rglob("*")} == files
        assert there.runs()[name].read_result()["metrics"] == run.read_result()["metrics"]


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_sweep_under_one_of_hydras_launchers(launcher: str, sweep: Callable[..., Any]) -> None:
    module, more = LAUNCHERS[launcher]
    needs(module, launcher.partition("_")[0])
    done = sweep(*SIX[:-1], "seed=0,1", f"hydra/launcher={launcher}", *more)
    assert done.statuses() == ["finished"] * 2
    ours = sweep(*SIX[:-1], "seed=0,1", name="ours")
    assert sorted(done.runs()) == sorted(ours.runs())  # the same names
    last = [text.strip().splitlines()[-1] for text in (done.output, ours.output)]
    assert [line.rpartition(" ")[0] for line in last] == ["To compare them: abreast report"] * 2
    assert "pid=" not in done.output


@pytest.mark.parametrize("name", [*ENGINES, *(f"hydra/launcher={launcher}" for launcher in LAUNCHERS)])
def test_paths_are_the_callers_and_long_names_are_shortened(
    name: str, sweep: Callable[..., Any], tmp_path: Path
) -> None:
    """Wherever a run is trained: with Hydra's change of directory, and a name of 300 letters."""
    module, more = LAUNCHERS[name.partition("=")[2]] if "=" in name else ENGINES[name]
    needs(module, name.rpartition("=")[2].partition("_")[0])
    labels = np.arange(60) % 3
    np.savez(tmp_path / "here.npz", x=np.random.default_rng(0).normal(size=(60, 4)), y=labels)
    launched = (name,) if "=" in name else (f"hydra.launcher.engine={name}", "hydra.launcher.workers=2")
    hidden = f"model.hidden=[{','.join(str(10 + width % 7) for width in range(90))}]"
    long = ("hydra.job.chdir=true", hidden, "hydra.sweep.subdir=${hydra.job.override_dirname}")
    data = ("data=npz", "data.file=here.npz", "trainer.max_epochs=1", "seed=range(4)")
    done = sweep(*data, *long, *launched, *more)
    assert done.statuses() == ["finished"] * 4
    assert all(len(run) < 256 for run in done.runs())


def test_what_fails_in_an_engine_is_told_here(sweep: Callable[..., Any]) -> None:
    more = ("optim=sgd", "loss=mse", "optim.lr=0.1,0.01,1e25,1e26", "hydra.launcher.engine=joblib")
    done = sweep(*SIX[:-1], *more, "hydra.launcher.workers=2")
    assert done.statuses() == ["failed", "failed", "finished", "finished"]
    assert "2 of 4 jobs failed" in done.output
    assert "diverged at step" in done.output


@pytest.mark.parametrize(
    ("sizes", "workers", "expected"),
    [
        ((10,), 1, [10]),
        ((10,), 2, [5, 5]),
        ((10,), 3, [2, 3, 5]),
        ((8, 2), 4, [2, 2, 2, 4]),
        ((3,), 4, [3]),  # nothing is left to share in stacks of one
        ((4, 4), 2, [4, 4]),
        ((), 2, []),
    ],
)
def test_stacks_are_cut_until_there_is_one_for_each_worker(
    sizes: tuple[int, ...], workers: int, expected: list[int]
) -> None:
    parts = divide([list(range(size)) for size in sizes], workers)
    assert sorted(map(len, parts)) == expected


def test_an_engine_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="engine=dask: must be one of none, joblib, submitit, ray"):
        choose_engine("dask")
