"""A stranger's folder as the working directory: none of its modules is imported by what opens a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from abreast.runs.directory import RunDirectory
from support.command_line import environment, run_command
from support.helpers import ROOT, compose
from support.references import References

TINY = ("data=random", "data.size=100", "data.test_size=30", "model.hidden=[4]", "trainer=cpu", "logger=none")
# Standard library, libraries that are installed, and ones that are imported only if they are there.
SHADOWS = (
    "__future__",
    "enum",
    "pathlib",
    "re",
    "typing",
    "yaml",
    "csv",
    "hydra",
    "torch",
    "numpy",
    "rich",
    "tensorboardX",
    "onnx",
    "opt_einsum",
    "triton",
    "nets",
)


@pytest.fixture
def stranger(tmp_path: Path, reference: References) -> Path:
    """A run's directory with modules that leave a mark when they are imported."""
    path = reference(compose(*TINY, "trainer.max_epochs=1")).copy_to(tmp_path / "run")
    for name in SHADOWS:
        (path / f"{name}.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'a').write('{name} ')\n")
    RunDirectory(path).write_status("interrupted", reason="stopped by SIGTERM")
    return path


SCRIPT = "{script}"  # as pip installs it: a file in another folder
COMMANDS = {
    "report": [sys.executable, SCRIPT, "report", "."],
    "evaluate": [sys.executable, "-m", "abreast", "evaluate", "."],
    "predict": [sys.executable, SCRIPT, "predict", ".", "rows.csv"],
    "resume": [sys.executable, str(ROOT / "train.py"), "resume=."],
    "resume in ranks": [
        sys.executable,
        str(ROOT / "train.py"),
        "resume=.",
        "trainer.strategy=ddp",
        "trainer.devices=2",
    ],
}


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(it, marks=[pytest.mark.long] * (it not in ("evaluate", "resume in ranks")))
        for it in COMMANDS
    ],
)
def test_what_opens_a_run_imports_nothing_from_the_working_directory(
    command: str, stranger: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    subprocess.run([sys.executable, "-c", "import yaml, nets"], cwd=stranger, check=True)
    assert mark.read_text() == "yaml nets "  # as Python has it
    mark.unlink()
    script = tmp_path / "bin" / "abreast"
    script.parent.mkdir()
    script.write_text("from abreast.cli.main import main\nmain()\n")
    outcome = run_command([part.format(script=script) for part in COMMANDS[command]], stranger)
    assert not mark.exists(), mark.read_text()
    assert "Traceback" not in outcome.err
    if command != "predict":
        assert outcome.code == 0, outcome.err


def test_training_looks_there_last(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("raise SystemExit('shadowed')\n")
    (tmp_path / "mine.py").write_text("from torch.nn import ReLU\nclass Loss(ReLU): pass\n")
    code = "from abreast.runtime import module_path as m; m.put_working_directory_last(); import yaml, mine"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_module_that_the_user_trusts_is_found_there_and_no_other(tmp_path: Path) -> None:
    for name in ("mine", "theirs", "csv"):
        (tmp_path / f"{name}.py").write_text(f"print('{name}')\n")
    code = (
        "from abreast.runtime import module_path as m\n"
        "m.leave_out_working_directory(['mine', 'csv', '/data'])\n"
        "import mine, csv\n"
        "try: import theirs\n"
        "except ImportError: print('not theirs')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert done.stdout == "mine\nnot theirs\n", done.stderr


def test_a_working_directory_that_was_removed(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    done = subprocess.run(
        ["sh", "-c", f"rmdir '{folder}' && exec '{sys.executable}' -m abreast ls"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "It was removed: change to another" in done.stderr
