"""Damaged files that still parse: one clear line for every command; a report names what it counts."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from abreast.cli import evaluate, export, predict, report
from abreast.cli.resume import main as resume
from abreast.errors import AbreastError, ConfigError, RunError
from abreast.report.collect import collect
from abreast.report.write import write_report
from abreast.runs.directory import RunDirectory
from support.helpers import ROOT, compose
from support.references import References
from support.report_runs import config, write_run
from support.resuming import TINY


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    """The script."""
    spec = importlib.util.spec_from_file_location("fuzz", ROOT / "scripts" / "fuzz_run_directory.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_a_few_mutations(
    fuzz: ModuleType, reference: References, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dozen, of a run that was trained in this process."""
    whole = reference(compose(*fuzz.SMALL, "seed=3"))
    monkeypatch.setattr(fuzz, "train", lambda folder: whole.copy_to(folder / "run"))
    problems: list[str] = []
    counts = fuzz.fuzz(tmp_path, 12, 7, problems.append)
    assert not problems, "\n".join(problems)
    assert {outcome for _, outcome in counts} == {"clear error", "said", "harmless"}
    assert sum(counts.values()) == 6 * 12


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1])
def test_no_traceback_and_nothing_silent(fuzz: ModuleType, seed: int, tmp_path: Path) -> None:
    """300 mutations of the files of a run, for six commands each."""
    problems: list[str] = []
    counts = fuzz.fuzz(tmp_path, 300, seed, problems.append)
    assert not problems, "\n".join(problems)
    assert sum(counts.values()) == 6 * 300
    for outcome in ("clear error", "said", "harmless"):
        assert sum(n for (_, judged), n in counts.items() if judged == outcome) > 100


@pytest.fixture
def run(reference: References, tmp_path: Path) -> Path:
    """A run that finished."""
    whole = reference(compose(*TINY, "logger=none", "trainer.max_epochs=2")).finished()
    return Path(shutil.copytree(whole, tmp_path / "sweep" / "run"))


COMMANDS: dict[str, Callable[[Path, Path], object]] = {
    "evaluate": lambda run, rows: evaluate.main([str(run)]),
    "predict": lambda run, rows: predict.main([str(run), str(rows)]),
    "export": lambda run, rows: export.main([str(run), "--format", "torch"]),
    "resume": lambda run, rows: resume([f"resume={run}"]),
}
EDITS: list[tuple[str, Any, str]] = [
    ("matmul_precision", "nunl", "matmul_precision: 'nunl' is not one of bf16, tf32"),
    ("steps_per_execution", 0, "steps_per_execution: must be at least 1, got 0"),
    ("model.hidden", ["five"], "model.hidden[0]: 'five' is not a whole number"),
    ("data.batch_size", 10**25, "data.batch_size: 10000000000000000000000000 is too large"),
    ("trainer.precision", "33", "trainer.precision: '33' is not"),
    ("optim.lr", -1, "optim.lr: must be at least 0, got -1"),
    ("nope", 1, "nope: no such group or key"),
]


def edit(run: Path, key: str, value: Any) -> None:
    content = yaml.safe_load((run / "config.yaml").read_text())
    *above, last = key.split(".")
    node = content
    for name in above:
        node = node[name]
    node[last] = value
    (run / "config.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


# Each edit for one command, and the first one for all.
CASES = [(*each, [*COMMANDS][number % 4]) for number, each in enumerate(EDITS)]
CASES += [(*EDITS[0], command) for command in COMMANDS if command != CASES[0][3]]


@pytest.mark.parametrize(("key", "value", "message", "command"), CASES)
def test_a_configuration_is_checked_as_for_training(
    key: str, value: Any, message: str, command: str, run: Path
) -> None:
    edit(run, key, value)
    (run / "rows.csv").touch()
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError) as error:
        COMMANDS[command](run, run / "rows.csv")
    text = str(error.value)
    assert text.startswith(f"{run / 'config.yaml'}: {message}")
    assert "\n" not in text
    assert "restore it from a good copy" in text
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("key", "value", "message"), EDITS[:2])
def test_a_report_says_which_runs_have_changed(key: str, value: Any, message: str, run: Path) -> None:
    shutil.copytree(run, run.parent / "other")
    assert not collect([run.parent]).runs[0].remarks
    edit(run, key, value)
    made = write_report([run.parent])
    changed = next(item for item in made.analysis.sweep.runs if item.name == "run")
    assert changed.status == "finished"
    assert changed.remarks[0].startswith("config.yaml has changed since the run ended")
    assert any(message in line for line in changed.remarks)
    (note,) = [line for line in made.analysis.notes if "not what training wrote" in line]
    assert "Files of 1 run are not" in note
    assert "the other 1" in note
    assert "has changed since the run ended" in made.page.read_text()
    assert "has changed since the run ended" in (made.page.parent / "runs.csv").read_text()


METRICS = "epoch,step,train/loss\n1,10,0.5\n2,20,0.25\n"
DAMAGES = [
    ("epoch,step,train/loss", "epoch,step,trai~/loss", "the first line has the column 'trai~/loss'"),
    ("epoch", "dpoch", "the first line has the column 'dpoch'"),
    ("step", "epoch", "the first line has a column twice"),
    ("2,20", "nan,20", "line 3 is of epoch nan, not 2"),
    ("2,20", "3,20", "line 3 is of epoch 3, not 2"),
    ("2,20", "20", "line 3 has 2 cells for 3 columns"),
    ("0.25", "0.2x", "a cell is not a number"),
]


