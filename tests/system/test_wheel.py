"""The wheel, installed away from the checkout, runs from any directory."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from support.helpers import ROOT

pytestmark = pytest.mark.long


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


release = _script("rehearse_release")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    built = release.build(tmp_path_factory.mktemp("dist"), sdist=False)
    assert isinstance(built, Path)
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel; dependencies are those of the running environment."""
    python = release.install(wheel, tmp_path_factory.mktemp("wheel") / "env")
    assert isinstance(python, Path)
    return python


def test_it_holds_the_configuration(wheel: Path, installed: Path) -> None:
    release.check(wheel)
    (site,) = installed.parents[1].glob("lib/python*/site-packages")
    shipped = {path.relative_to(site / "abreast" / "conf") for path in site.glob("abreast/conf/**/*.yaml")}
    ours = {path.relative_to(ROOT / "conf") for path in (ROOT / "conf").rglob("*.yaml")}
    assert ours
    assert shipped == ours
    assert (site / "abreast" / "py.typed").is_file()
    entry = next(site.glob("abreast-*.dist-info")) / "entry_points.txt"
    assert "abreast = abreast.cli.main:main" in entry.read_text()


def test_a_tag_must_be_that_of_the_version(wheel: Path) -> None:
    with pytest.raises(release.ReleaseError, match=r"v9\.9\.9 is not v"):
        release.check(wheel, "v9.9.9")


def test_it_trains_and_evaluates_from_another_directory(installed: Path, tmp_path: Path) -> None:
    code = "import abreast; print(abreast.__file__)"
    location = subprocess.run([installed, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert Path(location.stdout).is_relative_to(installed.parents[1])
    assert release.abreast(installed, tmp_path, "--version").stdout.startswith("abreast ")
    done = release.abreast(installed, tmp_path, "trainer.max_epochs=1", "hydra.run.dir=run", "trainer=cpu")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "result.json").is_file()
    again = release.abreast(installed, tmp_path, "evaluate", "run")
    assert again.returncode == 0, again.stderr
    assert "test/accuracy" in again.stdout


def test_a_custom_configuration(installed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my_conf" / "loss"
    folder.mkdir(parents=True)
    (folder / "smooth.yaml").write_text(
        "_target_: abreast.losses.Loss\n"
        "criterion: {_target_: torch.nn.SmoothL1Loss, beta: 0.5}\n"
        "scores: logits\n"
        "targets: one_hot\n"
    )
    arguments = ("--config-dir", "my_conf", "loss=smooth", "trainer.max_epochs=1", "trainer=cpu")
    done = release.abreast(installed, tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
