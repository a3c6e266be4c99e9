"""Runs that tools store as JSON, in the layouts that they write."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

import pytest

from abreast.errors import RunError
from abreast.report.readers.csv_files import read_csv
from abreast.report.readers.foreign_run import ForeignRun
from abreast.report.readers.foreign_sweep import collect_foreign
from abreast.report.readers.json_runs import take_json
from abreast.report.readers.settings import Choices

RUNS = (("adam", 0, 0.9), ("adam", 1, 0.8), ("sgd", 0, 0.7), ("sgd", 1, 0.5))


def steps(key: str, value: float, **more: object) -> list[dict[str, object]]:
    return [{key: step, "val_acc": value - (2 - step) / 10, **more} for step in (1, 2)]


def ray(optimizer: str, seed: int, value: float) -> dict[str, str]:
    settings = {"optimizer": optimizer, "seed": seed}
    more = {"config": settings, "date": f"2024-01-01_00-00-0{seed}", "pid": 3 + seed, "time_total_s": value}
    rows = steps("training_iteration", value, **more)
    folder = f"train_{optimizer}_{seed}_2024-01-01_00-00-00"
    return {
        f"{folder}/result.json": "\n".join(map(json.dumps, rows)),
        f"{folder}/params.json": json.dumps(settings),
    }


def hugging_face(optimizer: str, seed: int, value: float) -> dict[str, str]:
    evaluated = [{"step": at, "eval_accuracy": value - (2 - at) / 10} for at in (1, 2)]
    history = [{"loss": 1.0, "learning_rate": 0.1, "step": 0}, *evaluated]
    state = {"best_metric": value, "epoch": 2.0, "global_step": 3, "log_history": history}
    early = {**state, "log_history": history[:2]}
    folder = f"{optimizer}/seed_{seed}"
    final = {"epoch": 2.0, "eval_accuracy": value, "eval_runtime": value}
    return {
        f"{folder}/trainer_state.json": json.dumps(state),
        f"{folder}/checkpoint-10/trainer_state.json": json.dumps(early),
        f"{folder}/all_results.json": json.dumps(final),
        f"{folder}/config.json": json.dumps({"model_type": "bert", "hidden_size": 7 + seed}),
    }


def sacred(optimizer: str, seed: int, value: float) -> dict[str, str]:
    folder = f"{RUNS.index((optimizer, seed, value)) + 1}"
    curve = {"steps": [0, 1], "timestamps": ["a", "b"], "values": [0.1, value]}
    return {
        f"{folder}/config.json": json.dumps({"optimizer": optimizer, "seed": seed}),
        f"{folder}/metrics.json": json.dumps({"val.acc": curve}),
        f"{folder}/run.json": json.dumps({"status": "COMPLETED", "host": {"hostname": "x"}}),
    }


LAYOUTS: dict[str, Callable[[str, int, float], Mapping[str, str]]] = {
    "Ray Tune": ray,
    "Hugging Face": hugging_face,
    "Sacred": sacred,
    "Keras": lambda o, s, v: {f"{o}_seed{s}.json": json.dumps({"loss": [2, 1], "val_acc": [0.1, v]})},
    "DVC": lambda o, s, v: {
        f"{o}{s}/dvclive/metrics.json": json.dumps({"val": {"acc": v}, "step": 3}),
        f"{o}{s}/params.yaml": f"train:\n  optimizer: {o}\n  seed: {s}\n",
    },
    "TensorBoard's page": lambda o, s, v: {
        f"run-{o}_seed{s}-tag-val_acc.json": json.dumps([[17.5, 0, 0.1], [18.5, 1, v]])
    },
    "a file a run": lambda o, s, v: {
        f"{o}{s}.json": json.dumps({"args": {"optimizer": o, "seed": s}, "val_acc": v, "fit_time": v})
    },
    "settings beside, the seed in the name": lambda o, s, v: {
        f"{o}/seed{s}/config.json": json.dumps({"optimizer": o}),
        f"{o}/seed{s}/results.json": json.dumps({"val_acc": v}),
    },
    "settings above": lambda o, s, v: {
        f"{o}/config.yaml": f"optimizer: {o}\n",
        f"{o}/seed{s}/results.json": json.dumps({"val_acc": v}),
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder(layout: str, tmp_path: Path) -> None:
    for optimizer, seed, value in RUNS:
        for name, text in LAYOUTS[layout](optimizer, seed, value).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    (tmp_path / "package.json").write_text(json.dumps({"name": "x", "version": "1.0"}))
    collected = collect_foreign([tmp_path], Choices())
    assert collected is not None
    sweep, metric, _ = collected
    assert metric == "val/accuracy"
    groups: dict[object, list[tuple[int | None, float]]] = {}
    for run in sweep.runs:
        groups.setdefault(run.key, []).append((run.seed, run.metrics[metric]))
    assert sorted(map(sorted, groups.values())) == [[(0, 0.7), (1, 0.5)], [(0, 0.9), (1, 0.8)]]


def test_a_damaged_file_of_results_is_listed(tmp_path: Path) -> None:
    for name, text in (("a", json.dumps({"acc": 0.5})), ("b", "{"), ("c", json.dumps({"acc": 0.7}))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(text)
    collected = collect_foreign([tmp_path], Choices())
    assert collected is not None
    assert sorted(run.status for run in collected[0].runs) == ["finished", "finished", "unreadable"]


def test_a_file_of_one_run(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps({"log_history": [{"step": n, "eval_loss": 1 - n / 10} for n in range(3)]}))
    collected = collect_foreign([path], Choices())
    assert collected is not None
    assert [run.metrics["val/loss"] for run in collected[0].runs] == [0.8]


def read(path: Path) -> list[tuple[str, int | None, float]]:
    """The settings, the seed and the result of each run, in order."""
    collected = collect_foreign([path], Choices())
    assert collected is not None
    sweep, metric, _ = collected
    return sorted(
        (str(run.identified.identity.settings), run.seed, run.metrics[metric])
        for run in sweep.runs
        if run.identified
    )


ALONE = {  # a record for each run: none of these is the log of one training
    "the best epoch": [
        {"optimizer": o, "seed": s, "epoch": 12 + n, "acc": v} for n, (o, s, v) in enumerate(RUNS)
    ],
    "regular epochs": [
        {"optimizer": o, "seed": s, "epoch": 9 * n, "acc": v} for n, (o, s, v) in enumerate(RUNS)
    ],
    "iterations": [
        {"optimizer": o, "seed": s, "iteration": 99 + n // 2, "acc": v} for n, (o, s, v) in enumerate(RUNS)
    ],
    "exported by MLflow": [
        {
            "run_id": f"a{n}",
            "params.optimizer": o,
            "params.seed": str(s),
            "metrics.epoch": 9 * n,
            "metrics.acc": v,
        }
        for n, (o, s, v) in enumerate(RUNS)
    ],
    "nested settings": [
        {"params": {"optimizer": o, "seed": s}, "step": 10 * n, "acc": v} for n, (o, s, v) in enumerate(RUNS)
    ],
}


@pytest.mark.parametrize("records", ALONE)
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_records_of_several_runs_are_no_training(records: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"runs{suffix}"
    rows = ALONE[records]
    path.write_text(json.dumps(rows) if suffix == ".json" else "\n".join(map(json.dumps, rows)))
    runs = read(path)
    assert sorted((seed, value) for _, seed, value in runs) == [(0, 0.7), (0, 0.9), (1, 0.5), (1, 0.8)]
    assert len({settings for settings, _, _ in runs}) == 2


def test_the_log_of_a_training_is_one_run(tmp_path: Path) -> None:
    path = tmp_path / "adam.jsonl"
    rows = [
        {"optimizer": "adam", "seed": 1, "step": n, "loss": 1 - n / 10, "lr": 0.1 if n < 3 else 0.01}
        for n in range(6)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert read(path) == [('{"optimizer": "adam"}', 1, 0.5)]


def of(optimizer: str) -> list[dict[str, object]]:
    return [{"seed": s, "acc": v} for o, s, v in RUNS if o == optimizer]


TABLES: dict[str, Callable[[str], tuple[str, object]]] = {
    "by the names of the files": lambda o: (f"{o}.json", of(o)),
    "by the names of their folders": lambda o: (f"{o}/results.json", of(o)),
    "beside a number of the run": lambda o: (
        f"{o}.json",
        [{"run": r["seed"], "acc": r["acc"]} for r in of(o)],
    ),
    "by the settings in the files": lambda o: (
        f"{len(o)}/results.json",
        {"config": {"optimizer": o}, "best_acc": 0.9, "results": of(o)},
    ),
    "by a setting in the files": lambda o: (f"t{len(o)}.json", {"optimizer": o, "runs": of(o)}),
    "by the file beside": lambda o: (f"{len(o)}/scores.json", of(o)),
}


@pytest.mark.parametrize("layout", TABLES)
def test_a_folder_of_tables(layout: str, tmp_path: Path) -> None:
    for optimizer in ("adam", "sgd"):
        name, content = TABLES[layout](optimizer)
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
        if layout == "by the file beside":
            path.with_name("params.json").write_text(json.dumps({"optimizer": optimizer}))
    runs = read(tmp_path)
    assert [(seed, value) for _, seed, value in runs] == [(0, 0.9), (1, 0.8), (0, 0.7), (1, 0.5)]
    assert len({settings for settings, _, _ in runs}) == 2


@pytest.mark.parametrize(
    "names",
    [
        ("test_metrics.json", "train_metrics.json"),
        ("results_test.json", "results_train.json"),
        ("test.json", "val.json"),
        ("test/metrics.json", "train/metrics.json"),
        ("results.json", "train_results.json"),
    ],
)
def test_each_split_keeps_its_results(names: tuple[str, str], tmp_path: Path) -> None:
    for optimizer, seed, value in RUNS:
        for name, result in zip(names, (value, 0.99), strict=True):
            path = tmp_path / f"{optimizer}_seed{seed}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"acc": result}))
    assert [value for _, _, value in read(tmp_path)] == [0.9, 0.8, 0.7, 0.5]


def test_two_values_of_one_result_are_said(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps({"acc": 0.5}))
    (tmp_path / "summary.json").write_text(json.dumps({"acc": 0.7}))
    collected = collect_foreign([tmp_path], Choices())
    assert collected is not None
    assert [run.metrics["test/accuracy"] for run in collected[0].runs] == [0.5]
    assert any("summary.json" in note and "another acc" in note for note in collected[2])


TABLE = [{"optimizer": "adäm", "seed": 0, "acc": 0.9}, {"optimizer": "sgd", "seed": 0, "acc": 0.8}]
TEXT = json.dumps(TABLE, ensure_ascii=False)
LINES = "\n".join(json.dumps(row) for row in TABLE)
ENCODED = {
    "a mark before it": ("r.json", b"\xef\xbb\xbf" + TEXT.encode()),
    "UTF-16": ("r.json", TEXT.encode("utf-16")),
    "of Western Windows": ("r.json", TEXT.encode("cp1252")),
    "compressed": ("r.json.gz", gzip.compress(TEXT.encode())),
    "compressed, though its name does not say so": ("r.json", gzip.compress(TEXT.encode())),
    "an indented list": ("r.jsonl", json.dumps(TABLE, indent=1).encode()),
    "a record a line": ("r.json", LINES.encode()),
    "a record a line, of Windows": ("r.ndjson", LINES.replace("\n", "\r\n").encode()),
}


@pytest.mark.parametrize("form", ENCODED)
def test_the_text_of_a_file(form: str, tmp_path: Path) -> None:
    name, content = ENCODED[form]
    (tmp_path / name).write_bytes(content)
    for path in (tmp_path / name, tmp_path):
        assert [value for _, _, value in read(path)] == [0.9, 0.8]


@pytest.mark.parametrize("key", ["seed", "fold"])
def test_records_that_differ_by_their_repeat_alone_are_no_training(key: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    path.write_text(json.dumps([{key: n, "epoch": 9 + n * n, "acc": n / 8} for n in range(4)]))
    assert [value for *_, value in sorted(read(path), key=lambda run: run[2])] == [0, 0.125, 0.25, 0.375]


def test_the_last_state_of_a_run_counts(tmp_path: Path) -> None:
    for name, value in (("", 0.9), ("checkpoint-5", 0.5), ("checkpoint-50", 0.7)):
        (tmp_path / "adam" / name).mkdir(exist_ok=True, parents=True)
        (tmp_path / "adam" / name / "all_results.json").write_text(json.dumps({"eval_accuracy": value}))
    assert [value for *_, value in read(tmp_path)] == [0.9]
    (tmp_path / "adam" / "all_results.json").unlink()
    assert [value for *_, value in read(tmp_path)] == [0.7]


def test_a_table_within_another_one_counts_once(tmp_path: Path) -> None:
    rows = [{"optimizer": o, "seed": s, "acc": v, "f1": v / 3} for o, s, v in RUNS]
    (tmp_path / "all.json").write_text(json.dumps(rows))
    (tmp_path / "adam.json").write_text(json.dumps(rows[:2]))
    assert len(read(tmp_path)) == 4


METHODS = {
    "other lists stay whole": {"acc": [0.9, 0.8], "tags": ["x"], "hidden": [64, 128], "runs": "x"},
    "seeds are split": {"acc": [0.9, 0.8], "seeds": [0, 1]},
    "splits of each run": {
        "seed_0": {"train": {"acc": 1.0}, "test": {"acc": 0.9}},
        "seed_1": {"test": {"acc": 0.8}},
    },
}


@pytest.mark.parametrize("form", METHODS)
def test_results_by_method(form: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    path.write_text(json.dumps({"a": METHODS[form], "b": METHODS[form]}))
    runs = read(path)
    assert [(seed, value) for _, seed, value in runs] == 2 * [(0, 0.9), (1, 0.8)]
    assert len({settings for settings, _, _ in runs}) == 2


def test_the_splits_of_one_run_are_no_methods(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"train": {"acc": 0.9}, "test": {"acc": 0.8}}))
    assert [value for _, _, value in read(path)] == [0.8]


@pytest.mark.parametrize("key", ["1" * 5000, "seed_" + "1" * 5000])
def test_a_key_of_many_digits_is_a_name(key: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    for content in (
        {"a": {key: {"acc": 0.9}}, "b": {"1": {"acc": 0.8}}},
        {key: {"acc": 0.9}, "2": {"acc": 0.8}},
    ):
        path.write_text(json.dumps(content))
        assert sorted(value for _, _, value in read(path)) == [0.8, 0.9]


@pytest.mark.parametrize(
    ("count", "message"), [(20_000, r"20000 records with 20001 different keys\. A table"), (500, None)]
)
def test_records_whose_keys_differ_take_no_quadratic_time(
    count: int, message: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps([{"name": "a", f"key{number}": 0.5} for number in range(count)]))
    began = time.process_time()
    with pytest.raises(RunError, match=message) if message else nullcontext():
        assert {run.reason[:20] for run in read_csv(path)} == {"none of its columns "}
    assert not take_json(path, ForeignRun(path, "table"))
    assert time.process_time() - began < 2
