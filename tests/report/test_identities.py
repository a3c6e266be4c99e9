"""Runs are neither merged nor split wrongly: equality is that of configurations and data, not of text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from abreast.report.analysis import analyse
from abreast.report.collect import collect
from abreast.report.formatting import verdict_label
from abreast.report.groups import Analysis
from abreast.report.run import block_of
from abreast.report.text import exclusion_reason
from support.report_runs import config, write_run

SEEDS = (0, 1, 2)


def repeat(
    folder: Path, name: str, value: float, *, data: dict[str, Any] | None = None, **changes: Any
) -> None:
    """Three runs that differ in the seed."""
    for seed in SEEDS:
        path = write_run(folder / f"{name}{seed}", config(seed=seed, **changes), test=value + seed / 1000)
        if data is not None:
            record(path, data=data)


def record(path: Path, **more: Any) -> None:
    """Add records to a run's result."""
    result = json.loads((path / "result.json").read_text())
    (path / "result.json").write_text(json.dumps({**result, **more}))


def groups(folder: Path) -> dict[str, tuple[int, float]]:
    """Number of values and mean of each group by its label."""
    found: dict[str, tuple[int, float]] = {}
    for task in analyse(collect([folder])).tasks:
        for group in task.groups:
            assert group.summary.mean is not None
            found[f"{task.label} {group.label}".strip()] = (len(group.values), round(group.summary.mean, 6))
    return found


# Two values of a key that can reach the result: two groups of three runs, with their own means.
KEYS: list[tuple[str, Any, Any]] = [
    ("loss__scores", "logits", "probs"),
    ("loss__targets", "index", "one_hot"),
    ("loss__tasks", ["classification"], ["classification", "regression"]),
    ("optim__lr", 0.001, 0.0010000001),
    ("optim__weight_decay", 0, 0.0),
    ("optim__weight_decay", None, False),
    ("data__eval_batch_size", 512, 1024),
    ("data__task", "classification", "regression"),
    ("compile", False, True),
    ("monitor", None, "val/loss"),
    ("model__hidden", [8], "[8]"),
    ("trainer__devices", 1, 2),
]


@pytest.mark.parametrize(("key", "one", "other"), KEYS)
def test_settings_that_differ_are_two_groups(tmp_path: Path, key: str, one: Any, other: Any) -> None:
    repeat(tmp_path, "a", 0.9, **{key: one})
    repeat(tmp_path, "b", 0.8, **{key: other})
    assert sorted(groups(tmp_path).values()) == [(3, 0.801), (3, 0.901)]
    sweep = collect([tmp_path])
    assert not any(run.duplicate_of for run in sweep.runs)


# Two values of a key that cannot: one group of six runs (on other seeds), or three that count once.
NEUTRAL: list[tuple[str, Any, Any]] = [
    ("steps_per_execution", 1, 50),
    ("trainer__accelerator", "cpu", "auto"),
    ("trainer__log_every_n_steps", 1, 50),
    ("test", True, False),
    ("data__dir", "/a", "/b"),
    ("logger", {}, {"csv": {"_target_": "x"}}),
]


@pytest.mark.parametrize(("key", "one", "other"), NEUTRAL)
def test_settings_that_are_equal_are_one_group(tmp_path: Path, key: str, one: Any, other: Any) -> None:
    write_run(tmp_path / "a", config(seed=0, **{key: one}), test=0.9)
    write_run(tmp_path / "b", config(seed=1, **{key: other}), test=0.8)
    write_run(tmp_path / "c", config(seed=1, **{key: one}), test=0.8)
    assert groups(tmp_path) == {"all runs": (2, 0.85)}
    assert [run.duplicate_of for run in collect([tmp_path]).runs] == ["", "", "b"]


def test_the_trainers_name_does_not_split(tmp_path: Path) -> None:
    one, other = config(seed=0), config(seed=1, trainer__accelerator="cpu")
    other["names"]["trainer"] = "cpu"
    write_run(tmp_path / "a", one, test=0.9)
    write_run(tmp_path / "b", other, test=0.8)
    assert groups(tmp_path) == {"all runs": (2, 0.85)}


IDX = {"data__train_images": "/data/{}/train", "data___target_": "abreast.data.idx"}


def idx(folder: str) -> dict[str, str]:
    return {key: value.format(folder) for key, value in IDX.items()}


