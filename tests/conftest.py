"""What the tests share: training a configuration, and where the real MNIST is."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from support.helpers import allowed, compose, leave_files_to_the_cache
from support.references import reference  # noqa: F401  a fixture
from support.sweeps import sweep  # noqa: F401  a fixture


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--short`, for `make test-short`."""
    parser.addoption("--short", action="store_true", help="the first case of each test that is not slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--short`, of each test function the first case, unless it is slow."""
    if not config.getoption("--short"):
        return
    kept: dict[str, pytest.Item] = {}
    for item in items:
        if not any(item.iter_markers("slow")) and not any(item.iter_markers("long")):
            kept.setdefault(item.nodeid.partition("[")[0], item)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept.values()])
    items[:] = kept.values()


def pytest_configure() -> None:
    """One thread a test process, as the tests run side by side; and Hydra with all its plugins."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what it runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    leave_files_to_the_cache()
    gc.set_threshold(
        *gc.get_threshold()[:2], 100
    )  # full collections: each looks at the libraries' million objects
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["ABREAST_CACHE"] = "off"  # the user's is not for tests
    torch.set_num_threads(1)  # sums over several threads round differently
    from hydra.core.plugins import Plugins

    # Hydra's own launcher tests put its registries back to what they were before: let that be whole.
    with pytest.MonkeyPatch.context() as patch:  # tests/hydra_plugins holds no plugins
        patch.setattr(sys, "path", [entry for entry in sys.path if entry != str(Path(__file__).parent)])
        Plugins.instance()


@pytest.fixture(autouse=True)
def _subnormal_numbers() -> Iterator[None]:
    """A run flushes subnormal numbers to zero, for the whole process; the next test is to have them."""
    yield
    torch.set_flush_denormal(False)


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Path]:
    """Train what the overrides say, on one thread without a logger; gives the run directory."""
    from abreast.training.run import run

    def trained(*overrides: str, name: str = "run") -> Path:
        cfg = compose("trainer=cpu", "logger=none", "callbacks=none", *overrides)
        with allowed():
            run(cfg, tmp_path / name)
        return tmp_path / name

    return trained


@pytest.fixture(scope="session")
def mnist_dir() -> str:
    """The folder of the real MNIST."""
    folder = os.environ.get("ABREAST_DATA")
    if not folder:
        pytest.skip("ABREAST_DATA names no folder with the MNIST files")
    return folder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server of files on the loopback interface."""
    from support.servers import Server

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    yield running
    running.close()
