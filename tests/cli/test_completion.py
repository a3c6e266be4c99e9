"""Tab completion, as the shells that are installed do it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from abreast.cli.completion import SCRIPTS, completions, main
from abreast.config.options import conf_dir, groups


@pytest.mark.parametrize(
    ("line", "some", "none"),
    [
        ("abreast re", {"report", "resume="}, {"decide"}),
        ("abreast lo", {"loss=", "logger="}, {"ls"}),
        ("abreast loss=hinge", {"loss=hinge_embedding"}, {"loss=mse"}),
        ("abreast -m loss=mse,hi", {"loss=mse,hinge"}, {"loss=hinge"}),
        ("abreast optim=sgd optim.", {"optim.momentum=", "optim.lr="}, {"optim.betas=", "optim._target_="}),
        ("abreast optim.be", {"optim.betas="}, {"optim.lr="}),
        ("abreast data.sp", {"data.split_seed="}, {"data.fold="}),
        ("abreast -m +study=lo", {"+study=losses", "+study=loss_x_optim"}, {"study=losses"}),
        ("abreast decide loss=hi", {"loss=hinge"}, {"loss=mse"}),
        ("abreast show lo", {"loss=", "logger="}, {"ls"}),
        ("abreast evaluate runs/one data=di", {"data=digits"}, {"data=mnist"}),
    ],
)
def test_what_may_stand_there(line: str, some: set[str], none: set[str]) -> None:
    found = set(completions(line))
    assert some <= found
    assert not none & found


def test_every_option_is_offered() -> None:
    for group, names in groups([conf_dir()]).items():
        sign = "" if f"{group}=" in completions("abreast ") else "+"
        assert [f"{sign}{group}={name}" for name in names] == completions(f"abreast {sign}{group}=")


@pytest.mark.parametrize(
    "line", ["abreast report ru", "abreast evaluate ", "abreast nosuch=", "abreast ', ("]
)
def test_where_files_are_named_there_is_nothing(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert completions(line) == []
    assert main(["--words", line]) == 0
    assert capsys.readouterr().out == ""  # an empty line would keep the shell from offering files


SHELLS = {  # a script that prints what the shell's own machinery offers for a line
    "bash": (
        "source {script}; COMP_LINE={line}; COMP_POINT=${{#COMP_LINE}}; _abreast; "
        'printf "%s\\n" "${{COMPREPLY[@]}}"'
    ),
    "fish": "source {script}; complete -C {line} | cut -f1",
}


@pytest.mark.parametrize(
    ("line", "bash", "fish"),
    [
        ("abreast optim=nad", ["nadam"], ["optim=nadam"]),
        ("abreast +study=robus", ["robustness"], ["+study=robustness"]),
        ("abreast sho", ["show"], ["show"]),
        ("abreast optim=sgd optim.mom", ["optim.momentum="], ["optim.momentum="]),
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes(shell: str, line: str, bash: list[str], fish: list[str], tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(SCRIPTS[shell])
    command = tmp_path / "abreast"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m abreast "$@"\n')
    command.chmod(0o755)
    done = subprocess.run(
        [program, "-c", SHELLS[shell].format(script=tmp_path / "script", line=shlex.quote(line))],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert done.stderr == ""
    assert done.stdout.split() == (bash if shell == "bash" else fish)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_is_sound(shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    main([shell])
    script = capsys.readouterr().out
    assert "abreast completion --words" in script
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(script)
    subprocess.run([program, "-n", str(tmp_path / "script")], check=True)