def test_other_content_is_other_data_and_its_path_is_not(tmp_path: Path) -> None:
    one, other = {"digest": "1" * 16}, {"digest": "2" * 16}
    repeat(tmp_path / "same", "a", 0.9, data=one, **idx("here"))
    for seed in SEEDS:
        path = write_run(tmp_path / "same" / f"b{seed}", config(seed=seed + 10, **idx("there")), test=0.7)
        record(path, data=one)
    assert groups(tmp_path / "same") == {"all runs": (6, 0.8005)}
    repeat(tmp_path / "other", "c", 0.8, data=other, **idx("here"))
    assert sorted(groups(tmp_path / "other")) == ["all runs"]
    assert groups(tmp_path) == {
        "data.digest=11111111 data.digest=11111111": (6, 0.8005),
        "data.digest=22222222 data.digest=22222222": (3, 0.801),
    }


def test_without_a_digest_the_path_counts(tmp_path: Path) -> None:
    repeat(tmp_path, "a", 0.9, **idx("here"))
    repeat(tmp_path, "b", 0.8, **idx("there"))
    assert sorted(groups(tmp_path).values()) == [(3, 0.801), (3, 0.901)]


def test_runs_without_records_belong_to_their_like(tmp_path: Path) -> None:
    repeat(tmp_path, "a", 0.9, data={"digest": "1" * 16}, **idx("here"))
    write_run(tmp_path / "old", config(seed=7, **idx("here")), test=0.91)  # of an older release
    write_run(tmp_path / "bad", config(seed=8, **idx("here")), status="failed", reason="diverged at step 1")
    (group,) = analyse(collect([tmp_path])).groups
    assert (len(group.values), group.failure_rate) == (4, 0.2)


def test_other_custom_code_is_another_setting(tmp_path: Path) -> None:
    for seed in SEEDS:
        for version, value in (("a", 0.9), ("b", 0.8)):
            path = write_run(tmp_path / f"{version}{seed}", config(seed=seed, model="net"), test=value)
            record(path, sources={"some.net": version * 16})
    assert groups(tmp_path) == {"sources.some.net=aaaaaaaa": (3, 0.9), "sources.some.net=bbbbbbbb": (3, 0.8)}


def test_a_split_seed_that_follows_the_seed_is_no_setting(tmp_path: Path) -> None:
    for seed in SEEDS:
        for loss, value in (("mse", 0.9), ("cross_entropy", 0.8)):
            cfg = config(seed=seed, loss=loss, data__split_seed=seed)
            write_run(tmp_path / f"{loss}{seed}", cfg, test=value)
    assert groups(tmp_path) == {"loss=mse": (3, 0.9), "loss=cross_entropy": (3, 0.8)}
    assert {block_of(run) for run in collect([tmp_path]).runs} == {(seed, seed, None) for seed in SEEDS}


def test_settings_on_one_split_each_are_not_compared(tmp_path: Path) -> None:
    repeat(tmp_path, "a", 0.9, loss="mse", data__split_seed=1)
    repeat(tmp_path, "b", 0.8, data__split_seed=2)
    analysis = analyse(collect([tmp_path]))
    assert [task.label for task in analysis.tasks] == ["data.split_seed=1", "data.split_seed=2"]


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_a_repeat_without_a_test_does_not_hide_the_tested_one(tmp_path: Path, order: str) -> None:
    untested, tested = tuple(order)
    for seed in SEEDS:
        metrics = {"val/accuracy": 0.5, "val/loss": 0.1, "train/loss": 0.1, "train/accuracy": 0.9}
        write_run(tmp_path / untested / str(seed), config(seed=seed, test=False), metrics=metrics)
        write_run(
            tmp_path / tested / str(seed),
            config(seed=seed),
            metrics={"test/accuracy": 0.9, "val/accuracy": 0.5},
        )
    analysis: Analysis = analyse(collect([tmp_path / "a", tmp_path / "b"]))
    assert analysis.metric == "test/accuracy"
    assert [(group.label, len(group.values)) for group in analysis.groups] == [("all runs", 3)]
    duplicates = [run.name for run in analysis.sweep.runs if run.duplicate_of]
    assert duplicates == [f"{untested}/{seed}" for seed in SEEDS]


def test_a_dropped_run_tells_its_last_epoch_and_is_not_ranked(tmp_path: Path) -> None:
    repeat(tmp_path, "a", 0.9)
    reason = "dropped after epoch 2: rank 3 of 3 by val/accuracy"
    write_run(tmp_path / "d", config(seed=0, optim="sgd"), status="dropped", reason=reason, val=0.7, epochs=2)
    analysis = analyse(collect([tmp_path]))
    (run,) = analysis.excluded_runs()
    assert exclusion_reason(run, analysis).endswith(
        "; validation accuracy 0.7000 in its last epoch, not ranked"
    )
    assert [group.summary.n for group in analysis.groups] == [3, 0]
    assert verdict_label(analysis.groups[1]) == "dropped after 2 epochs"
