"""`abreast plan` and `--dry-run`: what is counted, what is refused, and that nothing is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from abreast.runs.directory import RunDirectory
from support.command_line import run_all
from support.forks import run_forked

FAKE = {
    "runtime.fast_import": "",
    "stacking.run": "class Options:\n    def __init__(self, **settings):\n        pass\n",
    "stacking.probe": """
from abreast.stacking.cost import Cost

COST = Cost(epochs=10.0, epoch=(1.0, 2.0), outside=0.1, run_bytes=1e6, epoch_bytes=10.0)

class ProbeError(Exception):
    pass

def probe_stack(configs, options, at_a_time):
    return COST

def probe_run(config):
    if config["names"]["data"] == "mnist":
        raise ProbeError("MNIST is not here")
    return COST

def lanes_in_memory(memory_gib, config):
    return 3
""",
}
SWEEP = ["loss=mse,hinge", "optim=adam,lbfgs", "seed=range(3)"]
WORKERS = ["hydra.launcher.engine=joblib", "hydra.launcher.workers=2"]
HALVED = ["hydra.launcher.halving=[1,3]"]
SEARCH = [
    *("hydra/sweeper=abreast_search", "hydra.sweeper.n_trials=8", "hydra.sweeper.batch=3"),
    "optim.lr=interval(0.001,0.1)",
]
# The arguments, the runs of each stack, with its lanes where these are fewer, and the runs that are trained
# individually.
COUNTED: dict[str, tuple[list[str], list[Any], int]] = {
    "one run": (["plan", "loss=mse"], [], 1),
    "a copied command": (["plan", "python", "train.py", "loss=mse"], [], 1),
    "a sweep without -m": (["plan", *SWEEP], [6], 6),
    "a dry run": (["-m", *SWEEP, "--dry-run"], [6], 6),
    "runs that wait": (["plan", "seed=range(10)", "hydra.launcher.max_lanes=4"], [(10, 4)], 0),
    "one run at a time": (["plan", "seed=range(3)", "hydra.launcher.max_lanes=1"], [], 3),
    "stacks that are halved": (
        ["plan", "seed=range(10)", "hydra.launcher.max_lanes=4", *HALVED],
        [3, 3, 4],
        0,
    ),
    "lanes for the memory": (["plan", "seed=range(9)", "hydra.launcher.memory_gib=1"], [(9, 3)], 0),
    "the memory, halved": (["plan", "seed=range(9)", "hydra.launcher.memory_gib=1", *HALVED], [3, 3, 3], 0),
    "workers": (["plan", "seed=range(8)", *WORKERS], [4, 4], 0),
    "devices": (["plan", "seed=range(9)", "hydra.launcher.devices=[cpu,cpu,cpu]"], [2, 3, 4], 0),
    "workers, and runs that wait": (
        ["plan", "seed=range(8)", *WORKERS, "hydra.launcher.max_lanes=2"],
        [(4, 2), (4, 2)],
        0,
    ),
    "a search": (["plan", *SEARCH], [(8, 3)], 0),
    "a search, halved": (["plan", *SEARCH, *HALVED], [(8, 3)], 0),
    "a search over networks": (["plan", *SEARCH, "model.hidden=[8],[16]"], [(4, 3), (4, 3)], 0),
    "a search by workers": (["plan", *SEARCH, *WORKERS], [2, 3, 3], 0),
    "another launcher": (["plan", "seed=range(3)", "hydra/launcher=basic"], [], 3),
    "a run asked for twice": (["plan", "seed=0,1", "optim.lr=0.001,1e-3"], [2], 0),
    "a study": (
        ["plan", "+study=losses", "hydra.sweeper.cells={loss:[mse,hinge]}", "hydra.sweeper.trials=3"],
        [6, 10],
        0,
    ),
    "decide": (["plan", "decide", "loss=mse,hinge", "margin=0.1", "max_seeds=8"], [16], 0),
    "a dry decision": (["decide", "--dry-run", "loss=mse,hinge", "margin=0.1", "max_seeds=8"], [16], 0),
}
REFUSED = {
    "a command": (["plan", "report", "runs"], "abreast report trains nothing"),
    "a resumed run": (["plan", "resume=runs/x"], "abreast show RUN"),
    "an option": (["plan", "loss=mes,mse"], "Did you mean loss=mse?"),
    "a value": (["-m", "--dry-run", "optim.lr=-1,-2"], "optim.lr"),
    "a sweeper": (["plan", "-m", "hydra/sweeper=optuna", "seed=1,2"], "hydra/sweeper=optuna"),
    "--cfg of a sweep": (["-m", "loss=mse,hinge", "--cfg", "job"], "abreast plan says what the sweep"),
}


def test_what_is_trained_is_counted_and_what_cannot_be_planned_is_refused(tmp_path: Path) -> None:
    plans = [[*arguments, "--json"] for arguments, _, _ in COUNTED.values()]
    refused = [arguments for arguments, _ in REFUSED.values()]
    folders = [tmp_path / str(number) for number in range(len(plans) + len(refused))]
    for folder in folders:
        folder.mkdir()
    outcomes = run_all(list(zip(folders, plans + refused, strict=True)), fresh=False, **FAKE)
    for (name, (_, stacks, individual)), outcome in zip(COUNTED.items(), outcomes, strict=False):
        assert outcome.code == 0, (name, outcome)
        content = json.loads(outcome.out)
        parts = content["parts"]
        expected = sorted(stack if isinstance(stack, tuple) else (stack, stack) for stack in stacks)
        made = [part for part in parts if part["kind"] == "stack"]
        assert sorted((part["runs"], part["lanes"]) for part in made) == expected, name
        assert sum(part["runs"] for part in parts if part["kind"] == "individual") == individual, name
        assert content["runs"] == sum(runs for runs, _ in expected) + individual, name
        assert content["seconds"][0] < content["seconds"][1], name
    for (name, (_, message)), outcome in zip(REFUSED.items(), outcomes[len(plans) :], strict=True):
        assert outcome.code == 2, (name, outcome)
        assert message in outcome.err, name
        assert outcome.out == "", name
    assert not [path for folder in folders for path in folder.iterdir()]


def test_a_plan_says_the_reasons_and_knows_what_is_unknown(tmp_path: Path) -> None:
    rows = [["plan", *SWEEP], ["plan", "data=mnist"], ["plan", "optim=sgd,lbfgs", "data=digits,mnist"]]
    of_sweep, of_run, mixed = run_all([(tmp_path, row) for row in rows], fresh=False, **FAKE)
    assert "12 runs: loss=mse,hinge optim=adam,lbfgs seed=0,1,2" in of_sweep.out
    assert "1 stack of 6 lanes" in of_sweep.out
    assert "LBFGS evaluates the loss several times per step" in of_sweep.out
    assert "Nothing was written." in of_sweep.out
    assert "time unknown: MNIST is not here" in of_run.out
    assert "at least" in mixed.out
    assert not [*tmp_path.iterdir()]


LOSS = "import torch\nclass Mine(torch.nn.CrossEntropyLoss):\n    pass\n"
OPTION = (
    "_target_: abreast.losses.Loss\ncriterion: {_target_: my_losses.Mine}\nscores: logits\n"
    "targets: index\ntasks: [classification]\n"
)
SMALL = ["data=random", "data.size=200", "data.test_size=50", "model.hidden=[8]", "trainer=cpu"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with a custom loss."""
    folder = tmp_path / "work"
    (folder / "conf" / "loss").mkdir(parents=True)
    (folder / "my_losses.py").write_text(LOSS)
    (folder / "conf" / "loss" / "mine.yaml").write_text(OPTION)
    (tmp_path / "tmp").mkdir()
    return folder


