"""Reports on runs that others trained: on stored samples, and on files that the real libraries write now."""

from __future__ import annotations

import csv
import importlib.util
import math
import shutil
import sqlite3
import struct
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from abreast.cli.report import main
from abreast.errors import AbreastError, RunError
from abreast.report.readers import mlflow, tensorboard, wandb, wire
from abreast.report.readers.csv_files import read_csv
from abreast.report.readers.foreign_run import ForeignRun
from abreast.report.readers.foreign_sweep import collect_foreign
from abreast.report.readers.metric_names import direction_of, split_stage
from abreast.report.readers.run_names import settings_of_name
from abreast.report.readers.settings import Choices
from abreast.report.run import Run
from abreast.report.write import write_report
from support.command_line import run_command
from support.foreign import EPOCHS, SEEDS, WRITERS, plan
from support.helpers import program_environment

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.zip"))
EXTRAS = ("mlflow", "wandb")  # `make test-long` installs them
KINDS = ["lightning", "mlflow-database", "mlflow-files", "tensorboard", "wandb"]


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The samples, unpacked by kind."""
    folder = tmp_path_factory.mktemp("samples")
    for path in SAMPLES:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder / path.stem.rpartition("-")[0])
    return folder


def runs_of(path: Path, **choices: object) -> tuple[list[Run], str, str]:
    collected = collect_foreign([path], Choices(**choices))  # type: ignore[arg-type]
    assert collected is not None
    sweep, metric, notes = collected
    return sweep.runs, metric, notes[0]


def check(path: Path) -> None:
    """The runs of `plan`, found without being told anything."""
    runs, metric, note = runs_of(path)
    assert metric == "test/accuracy"
    assert "Seed: seed. Settings that differ: optimizer." in note
    values = {(run.settings["optimizer"], run.seed): run for run in runs}
    assert len(values) == len(runs) == 2 * SEEDS
    for settings, curve, test in plan():
        run = values[settings["optimizer"], settings["seed"]]
        assert run.status == "finished", run.reason
        assert run.metrics["test/accuracy"] == pytest.approx(test, rel=1e-6)
        assert run.metrics["val/accuracy"] == pytest.approx(curve[-1], rel=1e-6)
        assert run.curve["val/accuracy"][:EPOCHS] == pytest.approx(curve, rel=1e-6)
        assert run.config["lr"] == pytest.approx(0.1)
        assert not run.duplicate_of


def test_there_is_a_sample_of_every_kind() -> None:
    assert [path.stem.rpartition("-")[0] for path in SAMPLES] == KINDS
    assert {kind.replace(" ", "-") for kind in WRITERS} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample(kind: str, samples: Path) -> None:
    check(samples / kind)


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[pytest.mark.long] * (WRITERS[kind][0] in EXTRAS)) for kind in WRITERS],
)
def test_what_the_library_writes_now(kind: str, tmp_path: Path) -> None:
    package = WRITERS[kind][0]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: it would write the files")
    folder = tmp_path / "runs"
    folder.mkdir()
    if package in EXTRAS:  # they change their process, and warn
        command = [sys.executable, "-m", "support.foreign", kind, str(folder)]
        outcome = run_command(command, tmp_path, **program_environment())
        assert outcome.code == 0, outcome.err
    else:
        WRITERS[kind][1](folder)
    check(folder)


def write_table(path: Path, *, percent: bool = False, seed: str = "seed", metric: str = "acc") -> Path:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["optimizer", "lr", seed, metric, "minutes"])
        for number, (settings, _, test) in enumerate(plan()):
            value = 100 * test if percent else test
            table.writerow([settings["optimizer"], 0.1, settings["seed"], value, 1.5 + number])
    return path


def test_a_table_with_a_row_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_table(tmp_path / "results.csv")
    assert main([str(path), "--metric", "acc", "--seed", "seed", "--margin", "0.001"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Best by test accuracy: optimizer=adam" in out
    assert "The other group is significantly worse." in out
    assert "Seed: seed. Settings that differ: optimizer." in out
    assert {file.name for file in (tmp_path / "report").iterdir()} >= {
        "report.html",
        "runs.csv",
        "summary.csv",
    }
    with (tmp_path / "report" / "runs.csv").open() as file:
        assert {row["command"] for row in csv.DictReader(file)} == {""}
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Read as CSV runs that others trained" in page


@pytest.mark.parametrize("seed", ["seed", "random_state", "train.seed"])
def test_the_seed_is_found(seed: str, tmp_path: Path) -> None:
    runs, _, note = runs_of(write_table(tmp_path / "r.csv", seed=seed))
    assert sorted(run.seed for run in runs if run.seed is not None) == sorted([*range(SEEDS)] * 2)
    assert f"Seed: {seed}." in note


def test_without_a_seed_rows_are_independent_repeats(tmp_path: Path) -> None:
    runs, _, note = runs_of(write_table(tmp_path / "r.csv", seed="attempt_no"), settings=("optimizer",))
    assert [run.seed for run in runs] == [None] * 2 * SEEDS
    assert "none was found" in note
    assert len({run.key for run in runs}) == 2


def test_percentages_are_not_held_to_the_range_of_shares(tmp_path: Path) -> None:
    report = write_report([write_table(tmp_path / "r.csv", percent=True)])
    assert report.analysis.metric == "test/accuracy_percent"
    group = report.analysis.tasks[0].groups[0]
    assert group.summary.mean == pytest.approx(81, abs=1)
    assert report.analysis.higher_is_better


def test_a_metric_whose_name_says_no_direction(tmp_path: Path) -> None:
    path = write_table(tmp_path / "r.csv", metric="fitness")
    with pytest.raises(AbreastError, match=r"fitness: which way is better\? Write --mode max"):
        write_report([path], metric="fitness")
    for mode, best in (("max", "adam"), ("min", "sgd")):
        report = write_report([path], metric="fitness", choices=Choices(mode=mode))  # type: ignore[arg-type]
        assert report.analysis.tasks[0].groups[0].settings["optimizer"] == best


def test_keras_files_with_settings_in_their_names(tmp_path: Path) -> None:
    for settings, curve, _ in plan():
        lines = ["epoch,accuracy,loss,val_accuracy,val_loss"]
        lines += [f"{epoch},0.9,0.3,{value},0.4" for epoch, value in enumerate(curve)]
        name = f"optimizer={settings['optimizer']}_seed{settings['seed']}.csv"
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    runs, metric, note = runs_of(tmp_path)
    assert metric == "val/accuracy"
    assert "of each run the last value" in note
    assert {(run.settings["optimizer"], run.seed) for run in runs} == {
        (settings["optimizer"], settings["seed"]) for settings, _, _ in plan()
    }
    assert all(run.metrics["train/accuracy"] == 0.9 for run in runs)


def test_several_runs_in_one_long_table(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    lines = ["optimizer,seed,epoch,val_acc"]
    for settings, curve, _ in plan():
        lines += [f"{settings['optimizer']},{settings['seed']},{epoch},{v}" for epoch, v in enumerate(curve)]
    path.write_text("\n".join(lines) + "\n")
    runs, _, _ = runs_of(path)
    assert len(runs) == 2 * SEEDS
    assert all(len(run.curve["val/accuracy"]) == EPOCHS for run in runs)


def test_the_folds_of_a_cross_validation_are_blocks(tmp_path: Path) -> None:
    path = tmp_path / "cv.csv"
    path.write_text(
        ",mean_fit_time,param_C,params,split0_test_score,split1_test_score,split2_test_score,rank_test_score\n"
        "0,0.1,1,\"{'C': 1}\",0.90,0.92,0.91,1\n1,0.1,10,\"{'C': 10}\",0.80,0.83,0.81,2\n"
    )
    report = write_report([path])
    task = report.analysis.tasks[0]
    assert (task.splits.count, task.splits.folds, task.splits.overlap) == (3, 3, 0.5)  # Nadeau & Bengio
    assert [group.settings["C"] for group in task.groups] == [1, 10]


def test_hydra_overrides_are_the_settings_of_runs_without_others(samples: Path, tmp_path: Path) -> None:
    for number, (settings, curve, _) in enumerate(plan()):
        folder = tmp_path / str(number)
        (folder / ".hydra").mkdir(parents=True)
        (folder / ".hydra" / "overrides.yaml").write_text(
            f"- optimizer={settings['optimizer']}\n- +seed={settings['seed']}\n"
        )
        rows = [f"{epoch},{value}" for epoch, value in enumerate(curve)]
        (folder / "csv" / "version_0").mkdir(parents=True)
        (folder / "csv" / "version_0" / "metrics.csv").write_text("\n".join(["epoch,val/acc", *rows]) + "\n")
        (folder / "csv" / "version_0" / "hparams.yaml").write_text("{}\n")
    runs, _, _ = runs_of(tmp_path)
    assert {(run.settings["optimizer"], run.seed) for run in runs} == {
        (settings["optimizer"], settings["seed"]) for settings, _, _ in plan()
    }


@pytest.mark.parametrize(
    ("name", "stage", "mode"),
    [
        ("val_acc", ("val", "acc"), "max"),
        ("Loss/train", ("train", "Loss"), "min"),
        ("hparam/test_acc", ("test", "acc"), "max"),
        ("eval/MSELoss", ("val", "MSELoss"), "min"),
        ("valid-f1", ("val", "f1"), "max"),
        ("accuracy", ("", "accuracy"), "max"),
        ("neg_mean_squared_error", ("", "neg_mean_squared_error"), "max"),
        ("testing", ("", "testing"), None),
    ],
)
def test_names_of_metrics(name: str, stage: tuple[str, str], mode: str | None) -> None:
    assert (split_stage(name), direction_of(name)) == (stage, mode)


def test_names_of_files() -> None:
    assert settings_of_name("lr=0.1_wd=1e-4_seed=3") == {"lr": 0.1, "wd": 1e-4, "seed": 3}
    assert settings_of_name("runs/adam/version_3") == {"run": "runs adam"}


BAD_TABLES = {
    "no rows": "a,b\n",
    "empty": "",
    "ragged": "acc,seed\n0.5,1\n0.5\n",
    "twice": "acc,acc\n0.5,1\n",
    "no result": "name,seed\nx,1\ny,2\n",
    "binary": "\x00\x01,\x02\n",
    "quotes": 'acc,seed\n"0.5,1\n',
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_table_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(BAD_TABLES[name])
    with pytest.raises(AbreastError, match=r"t\.csv") as caught:
        write_report([path])
    assert len(str(caught.value).splitlines()) == 1


def damaged(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    yield content[: len(content) // 2]
    yield b""
    yield b"\xff" * len(content)
    for at in range(0, len(content), max(1, len(content) // 8)):
        yield content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


@pytest.mark.parametrize("kind", ["tensorboard", "wandb", "mlflow-database"])
def test_damaged_files_end_in_one_line(kind: str, samples: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(samples / kind, folder)
    pattern = {"tensorboard": "*tfevents*", "wandb": "*.wandb", "mlflow-database": "*.db"}[kind]
    path = sorted(folder.rglob(pattern))[0]
    for content in damaged(path):
        path.write_bytes(content)
        try:
            runs, _, _ = runs_of(folder)
        except RunError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017
        else:
            assert all("\n" not in run.reason for run in runs)


def test_what_a_stranger_writes_is_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.csv"
    rows = "\n".join(
        f"\x1b[31m<script>{name}</script>,{seed},0.{name}{seed}" for name in (1, 2) for seed in (1, 2)
    )
    path.write_text(f"opt\x1b[2J,seed,acc\n{rows}\n")
    assert main([str(path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "<script>1" not in (tmp_path / "report" / "report.html").read_text()
    assert "\x1b" not in (tmp_path / "report" / "runs.csv").read_text()


def test_yaml_tags_are_not_built(samples: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(samples / "lightning", folder)
    mark = tmp_path / "made"
    hparams = sorted(folder.rglob("hparams.yaml"))[0]
    hparams.write_text(
        f"a: !!python/object/apply:os.mkdir ['{mark}']\nb: !!python/tuple [1, 2]\nseed: 0\noptimizer: adam\n"
    )
    assert yaml.unsafe_load("!!python/tuple [1, 2]") == (1, 2)  # what Lightning writes
    runs, _, _ = runs_of(folder)
    assert not mark.exists()
    assert {run.status for run in runs} == {"finished"}
    assert [run.config["b"] for run in runs if "b" in run.config] == ["[1, 2]"]
    hparams.write_text("a: !other/tag 1\n")
    assert [run.status for run in runs_of(folder)[0]].count("unreadable") == 1


def test_two_names_of_one_metric_are_two_metrics(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("opt,seed,acc,accuracy\na,0,0.5,0.9\na,1,0.6,0.8\nb,0,0.4,0.7\nb,1,0.3,0.6\n")
    runs, metric, _ = runs_of(path, metric="acc")
    assert metric == "test/accuracy"
    assert runs[0].metrics == {"test/accuracy": 0.5, "test/accuracy_again1": 0.9}


def test_a_view_in_a_database_is_not_computed(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as store:
        store.execute(
            "CREATE VIEW runs AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n"
        )
        store.execute("CREATE TABLE params (run_uuid, key, value)")
        store.execute("CREATE TABLE metrics (run_uuid, key, value, is_nan, step, timestamp)")
        store.commit()
    with pytest.raises(RunError, match="not a store of MLflow"):
        runs_of(path)


TABLES = {
    "runs": "run_uuid, name, status, start_time, end_time, lifecycle_stage",
    "params": "run_uuid, key, value",
    "metrics": "run_uuid, key, value, is_nan, step, timestamp",
}


def database(path: Path, **changed: str) -> sqlite3.Connection:
    """A store with one run, some of whose tables are made otherwise."""
    store = sqlite3.connect(path)
    for name, columns in TABLES.items():
        store.execute(changed.get(name, f"CREATE TABLE {name} ({columns})"))
    store.execute("INSERT INTO runs (run_uuid, status) VALUES ('a', 'FINISHED')")
    return store


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (
            "CREATE TABLE metrics (run_uuid, key, is_nan, step, timestamp, v AS (length(zeroblob(1000))))",
            "the column 'v' of metrics is computed",
        ),
        (f"CREATE VIRTUAL TABLE metrics USING fts4({TABLES['metrics']})", "it has no tables"),
    ],
    ids=["a generated column", "a virtual table"],
)
def test_what_a_database_computes_is_refused(metrics: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with closing(database(path, metrics=metrics)) as store:
        store.execute("INSERT INTO metrics (run_uuid, key, step) VALUES ('a', 'accuracy', 0)")
        store.commit()
        if "AS (" in metrics:  # a plain reader computes it
            assert store.execute("SELECT v FROM metrics").fetchall() == [(1000,)]
    with pytest.raises(RunError, match=f"not a store of MLflow .*{message}"):
        runs_of(path)


def test_a_database_is_not_read_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that hold each other can make a small file a table without end."""
    path = tmp_path / "mlflow.db"
    with closing(database(path)) as store:
        values = [("a", "accuracy", 0.5, 0, step) for step in range(2000)]
        store.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, 0)", values)
        store.commit()
    assert len(runs_of(path)[0]) == 1
    monkeypatch.setattr(mlflow, "MOST_STEPS", 2)
    monkeypatch.setattr(mlflow, "STEPS", 100)
    with pytest.raises(RunError, match=r"not a store of MLflow \(interrupted\)"):
        runs_of(path)


