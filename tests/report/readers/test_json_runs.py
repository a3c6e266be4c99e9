"""Runs that tools store as JSON, in the layouts that they write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from abreast.report.readers.foreign_sweep import collect_foreign
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
