"""Imports run one way, modules stay small, and every file in conf/ says what it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from helpers import CONF, ROOT

SOURCE = ROOT / "src" / "abreast"
FILES = sorted(SOURCE.rglob("*.py"))
assert len(FILES) > 30
# A module may import those of its own layer and of the layers before it.
LAYERS = (
    {"errors", "locking", "seeding", "targets"},
    {
        "results",
        "outside",
        "catalog",
        "monitoring",
        "precision",
        "lean",
        "commands",
        "composing",
        "deferred",
        "memory",
    },
    {
        "sweeps",
        "identity",
        "continuing",
        "checkpoint",
        "losses",
        "data",
        "models",
        "optim",
        "schedule",
        "board",
        "checking",
        "hardest",
        "report",
    },
    {"metrics", "fused", "execution", "fitting", "position", "module", "sharing", "callbacks"},
    {"build", "summary", "hyperparameters", "trust"},
    {"ranks", "training", "rebuilding"},
    {"evaluation", "prediction", "export", "resuming", "stacking", "study"},
    {"app"},
)
# Without torch and Lightning: what runs before a mistake in a command is told, and what only reads.
GROUPS = ("loss", "optim", "schedule", "data", "model", "trainer", "logger", "callbacks", "experiment")
LIGHT = (
    "app",
    "catalog",
    "commands",
    "composing",
    "errors",
    "monitoring",
    "report",
    "results",
    "study",
    "targets",
    "checking",
)


def part(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def imports(path: Path) -> list[tuple[str, bool]]:
    """The modules that a file imports, and whether at its top level (not within a function or for types)."""
    tree = ast.parse(path.read_text())
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "abreast":
            found += [(f"abreast.{alias.name}", id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, id(node) in top))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_run_one_way(path: Path) -> None:
    if path.parent == SOURCE and path.stem == "__init__":
        return
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    for name, at_top in imports(path):
        if name.startswith("abreast.") and at_top and name != "abreast.__version__":
            other = name.split(".")[1]
            assert level[other] <= level[part(path)], f"{part(path)} imports {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_what_is_light_stays_light(path: Path) -> None:
    if part(path) in LIGHT:
        heavy = [
            name for name, at_top in imports(path) if at_top and name.split(".")[0] in ("torch", "lightning")
        ]
        assert not heavy


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_modules_hold_one_noun(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_every_option_says_what_it_is() -> None:
    files = sorted(CONF.rglob("*.yaml"))
    assert len(files) > 70
    for path in files:
        assert path.read_text().startswith("# "), path


def test_the_readme_is_short_and_names_every_option() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 200
    for group in (
        "loss",
        "optim",
        "schedule",
        "data",
        "model",
        "trainer",
        "logger",
        "callbacks",
        "experiment",
    ):
        names = [path.stem for path in (CONF / group).glob("*.yaml")]
        assert names
        missing = [name for name in names if f"`{name}`" not in text]
        assert not missing, f"{group}: {missing}"