def test_a_real_plan_measures_and_leaves_nothing(folder: Path) -> None:
    """A sweep with a loss that lies in the working directory."""
    arguments = [*SMALL, "--config-dir", "conf", "loss=mine,mse", "seed=0,1", "hydra.sweep.dir=sweep"]
    before = files(folder.parent)
    done = run_forked([*arguments, "--dry-run", "--json"], folder, TMPDIR=str(folder.parent / "tmp"))
    assert done.code == 0, done.err
    content = json.loads(done.out)
    assert files(folder.parent) == before
    assert content["parts"][0]["groups"] == [
        {"settings": "loss=mine", "runs": 2},
        {"settings": "loss=mse", "runs": 2},
    ]
    assert 0 < content["seconds"][0] < content["seconds"][1] < 1000
    assert 10_000 < content["bytes"] < 10_000_000


def test_finished_runs_are_not_planned_again(folder: Path) -> None:
    sweep = [*SMALL, "hydra.sweep.dir=sweep", "trainer.max_epochs=1", "logger=none"]
    assert run_forked(["-m", *sweep, "seed=0,1"], folder).code == 0
    before = files(folder)
    done = run_forked(["plan", *sweep, "seed=0,1,2,3", "--json"], folder)
    content = json.loads(done.out)
    assert (content["runs"], content["finished"], content["directory"]) == (2, 2, "sweep")
    assert files(folder) == before
    other = run_forked(["plan", *sweep, "seed=0,1", "hydra/launcher=basic", "--json"], folder)
    assert json.loads(other.out)["parts"][0]["reason"] == "hydra/launcher=basic trains no stacks"
    assert files(folder) == before
    assert len([*(folder / "sweep").glob("*/config.yaml")]) == 2
    assert RunDirectory(next((folder / "sweep").glob("seed=0*"))).read_status()["status"] == "finished"


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """All files and folders with their sizes and times."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))}
