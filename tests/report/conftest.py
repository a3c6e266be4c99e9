"""A real sweep, trained once for the tests that look at all of it, and a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.forks import run_forked
from support.references import once, session_folder

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--window-size=1200,900",
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium; the tests that use it skip where there is none."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(str(shutil.which("chromedriver")))
    )
    driver.set_page_load_timeout(120)
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two losses by two optimizers on two seeds of the digits, and a learning rate that diverges: 10 runs."""
    return once(session_folder(tmp_path_factory, "reported"), train_both) / "sweep"


def train_both(folder: Path) -> None:
    """Train the sweep, and the one that diverges."""
    folder.mkdir()
    common = ("trainer=cpu", "trainer.max_epochs=2", f"hydra.sweep.dir={folder / 'sweep'}")
    for overrides in (
        ("loss=cross_entropy,mse", "optim=adam,sgd", "seed=0,1"),
        ("loss=mse", "optim=sgd", "optim.lr=1e8", "seed=0,1"),
    ):
        done = run_forked(["-m", *overrides, *common], folder)
        assert done.code == 0, done.out + done.err
