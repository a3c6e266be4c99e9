"""The house: imports run one way, modules stay small, what promises to do without torch does without it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.helpers import CONF, ROOT

SOURCE = ROOT / "src"
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}
assert len(MODULES) > 150
MOST_LINES = 250

# From the ground up: a module may import those of its own floor and of the floors below it.
LADDER = (
    {"errors", "suggestions"},
    {"runtime", "static"},
    {"config"},
    {"data", "losses", "models", "optim"},
    {"metrics", "statistics"},
    {"runs", "hparams"},
    {"loggers", "validation"},
    {"learner"},
    {"callbacks", "report"},
    {"build", "study"},
    {"training"},
    {"inference", "stacking"},
    {"hydra_plugins"},
    {"cli"},
    {"api", "__main__"},
)
# (importer, imported): why the arrow may point up.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("abreast", module): "for type checkers alone: what the package itself offers is imported when asked for"
    for module in (
        "abreast.api.decision",
        "abreast.api.functions",
        "abreast.api.report",
        "abreast.api.run",
        "abreast.api.sweep",
    )
}
# Without torch and Lightning: what runs before a mistake in a command is told, and what only reads.
TORCH_FREE = (
    "cli",
    "config",
    "hparams",
    "report",
    "runs",
    "static",
    "statistics",
    "study",
    "suggestions",
    "validation",
)
WITH_TORCH = (
    "abreast.cli.evaluate",
    "abreast.cli.export",
    "abreast.cli.predict",
    "abreast.cli.rank",
)  # the subcommands that open a network; they are imported once their arguments are checked
GROUPS = ("loss", "optim", "schedule", "data", "model", "trainer", "logger", "callbacks", "experiment")


def floor(module: str) -> int:
    """The module's floor in the ladder; that of the package `abreast` itself, the lowest."""
    package = "hydra_plugins" if module.startswith("hydra_plugins") else (*module.split("."), "errors")[1]
    levels = [level for level, packages in enumerate(LADDER) if package in packages]
    assert levels, f"{module}: its package has no floor in the ladder"
    return levels[0]


def imports(module: str) -> Iterator[str]:
    """The modules of ours that a module imports, anywhere in it: at the top, late, and for types."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            while name and name not in MODULES:
                name = name.rpartition(".")[0]
            if name and name not in ("abreast", module):
                yield name


GRAPH = {module: sorted(set(imports(module))) for module in MODULES}


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module: str) -> None:
    for other in GRAPH[module]:
        if (module, other) not in EXCEPTIONS:
            assert floor(other) <= floor(module), f"{module} imports {other}"


def test_each_exception_is_needed_and_has_a_reason() -> None:
    for (module, other), reason in EXCEPTIONS.items():
        assert other in GRAPH[module], f"{module} no longer imports {other}"
        assert floor(other) > floor(module)
        assert reason


def test_no_module_imports_itself_through_others() -> None:
    done: set[str] = set()

    def follow(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " imports ".join((*way[way.index(module) :], module))
        if module not in done:
            for other in GRAPH[module]:
                follow(other, (*way, module))
            done.add(module)

    for module in MODULES:
        follow(module, ())


@pytest.mark.parametrize("package", TORCH_FREE)
def test_a_torch_free_package_imports_no_torch(package: str) -> None:
    modules = [
        name for name in MODULES if f"{name}.".startswith(f"abreast.{package}.") and name not in WITH_TORCH
    ]
    assert modules
    program = "\n".join(
        (*(f"import {name}" for name in modules), "import sys", "sys.exit('torch' in sys.modules)")
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("module", MODULES)
def test_modules_hold_one_noun(module: str) -> None:
    text = MODULES[module].read_text()
    assert len(text.splitlines()) <= MOST_LINES
    assert ast.get_docstring(ast.parse(text))


def test_every_option_says_what_it_is() -> None:
    files = sorted(CONF.rglob("*.yaml"))
    assert len(files) > 70
    for path in files:
        assert path.read_text().startswith("# "), path


def test_targets_use_public_homes() -> None:
    """`_target_`s enter run ids and run directories: they name a package, never the module behind it."""
    homes = {"callbacks", "data", "loggers", "losses", "metrics", "models", "optim"}
    found = 0
    for path in sorted(CONF.rglob("*.yaml")):
        if path.parent.name == "hydra":
            continue
        for target in re.findall(r"_target_: (abreast\.\S+)", path.read_text()):
            found += 1
            assert target.count(".") == 2, f"{path}: {target}"
            assert target.split(".")[1] in homes, f"{path}: {target}"
    assert found > 30


def test_the_readme_is_short_and_the_options_page_names_every_option() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 200
    page = (ROOT / "docs" / "options.md").read_text()
    for group in GROUPS:
        names = [path.stem for path in (CONF / group).glob("*.yaml")]
        assert names
        missing = [name for name in names if f"| `{name}` |" not in page]
        assert not missing, f"{group}: {missing}; run python scripts/generate_docs.py"


def test_the_repository_holds_what_it_should() -> None:
    for name in ("pyproject.toml", "train.py", "conf", "src", "tests", "scripts", "README.md"):
        assert Path(ROOT, name).exists()