@pytest.mark.skipif(not hasattr(sqlite3.Connection, "setlimit"), reason="this Python cannot limit it")
def test_a_long_value_of_a_database(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with closing(database(path)) as store:
        store.execute("INSERT INTO params VALUES ('a', 'text', zeroblob(2000000))")
        store.commit()
    with pytest.raises(RunError, match=r"not a store of MLflow .*too big"):
        runs_of(path)


def test_a_record_in_many_parts_takes_linear_time() -> None:
    """A file of W&B whose one record has millions of parts: each was joined with all before it."""
    block = b"".join(struct.pack("<IHB", 0, 1, wandb.MIDDLE) + b"a" for _ in range(4096))
    content = bytearray(b":W&B\0\0\0" + block[:-8] + b"\0")  # blocks of 32 KiB
    content += block * 60 + struct.pack("<IHB", 0, 1, wandb.LAST) + b"z"
    began = time.process_time()
    (record,) = wandb._records(bytes(content), Path("x"))
    assert record.endswith(b"az")
    assert len(record) > 200_000
    assert time.process_time() - began < 2


def test_an_event_file_that_was_never_written_to() -> None:
    began = time.process_time()
    assert [*tensorboard._records(bytes(1 << 26))] == []
    with pytest.raises(wire.WireError, match="without a number"):
        [*wire.fields(bytes(1 << 26))]
    assert time.process_time() - began < 1


def test_more_keys_than_a_run_has() -> None:
    run = ForeignRun(Path("x"), "x")
    for number in range(3000):
        run.add(f"metric{number}", 1.0)
        run.set({f"setting{number}": number})
    assert len(run.curves) == len(run.settings) == 2000
    assert run.remarks == ("Only the first 2,000 settings and metrics of a run were read.",)


def test_links_are_not_followed_out(samples: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("password")
    folder = tmp_path / "runs"
    shutil.copytree(samples / "mlflow-files", folder)
    params = next(path for path in sorted(folder.rglob("params")) if path.is_dir())
    (params / "stolen").symlink_to(secret)
    runs, _, _ = runs_of(folder)
    assert all("password" not in str(run.config) for run in runs)


def test_wire_messages() -> None:
    message = bytes([0x08, 0x96, 0x01, 0x12, 0x02]) + b"ab" + bytes([0x1D]) + struct.pack("<f", 0.5)
    assert list(wire.fields(message)) == [(1, 150), (2, b"ab"), (3, struct.pack("<f", 0.5))]
    assert wire.single(struct.pack("<f", 0.5)) == 0.5
    assert math.isnan(wire.double(b""))
    for broken in (b"\x08", b"\x12\x05ab", b"\xff" * 12, b"\x0b"):
        with pytest.raises(wire.WireError):
            list(wire.fields(broken))


def test_typos_are_named(tmp_path: Path) -> None:
    path = write_table(tmp_path / "r.csv")
    for choices, message in (
        ({"metric": "acx"}, r"--metric acx: no run has this metric. Available: acc"),
        ({"seed": "sed"}, r"--seed sed: no run has this setting. .*Did you mean seed\?"),
        ({"settings": ("optimiser",)}, r"--settings optimiser: no run has this setting"),
    ):
        with pytest.raises(RunError, match=message):
            runs_of(path, **choices)


def test_no_torch(samples: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from abreast.report.readers.settings import Choices; "
        "from abreast.report.readers.foreign_sweep import collect_foreign\n"
        "for path in sys.argv[1:]: collect_foreign([Path(path)], Choices())\n"
        "heavy = {'torch', 'tensorboard', 'mlflow', 'wandb', 'pandas', 'lightning'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    outcome = run_command(
        [sys.executable, "-c", code, *(str(samples / kind) for kind in KINDS)],
        samples,
        **program_environment(),
    )
    assert outcome.code == 0, outcome.err


def test_a_csv_without_runs_of_ours_is_read_by_rows(tmp_path: Path) -> None:
    runs = read_csv(write_table(tmp_path / "r.csv"))
    assert len(runs) == 2 * SEEDS
    assert runs[0].results().keys() == {"acc", "minutes"}
