"""The documentation names what exists, and its pages are up to date."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.helpers import ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
assert len(PAGES) > 18
# Paths within the repository, in backticks: with a folder of the repository first.
PATHS = re.compile(r"`((?:src|tests|scripts|docs|conf|\.github)/[\w./-]+)`")
MODULES = re.compile(r"`(abreast(?:\.[a-z_]+)+)(?:\.[A-Z]\w*)?`")
LINKS = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_modules_and_links_exist(page: Path) -> None:
    text = page.read_text()
    for path in PATHS.findall(text):
        if path.startswith("src/") and f'title="{path}"' in text:
            continue  # a file that the page tells how to write
        assert (ROOT / path).exists(), path
    for name in MODULES.findall(text):
        parts = name.split(".")
        stem = ROOT / "src" / Path(*parts)
        assert stem.is_dir() or stem.with_suffix(".py").is_file() or _defined(parts), name
    for link in LINKS.findall(text):
        assert (page.parent / link).exists(), link


def _defined(parts: list[str]) -> bool:
    """Whether the last part is a name in the module of the others."""
    parent = ROOT / "src" / Path(*parts[:-1])
    path = parent / "__init__.py" if parent.is_dir() else parent.with_suffix(".py")
    return path.is_file() and re.search(rf"\b{parts[-1]}\b", path.read_text()) is not None


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate_docs.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="mkdocs requires Python 3.11 here")
def test_what_loads_from_elsewhere_is_found() -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from site_hooks import LOADS, STYLE_LOADS, relink
    finally:
        sys.path.pop(0)
    for text in (
        '<script src="https://x.org/a.js">',
        "<link rel=icon href=//x.org/b>",
        '<img alt="" src=http://x.org/c>',
    ):
        assert LOADS.search(text)
    for text in ('<script src="assets/a.js">', '<a href="https://x.org">', '<link rel="next" href="b.html">'):
        assert not LOADS.search(text)
    assert STYLE_LOADS.search("@import url(https://x.org/a.css)")
    assert not STYLE_LOADS.search("url(data:image/svg+xml;charset=utf-8,<svg xmlns=x>)")
    assert relink("[a](docs/runs.md) [b](CHANGELOG.md)") == "[a](runs.md) [b](changelog.md)"
