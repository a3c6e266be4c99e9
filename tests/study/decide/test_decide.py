"""`abreast decide` from the command line, on data that train in seconds."""

from __future__ import annotations

import base64
import gzip
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.command_line import Outcome, environment, run_all
from support.forks import run_forked
from support.helpers import ROOT

SMALL = (
    *("data=random", "data.size=300", "data.test_size=300", "data.classes=3", "model.hidden=[16]"),
    *("trainer=cpu", "trainer.max_epochs=3", "callbacks=none", "logger=none"),
)
WORSE = ("optim.lr=0.03,0.006", "margin=0.01", "max_seeds=18")
CLOSE = ("optim.lr=0.03,0.0301", "margin=0.0001")  # too close to tell apart with a few seeds


def decide(folder: Path, *arguments: str) -> Outcome:
    """`abreast decide` in a folder."""
    return run_forked(["decide", *SMALL, *arguments], folder)


def decision(folder: Path) -> dict[str, Any]:
    """The one decision in a folder."""
    (file,) = folder.rglob("decision.json")
    return {**json.loads(file.read_text()), "folder": file.parent}


@pytest.fixture(scope="module")
def worse(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """One decision, for all tests that only look at it."""
    folder = tmp_path_factory.mktemp("worse")
    return folder, decide(folder, *WORSE, "--json")


def test_the_second_value_is_worse_than_the_first(worse: tuple[Path, Outcome]) -> None:
    folder, outcome = worse
    found = decision(folder)
    assert outcome.code == 3, outcome.err
    assert (found["verdict"], found["first"], found["second"]) == ("worse", "optim.lr=0.03", "optim.lr=0.006")
    assert found["high"] < 0
    assert [look["verdict"] for look in found["looks"]] == ["undecided", "worse"]
    assert found["seeds"] == 12 < found["max_seeds"]  # it stops at the second wave
    differences = [
        second - first for first, second in (run["values"] for run in found["runs"] if run["paired"])
    ]
    assert found["n"] == len(differences)
    assert found["difference"] == pytest.approx(sum(differences) / len(differences))
    assert "optim.lr=0.006 is worse than optim.lr=0.03 (margin 0.01)." in outcome.err
    said = " ".join(outcome.err.split())
    assert "test set of that size would move the difference in test accuracy by no more than 0.0" in said


def test_json_is_all_that_is_on_standard_output(worse: tuple[Path, Outcome]) -> None:
    folder, outcome = worse
    found = decision(folder)
    del found["folder"]
    assert json.loads(outcome.out) == found
    assert outcome.out.count("\n") == 1
    assert "Wave 1, 8 seeds: difference -" in outcome.err


def test_each_wave_is_noted_as_a_look_at_the_test_set(worse: tuple[Path, Outcome]) -> None:
    lines = (decision(worse[0])["folder"] / "looks.jsonl").read_text().splitlines()
    looks = [json.loads(line) for line in lines]
    assert [(look["occasion"], look["runs"], look["metric"]) for look in looks] == [
        ("decide, wave 1", 16, "test/accuracy"),
        ("decide, wave 2", 24, "test/accuracy"),
    ]


def test_the_page_shows_the_interval_with_both_margins(worse: tuple[Path, Outcome]) -> None:
    page = (decision(worse[0])["folder"] / "report" / "report.html").read_text()
    assert "optim.lr=0.006 is worse than optim.lr=0.03 (margin 0.01)." in page
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    figures = json.loads(
        gzip.decompress(base64.b64decode(page.partition('id="figures">')[2].partition("<")[0]))
    )
    traces = figures["waves-figure"]["traces"]
    assert [trace["y"] for trace in traces if trace["line"].get("dash") == "dash"] == [
        [0.01] * 2,
        [-0.01] * 2,
    ]
    assert len(data["tables"]["runs"]["rows"]) == 24
    assert "p (Holm)" not in page  # a test for one look, which would be wrong here


def test_a_report_would_test_what_was_looked_at_already(worse: tuple[Path, Outcome]) -> None:
    folder = decision(worse[0])["folder"]
    page = (folder / "report" / "report.html").read_bytes()
    outcome = run_forked(["report", str(folder)], worse[0])
    assert outcome.code == 2
    assert "holds a decision" in outcome.err
    assert f"Its page is {folder / 'report' / 'report.html'}" in outcome.err
    assert (folder / "report" / "report.html").read_bytes() == page


def test_the_same_command_again_trains_nothing_and_says_the_same(worse: tuple[Path, Outcome]) -> None:
    folder, outcome = worse
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")}
    again = decide(folder, *WORSE, "--json")
    assert (again.code, json.loads(again.out)) == (outcome.code, json.loads(outcome.out))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")} == before
    assert len((decision(folder)["folder"] / "looks.jsonl").read_text().splitlines()) == 2


def test_the_other_order_from_hydras_command_line_is_better(tmp_path: Path) -> None:
    keys = [f"hydra.sweeper.{item}" for item in WORSE[1:]]
    outcome = run_forked(
        ["-m", "hydra/sweeper=abreast_decide", *SMALL, "optim.lr=0.006,0.03", *keys], tmp_path
    )
    assert outcome.code == 0, outcome.err
    assert "optim.lr=0.03 is better than optim.lr=0.006 (margin 0.01)." in outcome.out
    assert decision(tmp_path)["verdict"] == "better"


def test_a_wide_margin_makes_them_equivalent(tmp_path: Path) -> None:
    outcome = decide(tmp_path, CLOSE[0], "margin=0.5", "first_seed=100")
    assert outcome.code == 4, outcome.err
    found = decision(tmp_path)
    assert found["verdict"] == "equivalent"
    assert [run["seed"] for run in found["runs"]] == list(range(100, 108))


def test_a_larger_budget_goes_on_where_the_smaller_one_was_undecided(tmp_path: Path) -> None:
    first = decide(tmp_path, *CLOSE, "max_seeds=8")
    assert first.code == 5, first.err
    assert "The same command with a larger max_seeds goes on from here" in " ".join(first.out.split())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    second = decide(tmp_path, *CLOSE, "max_seeds=12")
    assert second.code == 5, second.err
    found = decision(tmp_path)  # in the same directory
    assert [look["seeds"] for look in found["looks"]] == [8, 12]
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    assert len(after) == 24
    assert before.items() <= after.items()  # nothing was trained twice
    assert len((found["folder"] / "looks.jsonl").read_text().splitlines()) == 2


def test_failed_runs_are_named_and_leave_no_verdict(tmp_path: Path) -> None:
    outcome = decide(tmp_path, "loss=mse", "optim=sgd", "optim.lr=0.03,1e30", "margin=0.01", "max_seeds=40")
    assert outcome.code == 5, outcome.err
    text = " ".join(outcome.out.split())
    assert "Stopped: more than half of the runs of a setting failed." in text
    assert "8 of 8 runs failed, and their seeds are left out (seed 0" in text
    assert "diverged" in text
    assert decision(tmp_path)["n"] == 0


def test_sigterm_ends_it_and_the_same_command_resumes_it(tmp_path: Path) -> None:
    arguments = [*SMALL, "trainer.max_epochs=20", *CLOSE, "max_seeds=8"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), "decide", *arguments],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if line.startswith("epoch 2/"):
            process.send_signal(signal.SIGTERM)
            break
    process.communicate()
    assert process.returncode == 143
    assert not list(tmp_path.rglob("decision.json"))
    outcome = decide(tmp_path, *arguments[len(SMALL) :])
    assert outcome.code == 5, outcome.err
    assert "0 of 16 runs are finished already, 16 are resumed" in outcome.out
    found = decision(tmp_path)
    assert found["n"] == 8
    assert len(list(tmp_path.rglob("result.json"))) == 16


