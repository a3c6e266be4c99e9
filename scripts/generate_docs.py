"""Write what the documentation says about files: the options, the tree of packages and the ladder of imports.

python scripts/generate_docs.py            # write the pages
python scripts/generate_docs.py --check    # exit code 1 if one of them is out of date
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import textwrap
from pathlib import Path

from abreast.config.schema import help_text
from abreast.report.option_text import comment_of, first_sentence

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGES = ROOT / "src" / "abreast"
PLUGINS = ROOT / "src" / "hydra_plugins"
GROUPS = {
    "loss": "What is minimised. `loss=NAME`",
    "optim": "The optimizer. `optim=NAME`, `optim.lr=0.01`",
    "schedule": "The learning rate over the training. `schedule=NAME`",
    "data": "The data set. `data=NAME`, `data.batch_size=64`",
    "model": "The network; input and output sizes follow the data. `model=NAME`",
    "trainer": "Lightning's Trainer: device, precision, length. `trainer=NAME`, `trainer.max_epochs=20`",
    "logger": "Where metrics go; `metrics.csv` is always written. `logger=NAME`",
    "callbacks": "Additional Lightning callbacks. `callbacks=NAME`",
    "metrics": "What is measured beside loss and accuracy; several as a list. `metrics=[auroc,brier]`; see "
    "[a metric](howto/metric.md)",
    "experiment": "A named set of overrides with its measured result. `experiment=NAME`",
    "study": "A sweep with a protocol. `-m +study=NAME`; see [studies](studies.md)",
    "debug": "Short runs that look for mistakes. `debug=NAME`",
}
HEAD = """# Options

Choose an option with `group=option`, and change any of its keys with `group.key=value`. `abreast show
loss=hinge` prints an option's keys with their defaults, `python train.py --cfg job` all keys of a run. Each
option is one file in `conf/<group>/`; `--config-dir DIR` adds [your own](howto/index.md). The keys that
every run has are [at the end](#keys-of-every-run). This page is written by `python scripts/generate_docs.py`.
"""
KEYS = """
## Keys of every run

With their defaults; `...` means that the data set sets it. Beside these, `trainer.KEY` is any argument of
Lightning's Trainer, and `hydra.launcher.KEY` is [a setting of sweeps](sweeps.md#settings).

| key | |
|---|---|
"""


BEGIN, END = "<!-- tree: python scripts/generate_docs.py -->\n", "<!-- end of the tree -->"
TREE = re.compile(f"(?<={BEGIN}).*(?={END})", re.DOTALL)
WIDTH = 96  # characters of a line of the tree


def options_page() -> str:
    """The page of options."""
    parts = [HEAD]
    for group, usage in GROUPS.items():
        files = sorted((ROOT / "conf" / group).glob("*.yaml"))
        assert files, f"conf/{group} holds no option"
        parts += [f"\n## {group}\n\n{usage}.\n\n| option | |\n|---|---|\n"]
        parts += [f"| `{path.stem}` | {description(path)} |\n" for path in files]
    keys = (re.split(r"\s{2,}", line, maxsplit=1) for line in help_text().splitlines())
    parts += [KEYS, *(f"| `{key}` | {meaning} |\n" for key, meaning in keys)]
    return "".join(parts)


def description(path: Path) -> str:
    """The first sentence of the comment at the head of an option's file, for a table."""
    text = first_sentence(comment_of(path))
    assert text, f"{path}: no comment says what it is"
    return text.replace("|", "\\|")


def ladder() -> tuple[set[str], ...]:
    """The floors of the packages, the lowest first: as the test of the architecture has them."""
    program = ast.parse((ROOT / "tests" / "test_architecture.py").read_text())
    (value,) = (
        node.value
        for node in program.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LADDER"
    )
    floors: tuple[set[str], ...] = ast.literal_eval(value)
    return floors


def tree() -> str:
    """Each package, the highest first, with the first line of its docstring and its modules."""
    lines = ["```text"]
    for floor in reversed(ladder()):
        for name in sorted(floor):
            package, module = PACKAGES / name / "__init__.py", PACKAGES / f"{name}.py"
            if package.is_file():
                lines += wrapped(f"{name + '/':<15}{docstring(package)}", 15)
                lines += wrapped(" " * 17 + "  ".join(entries(package.parent)), 17)
            elif module.is_file():
                lines += wrapped(f"{name + '.py':<15}{docstring(module)}", 15)
            else:
                plugins = sorted(f"{path.parent.name}/" for path in PLUGINS.glob("*/__init__.py"))
                lines.append(
                    f"{name + '/':<15}Hydra plugins, in src/ beside abreast, each with its configuration."
                )
                lines.append(" " * 17 + "  ".join(plugins))
    return "\n".join([*lines, "```", ""])


def wrapped(line: str, indent: int) -> list[str]:
    """The line in lines of `WIDTH` characters; those after the first are indented."""
    return textwrap.wrap(line, WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False)


def entries(folder: Path) -> list[str]:
    """The modules of a package, and its packages with theirs in brackets."""
    modules = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("__"))
    packages = sorted(path.parent for path in folder.glob("*/__init__.py"))
    return [*modules, *(f"{path.name}/({' '.join(entries(path))})" for path in packages)]


def docstring(path: Path) -> str:
    """The first line of a module's docstring."""
    return str(ast.get_docstring(ast.parse(path.read_text()))).partition("\n")[0]


def ladder_svg() -> str:
    """The floors as a picture: each imports from the same and from lower floors."""
    floors = [sorted(floor) for floor in reversed(ladder())]
    height, width, box = 34, 860, 150
    full = len(floors) * height + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {full}" role="img" font-size="14" '
        'font-family="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif">',
        "<title>The ladder of packages: imports go to the same floor or down</title>",
        f'<rect width="{width}" height="{full}" rx="8" fill="#ffffff" stroke="#d8dee4"/>',
        '<defs><marker id="a" viewBox="0 0 8 8" refX="4" refY="6" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#57606a"/></marker></defs>',
        f'<path d="M40 20 V{len(floors) * height}" stroke="#57606a" stroke-width="2" marker-end="url(#a)"/>',
        f'<text transform="translate(28 {len(floors) * height // 2}) rotate(-90)" text-anchor="middle" '
        'fill="#57606a">imports</text>',
    ]
    for index, floor in enumerate(floors):
        y = 12 + index * height
        left = (width + 60 - len(floor) * (box + 12)) / 2
        for column, name in enumerate(floor):
            x = left + column * (box + 12)
            parts.append(
                f'<rect x="{x:g}" y="{y}" width="{box}" height="{height - 8}" rx="5" fill="#eef2fb" '
                'stroke="#3f51b5"/>'
                f'<text x="{x + box / 2:g}" y="{y + 18}" text-anchor="middle" fill="#1f2328">{name}</text>'
            )
    return "\n".join([*parts, "</svg>", ""])


def pages() -> dict[Path, str]:
    """The text of each file that is generated."""
    architecture = DOCS / "architecture.md"
    text, count = TREE.subn(lambda _: tree(), architecture.read_text())
    assert count == 1, "docs/architecture.md has no place for the tree"
    return {
        DOCS / "options.md": options_page(),
        architecture: text,
        DOCS / "assets" / "ladder.svg": ladder_svg(),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    check = parser.parse_args().check
    for path, text in pages().items():
        if not check:
            path.write_text(text)
        elif not path.is_file() or path.read_text() != text:
            sys.exit(f"{path.relative_to(ROOT)} is out of date: run python scripts/generate_docs.py")


if __name__ == "__main__":
    main()
