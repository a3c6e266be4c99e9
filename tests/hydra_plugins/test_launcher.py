"""Hydra's own tests of a launcher, with task functions of any kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite

from hydra_plugins.abreast_launcher.launcher import AbreastLauncher


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Hydra's suites chdir and log as they like."""
    import logging

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_it_is_found() -> None:
    assert AbreastLauncher.__name__ in [each.__name__ for each in Plugins.instance().discover(Launcher)]


@pytest.mark.parametrize(("launcher_name", "overrides"), [("abreast", [])])
class TestAbreastLauncher(LauncherTestSuite):
    """Hydra's suite for launchers."""


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({}, ["-m", "hydra/launcher=abreast"])],
)
@pytest.mark.long
class TestAbreastLauncherIntegration(IntegrationTestSuite):
    """Hydra's suite for launchers under a program of their own."""
