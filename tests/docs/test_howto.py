"""The code of the how-to pages runs as it stands there.

Blocks with a title are files, shell blocks are commands, and diffs are applied to a copy of the source.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.command_line import run_command
from support.forks import run_forked
from support.helpers import ROOT

PAGES = sorted((ROOT / "docs" / "howto").glob("*.md"))
assert len(PAGES) == 6
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in its order."""
    return [Block(*match) for match in BLOCK.findall(page.read_text())]


def apply(diff: str, folder: Path) -> None:
    """Apply a unified diff whose hunks have no line numbers: each must match at exactly one position."""
    for part in re.split(r"^--- a/", diff, flags=re.MULTILINE)[1:]:
        path = folder / part.partition("\n")[0]
        text = path.read_text()
        for hunk in re.split(r"^@@\n", part, flags=re.MULTILINE)[1:]:
            lines = hunk.splitlines(keepends=True)
            before = "".join(line[1:] for line in lines if line[0] in " -")
            after = "".join(line[1:] for line in lines if line[0] in " +")
            assert text.count(before) == 1, f"{path}: {text.count(before)} matches of\n{before}"
            text = text.replace(before, after)
        path.write_text(text)


def run(line: str, folder: Path, source: Path | None) -> None:
    """Run a command of a page: with a copy of the source if there is one, which requires a fresh process."""
    words = shlex.split(line)
    variables = {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    if words[:2] == ["python", "train.py"] and source is None:
        outcome = run_forked(words[2:], folder, **variables)
    else:
        if words[0] == "abreast" or words[:2] == ["python", "train.py"]:
            words = [sys.executable, "-m", "abreast", *words[2 if words[0] == "python" else 1 :]]
        else:
            assert words[0] == "python", line
            words[0] = sys.executable
        if source is not None:
            variables["PYTHONPATH"] = os.pathsep.join([str(source / "src"), os.environ.get("PYTHONPATH", "")])
        outcome = run_command(words, folder, **{"OMP_NUM_THREADS": "1", **variables})
    assert outcome.code == 0, f"{line}\n{outcome.out}{outcome.err}"
    assert "individually" not in outcome.out, f"{line}\n{outcome.out}"  # the sweeps of the pages are stacks


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs(page: Path, tmp_path: Path) -> None:
    found = blocks(page)
    source = None
    if any(block.language == "diff" for block in found):
        source = tmp_path / "source"
        shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "conf", source / "conf")
        shutil.copy(ROOT / "pyproject.toml", source)  # beside it, conf/ is that of a checkout
    commands = 0
    for block in found:
        if block.title:
            path = (source if source and block.title.startswith("src/") else tmp_path) / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language == "diff":
            assert source
            apply(block.text, source)
        elif block.language == "sh":
            for line in block.text.splitlines():
                run(line, tmp_path, source)
                commands += 1
        else:
            raise AssertionError(f"{page}: a block that no test uses: {block}")
    assert commands
    if page.stem == "metric":
        measured = [path.read_text().partition("\n")[0] for path in tmp_path.rglob("metrics.csv")]
        for name, runs in {"auroc": 2, "kappa": 1, "recall": 2, "true_probability": 2}.items():
            assert sum(f"val/{name}" in columns for columns in measured) == runs, name
