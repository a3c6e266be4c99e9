"""The wheel, installed away from the checkout, runs from any directory."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from support.helpers import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; its dependencies are those of the environment that runs the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # After the wheel's own folder, and without processing .pth files: the checkout stays out of sight.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "env" / "bin" / "python"


def abreast(python: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from abreast.cli.main import main; sys.argv[0] = 'abreast'; main()"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [python, "-c", code, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_it_holds_the_configuration(installed: Path) -> None:
    (site,) = installed.parents[1].glob("lib/python*/site-packages")
    shipped = {path.relative_to(site / "abreast" / "conf") for path in site.glob("abreast/conf/**/*.yaml")}
    ours = {path.relative_to(ROOT / "conf") for path in (ROOT / "conf").rglob("*.yaml")}
    assert ours
    assert shipped == ours
    assert (site / "abreast" / "py.typed").is_file()
    entry = next(site.glob("abreast-*.dist-info")) / "entry_points.txt"
    assert "abreast = abreast.cli.main:main" in entry.read_text()


def test_it_trains_and_evaluates_from_another_directory(installed: Path, tmp_path: Path) -> None:
    code = "import abreast; print(abreast.__file__)"
    place = subprocess.run([installed, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert Path(place.stdout).is_relative_to(installed.parents[1])
    assert abreast(installed, tmp_path, "--version").stdout.startswith("abreast ")
    done = abreast(installed, tmp_path, "trainer.max_epochs=1", "hydra.run.dir=run", "trainer=cpu")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "result.json").is_file()
    again = abreast(installed, tmp_path, "evaluate", "run")
    assert again.returncode == 0, again.stderr
    assert "test/accuracy" in again.stdout


def test_a_configuration_of_ones_own(installed: Path, tmp_path: Path) -> None:
    own = tmp_path / "my_conf" / "loss"
    own.mkdir(parents=True)
    (own / "smooth.yaml").write_text(
        "_target_: abreast.losses.Loss\n"
        "criterion: {_target_: torch.nn.SmoothL1Loss, beta: 0.5}\n"
        "scores: logits\n"
        "targets: one_hot\n"
    )
    done = abreast(
        installed, tmp_path, "--config-dir", "my_conf", "loss=smooth", "trainer.max_epochs=1", "trainer=cpu"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
