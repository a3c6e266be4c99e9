"""Rehearse a release: build and check the distributions, install the wheel in an empty environment, run it.

    python scripts/rehearse_release.py [--tag v0.1.0] [--download]

The environment has the wheel and nothing else of this checkout. Its dependencies are those of the interpreter
that runs the script, made visible through a .pth file, because installing torch anew takes gigabytes;
`--download` installs them from the package index instead, as a user would. The distributions stay in dist/.
"""

from __future__ import annotations

import argparse
import email
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

from packaging.metadata import Metadata
from packaging.version import Version

ROOT = Path(__file__).parents[1]
SDIST_HOLDS = (
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "pyproject.toml",
    "train.py",
    "conf/train.yaml",
    "tests/conftest.py",
)


class ReleaseError(Exception):
    """The distributions are not what a release should be."""


def build(out: Path, *, sdist: bool = True) -> Path:
    """Build the wheel, from the source distribution where that is built too.

    Args:
        out: directory that the distributions are written to.
        sdist: whether to build the source distribution as well.

    Returns:
        The wheel's path.

    Raises:
        ReleaseError: the build failed.
    """
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    _run(command if sdist else [*command, "--wheel"], ROOT)
    (wheel,) = out.glob("*.whl")
    return wheel


def check(wheel: Path, tag: str | None = None) -> Version:
    """Check the metadata and the files of the distributions.

    Args:
        wheel: the wheel; a source distribution beside it is checked too.
        tag: the tag of the release, such as `v0.1.0`, which must agree with the version.

    Returns:
        The version that they carry.

    Raises:
        ReleaseError: metadata is invalid, a file is missing, or the tag is not the version's.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (path,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        text = archive.read(path)
    metadata = Metadata.from_email(text, validate=True)  # raises for unknown fields and invalid values
    if metadata.description_content_type != "text/markdown":
        raise ReleaseError(f"the README is announced as {metadata.description_content_type}, not as Markdown")
    if email.message_from_bytes(text)["License-Expression"] != "Apache-2.0":
        raise ReleaseError("the metadata names no licence")
    configuration = {f"abreast/{file.relative_to(ROOT)}" for file in (ROOT / "conf").rglob("*.yaml")}
    missing = (configuration | {"abreast/py.typed"}) - names
    if missing:
        raise ReleaseError(f"{wheel.name} lacks {sorted(missing)}")
    for source in wheel.parent.glob("*.tar.gz"):
        with tarfile.open(source) as tar:
            held = {name.partition("/")[2] for name in tar.getnames()}
        lacking = set(SDIST_HOLDS) - held
        if lacking:
            raise ReleaseError(f"{source.name} lacks {sorted(lacking)}")
    version = metadata.version
    if tag is not None:
        if tag != f"v{version}":
            raise ReleaseError(f"the tag {tag} is not v{version}, the version in src/abreast/__init__.py")
        if f"## [{version}]" not in (ROOT / "CHANGELOG.md").read_text():
            raise ReleaseError(f"CHANGELOG.md has no section [{version}]")
    return version


def install(wheel: Path, folder: Path, *, download: bool = False) -> Path:
    """Make an environment that holds the wheel and no other file of this checkout.

    Args:
        wheel: the wheel to install.
        folder: where the environment is made.
        download: install the dependencies as well, instead of seeing those of this interpreter.

    Returns:
        The environment's Python interpreter.
    """
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-q"]
    _run([*pip, str(wheel)] if download else [*pip, "--no-index", "--no-deps", str(wheel)], folder)
    if not download:
        torch = importlib.util.find_spec("torch")
        assert torch is not None
        assert torch.origin is not None
        (site,) = folder.glob("lib/python*/site-packages")
        # Python does not process .pth files of a directory added so: an editable checkout stays invisible.
        (site / "dependencies.pth").write_text(f"{Path(torch.origin).parents[1]}\n")
    return python


def abreast(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed `abreast` command in a directory.

    Args:
        python: the environment's interpreter.
        folder: working directory.
        arguments: what follows `abreast`.

    Returns:
        The finished process, with its output as text.
    """
    return subprocess.run(
        [python.with_name("abreast"), *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def rehearse(python: Path, folder: Path) -> None:
    """Do in an empty directory what a new user does: ask for help, train, sweep, evaluate, report.

    Raises:
        ReleaseError: a command failed or left no result.
    """
    for arguments in (
        ("--version",),
        ("--help",),
        ("trainer=cpu", "trainer.max_epochs=1", "hydra.run.dir=run"),
        ("-m", "trainer=cpu", "trainer.max_epochs=1", "seed=0,1", "hydra.sweep.dir=sweep"),
        ("evaluate", "run"),
        ("report", "sweep"),
    ):
        print(f"  abreast {' '.join(arguments)}", flush=True)
        done = abreast(python, folder, *arguments)
        if done.returncode:
            raise ReleaseError(
                f"abreast {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
            )
    for name in ("run/result.json", "sweep/report/report.html"):
        if not (folder / name).is_file():
            raise ReleaseError(f"{name} was not written")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument(
        "--tag", help="the release's tag, such as v0.1.0: it must agree with version and changelog"
    )
    parser.add_argument("--download", action="store_true", help="install the dependencies anew (gigabytes)")
    arguments = parser.parse_args()
    out = ROOT / "dist"
    shutil.rmtree(out, ignore_errors=True)
    try:
        print("Build the distributions", flush=True)
        wheel = build(out)
        version = check(wheel, arguments.tag)
        print(
            f"abreast {version}: {', '.join(sorted(path.name for path in out.iterdir()))} are valid",
            flush=True,
        )
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            python = install(wheel, folder / "environment", download=arguments.download)
            empty = folder / "empty"
            empty.mkdir()
            print("The wheel runs from an empty directory:", flush=True)
            rehearse(python, empty)
    except ReleaseError as error:
        sys.exit(str(error))


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
