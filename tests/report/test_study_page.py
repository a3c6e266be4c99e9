"""A study, as `make study` runs it, opened in a real headless Chromium."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.helpers import ROOT

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="needs Chromium and its driver (Debian: apt-get install chromium chromium-driver)",
    ),
]


def test_make_study_leaves_a_page_that_renders(tmp_path: Path, browser: Any) -> None:
    recipe = re.search(
        r"train\.py (.*study=\S+) hydra\.sweep\.dir=runs/study", (ROOT / "Makefile").read_text()
    )
    assert recipe is not None
    smaller = ("loss=cross_entropy,mse", "optim=adam,sgd", "optim.lr=0.001,0.01", "hydra.sweeper.trials=2")
    more = ("hydra.sweeper.repeat_seeds=[5,6,7]", "trainer.max_epochs=2", "hydra.sweep.dir=study")
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "train.py"),
            *recipe[1].split(),
            *smaller,
            *more,
            "hydra.sweep.dir=study",
        ],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len([*(tmp_path / "study" / "repeat").glob("*/result.json")]) == 12
    browser.get_log("browser")  # what an earlier page said
    browser.get((tmp_path / "study" / "report" / "report.html").as_uri())
    text = browser.find_element("tag name", "body").text
    assert "Performance against budget" in text
    assert "The study" in text
    from selenium.webdriver.support.ui import WebDriverWait

    plot = browser.find_element("css selector", ".plot")
    browser.execute_script("arguments[0].scrollIntoView()", plot)  # figures are drawn when they are seen
    WebDriverWait(browser, 30).until(lambda _: plot.find_elements("css selector", "svg.main-svg"))
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