@pytest.mark.parametrize(("old", "new", "message"), DAMAGES)
def test_metrics_that_training_did_not_write(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", config())  # of a release without checksums
    (path / "metrics.csv").write_text(METRICS)
    assert len(RunDirectory(path).read_metrics()) == 2
    assert not collect([tmp_path]).runs[0].remarks
    (path / "metrics.csv").write_text(METRICS.replace(old, new, 1))
    with pytest.raises(RunError, match=r"metrics\.csv: ") as error:
        RunDirectory(path).read_metrics()
    assert message in str(error.value)
    (remark,) = collect([tmp_path]).runs[0].remarks
    assert message in remark


RESULTS = [
    ("metrics", {"test/accuracy": 10**400}),
    ("metrics", {"test/accuracy": 10**299 * 10**10}),
    ("confusion", [[10**25, 0], [0, 1]]),
    ("confusion", 3),
    ("classes", {"a": 1}),
    ("versions", [1]),
    ("execution", {"threads": [1]}),
    ("seconds", 1e999),
    ("data", {"chance": "x", "test": -1}),
    ("examples", {"test": "many"}),
    ("epoch", "last"),
]
FILES: list[tuple[str, bytes | None]] = [
    ("metrics.csv", b"epoch,train/loss,val/loss\n1,inf,1e308\n2,1e308,-1e308\n"),
    ("metrics.csv", b"epoch,train/loss\nnan,1\n"),
    ("config.yaml", b"a: 1\nseed: 9" + b"9" * 400),
    ("config.yaml", b'a: "\\ud800"\nseed: 0\n'),
    ("status.json", b'{"status": "finished", "reason": {"a": [1]}}'),
    ("status.json", b'{"status": ["finished"]}'),
    ("result.json", b'{"metrics": {"test/accuracy": "\\ud800", "\\ud800": 1}}'),
    (".hydra/overrides.yaml", b"- seed=" + b"9" * 5000),
    (".hydra/overrides.yaml", b"- 9" + b"9" * 400),
    (".hydra/overrides.yaml", b"\xff\xfe"),
    ("worst.json", b'{"images": [{"label": 1e999}], "classes": []}'),
    ("test_examples.bin", b'{"format": 1, "count": 99999999999999999999}\n'),
    *((name, None) for name in ("config.yaml", "status.json", "result.json", "metrics.csv", "worst.json")),
]


COUNT = len(RESULTS) + len(FILES)


def spoil(bad: Path, number: int) -> None:
    if number < len(RESULTS):
        key, value = RESULTS[number]
        content = {**json.loads((bad / "result.json").read_text()), key: value}
        (bad / "result.json").write_text(json.dumps(content))
        return
    name, text = FILES[number - len(RESULTS)]
    (bad / name).unlink(missing_ok=True)
    if text is None:
        (bad / name).mkdir()
    else:
        (bad / name).write_bytes(text)


def check_report(folder: Path, runs: int) -> None:
    """A report is made, and each run is in it."""
    assert report.main([str(folder)]) == 0
    page = (folder / "report" / "report.html").read_text(encoding="utf-8")
    rows = (folder / "report" / "runs.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == runs + 1
    for number in range(runs):
        assert f"run{number}" in page


def test_bad_runs_do_not_end_a_report(tmp_path: Path) -> None:
    """Whole runs are counted; each bad one is counted, too, or named as one that cannot be read."""
    for number in range(COUNT + 3):
        path = write_run(tmp_path / f"run{number}", config(seed=number))
        if number < COUNT:
            spoil(path, number)
    check_report(tmp_path, COUNT + 3)
    runs = collect([tmp_path]).runs
    assert sum(run.status == "finished" and not run.remarks for run in runs) >= 3
    for run in runs:
        assert run.status == "finished" or run.reason


@pytest.mark.long
@pytest.mark.parametrize("number", range(COUNT))
def test_one_bad_run_does_not_end_a_report(number: int, tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path / f"run{seed}", config(seed=seed))
    spoil(tmp_path / "run2", number)
    check_report(tmp_path, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data=digit"], "data=digit: no such option. data takes: "),
        (["data.batch_sze=3"], "data.batch_sze=3: the run's data take "),
        (["data.batch_size=many"], "data.batch_size: 'many' is not a whole number"),
        (["data.batch_size=0"], "data.batch_size: must be at least 1"),
        (["data.batch_size=[1"], "data.batch_size=[1"),
        (["data=random", "data.size=x"], "data.size: 'x' is not a whole number"),
        (["data=random", "data.nope=1"], "data.nope: no such key"),
        (["data={a: 1}"], "data"),
        (["data="], "data=: no such option"),
    ],
)
def test_other_data_that_there_are_not(arguments: list[str], message: str, run: Path) -> None:
    with pytest.raises(AbreastError) as error:
        evaluate.main([str(run), *arguments])
    assert message in str(error.value)


def test_a_sweep_in_place_of_a_run(run: Path) -> None:
    for command in COMMANDS.values():
        with pytest.raises(RunError, match=r"It holds a run: name one of them, such as .*sweep/run"):
            command(run.parent, run / "rows.csv")


@pytest.mark.parametrize("name", ["status.json", "result.json", "metrics.csv", "train.log"])
def test_a_directory_in_place_of_a_file(name: str, run: Path) -> None:
    (run / name).unlink(missing_ok=True)
    (run / name).mkdir()
    with pytest.raises(RunError, match=rf"{name}: is a directory, where the run writes a file"):
        resume([f"resume={run}", "trainer.max_epochs=3"])
    assert (run / name).is_dir()


@pytest.mark.parametrize("top", ["0", "-1", "x"])
def test_a_number_of_classes_to_show(top: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        predict.main([str(run), str(run / "rows.csv"), "--top", top])
    assert stop.value.code == 2
    assert "--top" in capsys.readouterr().err
