"""TensorBoard, opened on a sweep that was trained as a stack: its scalars and HPARAMS hold every run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.network_server


@pytest.fixture(scope="module")
def address(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """TensorBoard's address, on the loopback interface."""
    log = tmp_path_factory.mktemp("board") / "log.txt"
    with log.open("w") as file:
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tensorboard.main",
                "--logdir",
                str(sweep),
                "--port",
                "0",
                "--host",
                "127.0.0.1",
            ],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(600):
            found = re.search(r"http://127\.0\.0\.1:\d+/", log.read_text())
            if found:
                break
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
        assert found, log.read_text()
        yield found[0]
    finally:
        server.terminate()
        server.wait(30)


def ask(address: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def loaded(address: str, path: str, runs: set[str], seconds: float = 60) -> Any:
    """The answer once it holds every run: TensorBoard reads its files in the background."""
    end = time.monotonic() + seconds
    while True:
        found = ask(address, path)
        if runs <= set(found) or time.monotonic() > end:
            return found
        time.sleep(0.3)


def trained(sweep: Path, status: str = "") -> set[str]:
    found = {
        path.parent.name
        for path in sweep.glob("*/status.json")
        if status in json.loads(path.read_text())["status"]
    }
    assert found
    return found


def test_scalars_hold_every_run(address: str, sweep: Path) -> None:
    runs = trained(sweep)
    assert len(runs) == 10
    tags = loaded(address, "data/plugin/scalars/tags", trained(sweep, "finished"))
    for run in trained(sweep, "finished"):
        assert {
            "train/loss",
            "val/accuracy",
            "weights/test/accuracy",
            "within_epoch/loss",
            "within_epoch/lr",
        } <= set(tags[run]), run


def test_hparams_hold_every_finished_run(address: str, sweep: Path) -> None:
    finished = trained(sweep, "finished")
    assert len(finished) == 8
    loaded(address, "data/plugin/scalars/tags", finished)
    wanted = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
        "colParams": [],
        "startIndex": 0,
        "sliceSize": 100,
    }
    groups = ask(address, "data/plugin/hparams/session_groups", wanted)["sessionGroups"]
    assert len(groups) == len(finished)
    assert {
        (each["hparams"]["loss"], each["hparams"]["optim"], each["hparams"]["seed"]) for each in groups
    } == {
        (loss, optim, seed)
        for loss in ("cross_entropy", "mse")
        for optim in ("adam", "sgd")
        for seed in (0, 1)
    }
    for each in groups:
        (session,) = each["sessions"]
        result = json.loads((sweep / session["name"] / "result.json").read_text())
        values = {value["name"]["tag"]: value["value"] for value in session["metricValues"]}
        assert values["weights/test/accuracy"] == pytest.approx(result["metrics"]["test/accuracy"])


@pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="needs Chromium and its driver (Debian: apt-get install chromium chromium-driver)",
)
@pytest.mark.parametrize(("tab", "words"), [("timeseries", []), ("hparams", ["seed", "test accuracy"])])
def test_its_pages_show_every_run(
    address: str, sweep: Path, browser: Any, tab: str, words: list[str]
) -> None:
    runs = trained(sweep, "finished")
    loaded(address, "data/plugin/scalars/tags", runs)
    browser.get(f"{address}#{tab}")
    script = """
    const texts = [];
    const walk = (node) => {
      if (node.shadowRoot) walk(node.shadowRoot);
      for (const child of node.childNodes) {
        if (child.nodeType === 3) texts.push(child.textContent);
        else if (child.nodeType === 1) walk(child);
      }
    };
    walk(document.body);
    return texts.join("\\n");
    """
    end = time.monotonic() + 60
    missing = set(runs)
    while missing and time.monotonic() < end:
        text = browser.execute_script(script)
        missing = {each for each in (*runs, *words) if each not in text}
        time.sleep(0.5)
    assert not missing