MISTAKES = [
    (
        "optim.lr=0.1,0.2,0.3 margin=0.1",
        "optim.lr: decide compares two values, got 3; for more train a sweep",
    ),
    (
        "loss=mse,hinge optim.lr=0.1,0.2 margin=0.1",
        "one key, got several of loss, optim.lr; for settings that",
    ),
    ("margin=0.1", "decide compares two values of a key, and none has two; write abreast decide loss="),
    ("optim.lr=0.1,0.2", "hydra.sweeper.margin: must be a positive number"),
    ("optim.lr=0.1,0.2 margin=0", "hydra.sweeper.margin: must be a positive number"),
    ("optim.lr=0.1,0.2 margin=1", "hydra.sweeper.margin: 1 is as large as the whole range of accuracy"),
    (
        "optim.lr=0.1,0.2 margin=0.1 max_seeds=7",
        "hydra.sweeper.max_seeds: must be an integer of at least 8",
    ),
    (
        "optim.lr=0.1,0.2 margin=0.1 max_seeds=9.5",
        "hydra.sweeper.max_seeds: must be an integer of at least 8",
    ),
    ("optim.lr=0.1,0.2 margin=0.1 first_seed=-1", "hydra.sweeper.first_seed: must be an integer from 0"),
    ("optim.lr=0.1,0.2 margin=0.1 metric=acuracy", "got acuracy. Did you mean accuracy?"),
    ("optim.lr=0.1,0.2 margin=0.1 metric=r2", "hydra.sweeper.metric: the task has"),
    ("loss=mse,hinge margin=0.1 metric=loss", "the settings are trained on different losses"),
    (
        "optim.lr=0.1,0.2 margni=0.1",
        "margni: no such key. decide has margin, max_seeds, first_seed, metric",
    ),
    ("optim.lr=0.1,0.2 margin=0.1 hydra.sweeper.margins=1", "margins"),
    ("optim.lr=0.1,0.2 margin=0.1 seed=3", "seed: decide trains seed after seed; the first is"),
    ("optim.lr=0.1,0.2 margin=0.1 seed=3,4", "seed: decide trains seed after seed; the first is"),
    ("optim.lr=0.1,0.2 margin=0.1 test=false", "test: decide compares test metrics"),
    ("optim.lr=0.1,0.2 margin=0.1 hydra.launcher.halving=[1]", "hydra.launcher.halving: drops runs"),
    ("optim.lr=0.1,1e-1 margin=0.1", "optim.lr=0.1 and optim.lr=0.1 are the same settings"),
    ("optim.lr=interval(0.1,0.2) margin=0.1", "decide compares two values; write them out: optim.lr=1,2"),
    ("data=digits,random margin=0.1", "data: results on different data are not comparable"),
    ("loss=mse,hing margin=0.1", "loss=hing: no such option"),
    ("optim.lr=0.1,-1 margin=0.1", "optim.lr=-1: "),
]


def test_mistakes_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    rows = [(tmp_path, ["decide", *arguments.split()]) for arguments, _ in MISTAKES]
    for (arguments, message), outcome in zip(MISTAKES, run_all(rows, fresh=False), strict=True):
        assert outcome.code == 2, (arguments, outcome)
        assert message in outcome.err, arguments
        assert "Traceback" not in outcome.err
    assert not list(tmp_path.iterdir())


def test_help_says_the_exit_codes(tmp_path: Path) -> None:
    outcome = run_forked(["decide", "--help"], tmp_path)
    assert outcome.code == 0
    assert "undecided   exit code 5" in outcome.out
