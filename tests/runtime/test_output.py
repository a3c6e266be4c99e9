"""A standard output that breaks does not end what is computed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.helpers import program_environment

PRINTS = "print('one', flush=True); print('two', flush=True); print('done', file=sys.stderr)"
PLAIN = f"import sys; {PRINTS}"
GUARDED = f"""
import sys
from abreast.runtime.output import all_is_read, guarded_output
with guarded_output():
    {PRINTS}
    sys.exit(0 if all_is_read() else 1)
"""


def ran(program: str, where: str) -> tuple[int, str]:
    """The exit code and the standard error of a program whose standard output takes nothing."""
    with Path("/dev/full").open("w") as full:
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=full if where == "full" else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=program_environment(),
        )
    if process.stdout is not None:
        process.stdout.close()
        process.stdout = None
    return process.wait(60), process.communicate()[1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("where", ["full", "closed"])
def test_it_goes_on(where: str) -> None:
    code, said = ran(PLAIN, where)
    assert code == 1
    assert "done" not in said  # the unprotected twin ends with the first line
    code, said = ran(GUARDED, where)
    assert said.startswith("done\n")
    if where == "closed":
        assert (code, said) == (1, "done\n")
    else:
        assert code == 1
        assert "DiskError: standard output: cannot be written (No space left on device)" in said
