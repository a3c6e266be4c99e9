"""Each patch fits the installed libraries, and none of them changes a result."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch

from abreast.runtime import patches
from abreast.runtime.patch import Patch
from abreast.runtime.patches import PATCHES, SWITCH
from abreast.runtime.versions import installed_version
from support.helpers import ROOT, same

SMALL = (
    "trainer.accelerator=cpu",
    "trainer.max_epochs=2",
    "logger=tensorboard",
    "data=digits",
    "model.hidden=[8]",
    "seed=3",
)
COMMANDS = {
    "run": ("optim=adam", "hydra.run.dir=out"),
    "stack": (
        "-m",
        "optim=adam,sgd",
        "loss=cross_entropy,mse",
        "trainer.accelerator=cpu",
        "hydra.sweep.dir=out",
    ),
    "plain": ("optim=adam", "steps_per_execution=1", "hydra.run.dir=out"),
}


def ids(patch: Patch) -> str:
    return patch.name


@pytest.mark.parametrize("patch", PATCHES, ids=ids)
def test_the_installed_version_is_one_of_those_tested(patch: Patch) -> None:
    installed = installed_version(patch.library)
    if installed is None:
        pytest.skip(f"{patch.library} is not installed")
    problem = patches.version_problem(patch, installed)
    assert problem is None, problem


@pytest.mark.parametrize("patch", PATCHES, ids=ids)
def test_a_row_is_whole(patch: Patch) -> None:
    assert import_module(patch.home).__doc__
    assert patches.missing_names(patch) == []
    assert patch.what
    assert patch.without


def test_names_are_unique() -> None:
    assert len({patch.name for patch in PATCHES}) == len(PATCHES)
    with pytest.raises(KeyError):
        patches.is_on("unknown")


@pytest.mark.parametrize(
    ("installed", "problem"),
    [
        ("2.14.1+cpu", None),
        ("2.14.0a0", None),
        ("2.15.0", "torch 2.15.0 is newer than the versions that lazy_dynamo was tested with (2.14)"),
        ("3.0", "torch 3.0 is newer"),
        ("2.13.1", "torch 2.13.1 is older"),
        ("2.9.1", "torch 2.9.1 is older"),
    ],
)
def test_a_version_outside_the_range_is_named(installed: str, problem: str | None) -> None:
    (patch,) = (patch for patch in PATCHES if patch.name == "lazy_dynamo")
    message = patches.version_problem(patch, installed)
    if problem is None:
        assert message is None
    else:
        assert message is not None
        assert message.startswith(problem)
        assert "range in abreast.runtime.patches" in message


def test_the_switch_turns_off_all_that_is_not_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "1")
    assert [patch.name for patch in PATCHES if patches.is_on(patch.name)] == [
        patch.name for patch in PATCHES if patch.required
    ]
    monkeypatch.delenv(SWITCH)
    assert all(patches.is_on(patch.name) for patch in PATCHES)


def test_a_patch_whose_library_changed_is_off_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    changed = replace(PATCHES[0], name="changed", private=("torch:no_such_name", "no_such_module:name"))
    monkeypatch.setitem(patches._BY_NAME, "changed", changed)
    assert patches.is_on("changed") is False
    assert patches.is_on("changed") is False
    (message,) = caplog.messages
    assert "has no torch:no_such_name, no_such_module:name: continuing without the patch changed" in message


def checkpoints(folder: Path, arguments: tuple[str, ...], switch: str) -> dict[str, object]:
    """The checkpoints' content and metrics of a command's runs, by their paths."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments, *SMALL],
        cwd=folder,
        env={**os.environ, SWITCH: switch, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    contents: dict[str, object] = {}
    for path in sorted((folder / "out").rglob("*.ckpt")):
        checkpoint = torch.load(path, weights_only=True)
        kept = {key: checkpoint[key] for key in ("state_dict", "optimizer_states", "epoch", "global_step")}
        contents[str(path.relative_to(folder))] = kept
    for path in sorted((folder / "out").rglob("metrics.csv")):
        rows = [line.split(",") for line in path.read_text().splitlines()]
        timed = rows[0].index("seconds")
        contents[str(path.relative_to(folder))] = [row[:timed] + row[timed + 1 :] for row in rows]
    return contents


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_results_are_bitwise_identical_without_patches(command: str, tmp_path: Path) -> None:
    without = checkpoints(tmp_path / "without", COMMANDS[command], "1")
    patched = checkpoints(tmp_path / "patched", COMMANDS[command], "0")
    assert len(patched) >= (12 if command == "stack" else 3)
    assert patched.keys() == without.keys()
    for path, content in patched.items():
        assert same(content, without[path]), path
