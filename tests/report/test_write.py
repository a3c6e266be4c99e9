"""The command, end to end: on real runs, without torch, with messages for what a user can mend."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import plotly.graph_objects as go
import pytest

from abreast.errors import RunError
from abreast.report.analysis import analyse
from abreast.report.collect import collect
from abreast.report.figures.base import Figure, Section
from abreast.report.figures.image_files import find_browser
from abreast.report.html.contents import page_contents
from abreast.report.provenance import commands
from abreast.report.write import write_report
from support.forks import run_forked
from support.helpers import ROOT
from support.report_runs import config, write_run

HOSTILE = "</script><script>alert(1)</script>'\"&<img src=x>\u2028\x1b[31m"


def run(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "report.py", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "COLUMNS": "120", **more},
    )


def test_a_real_sweep(sweep: Path, tmp_path: Path) -> None:
    done = run(sweep, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "10 runs: 8 finished, 2 failed." in done.stdout
    assert "diverged at step" in done.stdout
    assert "Best by validation accuracy: loss=" in done.stdout
    page = (tmp_path / "report.html").read_text()
    assert "python train.py -m" in page
    assert "data:image/png;base64," in page  # the worst-classified images
    assert (tmp_path / "runs.csv").read_text().count("\n") == 11
    (where, line), *_ = commands(collect([sweep]))
    assert where == str(sweep)
    # The last command in this directory: Hydra keeps that one.
    assert line.startswith("python train.py -m loss=mse optim=sgd optim.lr=1e8 seed=0,1 trainer=cpu")


def test_no_torch_is_imported(tmp_path: Path) -> None:
    write_run(tmp_path / "s" / "a", config())
    code = (
        "import sys; from abreast.cli.main import main\n"
        f"sys.argv = ['abreast', 'report', {str(tmp_path / 's')!r}]\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "heavy = {'torch', 'lightning', 'hydra', 'omegaconf', 'torchmetrics', 'sklearn'} & set(sys.modules)\n"
        "assert 'abreast.report.html.page' in sys.modules\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such directory"),
        (["."], "contains no run (a run directory holds config.yaml and status.json)"),
        (["s", "--metric", "f1"], "--metric f1: no run has this metric. Available:"),
        (["s", "--margin", "0"], "--margin: must be a positive number, the largest difference that does not"),
        (
            ["s", "--margin", "2"],
            "--margin: 2 is as large as the whole range of accuracy, 0 to 1; 0.2 percent",
        ),
        (["s", "margin=0.002"], "margin=0.002: no such directory; write --margin 0.002"),
        (["s", "--target", "high"], "argument --target: invalid float value: 'high'"),
        (
            ["s", "--figures"],
            "--figures requires Chrome or Chromium, and none was found (BROWSER_PATH=/no/browser)",
        ),
        (["s", "--out", "s/a/config.yaml"], "cannot be written to"),
        ([], "the following arguments are required: DIR"),
    ],
)
def test_mistakes_are_one_message(tmp_path: Path, arguments: list[str], message: str) -> None:
    write_run(tmp_path / "s" / "a", config())
    (tmp_path / "empty").mkdir()
    paths = {
        "s": tmp_path / "s",
        ".": tmp_path / "empty",
        "s/a/config.yaml": tmp_path / "s" / "a" / "config.yaml",
    }
    command = ["report", *(str(paths.get(each, each)) for each in arguments)]
    done = run_forked(command, tmp_path, BROWSER_PATH="/no/browser", COLUMNS="120")
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err


def hostile(folder: Path) -> Path:
    for seed in range(2):
        write_run(folder / f"a{seed}", config(seed=seed, loss=HOSTILE, optim__lr=0.1), test=0.5 + 0.1 * seed)
        write_run(
            folder / f"b{seed}", config(seed=seed, model__hidden=HOSTILE), status="failed", reason=HOSTILE
        )
        write_run(folder / f"<script>c{seed}", config(seed=seed, optim="sgd"), classes=("<b>x", HOSTILE))
    return folder


def test_text_of_strangers_stays_text(tmp_path: Path) -> None:
    report = write_report([hostile(tmp_path / "s")])
    page = report.page.read_text()
    assert page.count("<script") == 4
    assert "alert(1)" in page
    assert "<script>alert" not in page
    data = page.split('id="data">')[1].split("</script>")[0]
    rows = json.dumps(json.loads(data)["tables"]["runs"]["rows"], ensure_ascii=False)
    assert HOSTILE.replace("\x1b", "�") in rows.replace('\\"', '"')
    done = run(tmp_path / "s", "--out", tmp_path / "o")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout


def test_figures_are_what_plotly_takes(sweep: Path) -> None:
    """plotly's own classes refuse a name or a value that plotly.js would silently pass over."""
    figures = page_contents(analyse(collect([sweep]))).figures
    assert {figure.id for figure in figures} >= {
        "heatmap",
        "ranking",
        "curves",
        "time-to-target",
        "confusion",
    }
    for figure in figures:
        assert list(figure.variants)
        for variant in figure.variants.values():
            go.Figure(variant)
        options = [len(options) for _, options in figure.choices]
        assert len(figure.variants) == math.prod(options)
        assert figure.caption
        assert all(len(row) == len(figure.headers) for row in figure.rows)


