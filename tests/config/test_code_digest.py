"""The code of custom classes: its file, and the user's modules that this imports."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from abreast.config.code_digest import code_digest
from abreast.static.modules import file_of

# What a module says, the file that is edited, and whether the edit counts.
LAYOUTS: dict[str, tuple[dict[str, str], str, bool]] = {
    "itself": ({"mine.py": "class Net: pass\n"}, "mine.py", True),
    "imported": ({"mine.py": "import helper\n", "helper.py": "x = 1\n"}, "helper.py", True),
    "imported from": ({"mine.py": "from helper import x\n", "helper.py": "x = 1\n"}, "helper.py", True),
    "imported late": (
        {"mine.py": "class Net:\n    def f(self):\n        import helper\n", "helper.py": "x = 1\n"},
        "helper.py",
        True,
    ),
    "imported by another": (
        {"mine.py": "import helper\n", "helper.py": "from deep import x\n", "deep.py": "x = 1\n"},
        "deep.py",
        True,
    ),
    "in a circle": (
        {"mine.py": "import helper\n", "helper.py": "import mine, deep\n", "deep.py": "x = 1\n"},
        "deep.py",
        True,
    ),
    "relative": (
        {
            "pack/__init__.py": "",
            "pack/nets.py": "from . import parts\nfrom .more import y\n",
            "pack/parts.py": "x = 1\n",
            "pack/more.py": "y = 1\n",
        },
        "pack/more.py",
        True,
    ),
    "relative, above": (
        {
            "pack/__init__.py": "",
            "pack/inner/__init__.py": "",
            "pack/inner/nets.py": "from ..parts import x\n",
            "pack/parts.py": "x = 1\n",
        },
        "pack/parts.py",
        True,
    ),
    "a package's own file": (
        {"mine.py": "import pack.parts\n", "pack/__init__.py": "x = 1\n", "pack/parts.py": ""},
        "pack/__init__.py",
        True,
    ),
    "not imported": ({"mine.py": "class Net: pass\n", "helper.py": "x = 1\n"}, "helper.py", False),
    "of an installed package": (
        {"mine.py": "import helper\n", "site-packages/helper.py": "x = 1\n"},
        "site-packages/helper.py",
        False,
    ),
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    monkeypatch.syspath_prepend(tmp_path)
    file_of.cache_clear()  # modules of the same names lay elsewhere
    return tmp_path


def target(files: dict[str, str]) -> str:
    nets = next((name for name in files if name.endswith("nets.py")), "mine.py")
    return f"{nets.removesuffix('.py').replace('/', '.')}.Net"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_edit_counts_where_the_class_can_see_it(layout: str, folder: Path) -> None:
    files, edited, counts = LAYOUTS[layout]
    write(folder, files)
    before = code_digest(target(files))
    (folder / edited).write_text(f"{files[edited]}z = 2\n")
    assert before
    assert (code_digest(target(files)) != before) == counts


@pytest.mark.parametrize("text", ["class Net: pass\n", "import torch, abreast, json\n", "def (\n", "(" * 500])
def test_a_file_that_imports_none_of_the_users_is_its_own_digest(text: str, folder: Path) -> None:
    write(folder, {"mine.py": text})
    assert code_digest("mine.Net") == hashlib.sha256(text.encode()).hexdigest()


def test_the_folder_does_not_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"mine.py": "import helper\n", "helper.py": "x = 1\n"}
    digests = []
    for name in ("here", "there"):
        write(folder / name, files)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(folder / name)
            file_of.cache_clear()
            digests.append(code_digest("mine.Net"))
    assert digests[0] == digests[1]


def test_a_file_that_changes_within_a_moment_is_read_again(folder: Path) -> None:
    write(folder, {"mine.py": "import aaa\n", "aaa.py": "", "bbbb.py": ""})
    before = code_digest("mine.Net")
    stat = (folder / "mine.py").stat()
    (folder / "mine.py").write_text("import bbbb\n")
    os.utime(folder / "mine.py", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert code_digest("mine.Net") != before


@pytest.mark.parametrize("name", ["torch.nn.Linear", "abreast.models.MLP", "no_such_module.Net", "Net"])
def test_what_is_ours_or_nowhere_has_none(name: str) -> None:
    assert code_digest(name) == ""