def test_sections_of_others_stand_on_the_page(tmp_path: Path) -> None:
    write_run(tmp_path / "s" / "a", config())
    figure = Figure(
        "mine",
        "A figure of mine",
        "Its caption.",
        {(): {"data": [], "layout": {}}},
        headers=("x",),
        rows=[(1,)],
    )
    top = Section(
        "budget", "Budget & more", ["A <b>line</b>."], [figure], ("k", "v"), [("a", None)], position="top"
    )
    end = Section("last", "The end", html="<p id='raw'>raw</p>")
    page = write_report([tmp_path / "s"], extra=[top, end]).page.read_text()
    assert (
        page.index('id="result"')
        < page.index('id="budget"')
        < page.index('id="table"')
        < page.index('id="last"')
    )
    assert "Budget &amp; more" in page
    assert "A &lt;b&gt;line&lt;/b&gt;." in page
    assert 'data-figure="mine"' in page
    assert "<p id='raw'>raw</p>" in page


def test_of_a_study_the_repeats_are_reported(tmp_path: Path) -> None:
    """Beside them: the study's own page stays."""
    write_run(tmp_path / "tune" / "0", config(seed=0))
    write_run(tmp_path / "repeat" / "0", config(seed=1))
    cell = {"repeats": [{"run": "repeat/0"}], "test": {"verdict": "winner"}}
    study = {"status": "finished", "protocol": {"metric": "test/accuracy"}, "cells": [cell]}
    (tmp_path / "study.json").write_text(json.dumps(study))
    report = write_report([tmp_path])
    assert [run.seed for run in report.analysis.sweep.runs] == [1]
    assert report.page == tmp_path / "repeat" / "report" / "report.html"


def test_many_runs_make_a_page_that_is_not_much_larger(tmp_path: Path) -> None:
    for seed in range(40):
        for rate in (0.1, 0.2, 0.3, 0.4):
            write_run(tmp_path / f"{rate}-{seed}", config(seed=seed, optim__lr=rate), epochs=30)
    page = write_report([tmp_path]).page
    plain = write_report([tmp_path / "0.1-0"], tmp_path / "report" / "one").page
    # A run takes a row in a table, not a curve: fewer than 300 bytes each, beside one band a group.
    assert page.stat().st_size - plain.stat().st_size < 160 * 300 + 4 * 8 * 8 * 30 * 30


def test_no_browser_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RunError, match=r"none was found \(chromium, .*apt-get install chromium"):
        find_browser()


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium (Debian: apt-get install chromium)")
def test_figures_for_paper(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path / "s" / f"a{seed}", config(seed=seed), test=0.9 + 0.01 * seed)
        write_run(tmp_path / "s" / f"b{seed}", config(seed=seed, optim="sgd"), test=0.8 + 0.01 * seed)
    report = write_report([tmp_path / "s"], figures=True)
    drawn = [path for path in report.files if path.parent.name == "figures"]
    assert {path.stem for path in drawn} >= {
        "ranking-all",
        "curves-accuracy-validation-epochs-all",
        "confusion",
    }
    starts = {".png": b"\x89PNG", ".svg": b"<svg", ".pdf": b"%PDF"}
    assert {path.suffix for path in drawn} == starts.keys()
    for path in drawn:
        content = path.read_bytes()
        assert content.startswith(starts[path.suffix])
        assert len(content) > 3000
