"""Run directories made up for tests of the report: what training would have left, without training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from abreast.runtime.directory_lock import use

OPTIMIZERS = ("sgd", "adam", "rmsprop", "momentum", "adagrad")
LOSSES = ("cross_entropy", "mse", "hinge", "focal")
CLASSES = ("0", "1", "2")


def config(**changes: Any) -> dict[str, Any]:
    """A whole configuration; keys with a dot in them are set below, groups by name."""
    found: dict[str, Any] = {
        "seed": 0,
        "monitor": None,
        "checkpoint": "best",
        "data": {
            "_target_": "abreast.data.digits",
            "task": "classification",
            "batch_size": 32,
            "val_fraction": 0.1,
            "split_seed": 0,
        },
        "model": {"_target_": "abreast.models.MLP", "hidden": [256], "dropout": 0.0},
        "loss": {
            "_target_": "abreast.losses.Loss",
            "criterion": {"_target_": "torch.nn.CrossEntropyLoss"},
            "scores": "logits",
            "targets": "index",
        },
        "optim": {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.001},
        "schedule": {"scheduler": None, "interval": "epoch"},
        "trainer": {"_target_": "lightning.pytorch.Trainer", "max_epochs": 3, "accelerator": "auto"},
        "logger": {},
        "callbacks": {},
        "names": {
            "data": "digits",
            "model": "mlp",
            "loss": "cross_entropy",
            "optim": "adam",
            "schedule": "constant",
            "trainer": "default",
        },
    }
    for key, value in changes.items():
        group, _, rest = key.partition("__")
        if not rest:
            if group in found["names"]:
                if found["names"][group] != value:
                    _class_of(found, group)["_target_"] = f"some.{value}"
                found["names"][group] = value
            else:
                found[group] = value
        else:
            found[group][rest] = value
    return found


def _class_of(config: dict[str, Any], group: str) -> dict[str, Any]:
    """The node that says which class a group builds."""
    node: dict[str, Any] = config[group]
    if group == "schedule" and node["scheduler"] is None:
        node["scheduler"] = {}
    inner: dict[str, Any] = (
        node[{"loss": "criterion", "schedule": "scheduler"}[group]] if group in ("loss", "schedule") else node
    )
    return inner


def write_run(
    path: Path,
    cfg: Mapping[str, Any],
    *,
    test: float | None = 0.9,
    val: float | None = 0.9,
    status: str = "finished",
    reason: str | None = None,
    epochs: int = 3,
    metrics: Mapping[str, float] | None = None,
    classes: tuple[str, ...] = CLASSES,
) -> Path:
    """A run's directory; metrics are given, or made of the test and the validation accuracy."""
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump(dict(cfg), sort_keys=False, allow_unicode=True))
    state: dict[str, Any] = {"status": status}
    if reason is not None:
        state["reason"] = reason
    (path / "status.json").write_text(json.dumps(state))
    if status == "running":
        use(path)  # as who trains it does; until the test process ends
    if epochs:
        level = 0.9 if val is None else val
        rows = ["epoch,step,seconds,lr,grad_norm,train/loss,train/accuracy,val/loss,val/accuracy"]
        for epoch in range(1, epochs + 1):
            accuracy = level - 0.3 * (epochs - epoch) / epochs
            losses = f"{1 / epoch:.4f},{accuracy:.6f},0.5,{accuracy:.6f}"
            rows.append(f"{epoch},{10 * epoch},{0.5 * epoch},0.1,1.0,{losses}")
        (path / "metrics.csv").write_text("\n".join(rows) + "\n")
    if status == "finished":
        made = {"train/loss": 0.1, "val/loss": 0.2, "test/loss": 0.3}
        if val is not None:
            made["val/accuracy"] = val
        if test is not None:
            made["test/accuracy"] = test
        size = len(classes)
        result = {
            "status": "finished",
            "seed": cfg.get("seed"),
            "task": "classification",
            "metrics": dict(metrics) if metrics is not None else made,
            "seconds": 1.5,
            "epoch": epochs,
            "step": 10 * epochs,
            "parameters": 10,
            "examples": {"train": 50_000, "val": 10_000, "test": 10_000},
            "classes": list(classes),
            "confusion": [[9 if i == j else i % 2 for j in range(size)] for i in range(size)],
            "versions": {"abreast": "0.1.0", "python": "3.11.7", "torch": "2.14.1"},
        }
        (path / "result.json").write_text(json.dumps(result))
    hydra = path / ".hydra"
    hydra.mkdir()
    names = cfg.get("names", {})
    overrides = [f"loss={names.get('loss')}", f"optim={names.get('optim')}", f"seed={cfg.get('seed')}"]
    (hydra / "overrides.yaml").write_text(yaml.safe_dump(overrides))
    return path


def write_sweep(folder: Path, *, runs: int, epochs: int = 5, seeds: int = 10) -> Path:
    """Many runs: losses by optimizers by as many learning rates as it takes; a few diverge."""
    rng = np.random.default_rng(0)
    for number in range(runs):
        group, seed = divmod(number, seeds)
        loss = LOSSES[group % len(LOSSES)]
        optim = OPTIMIZERS[group // len(LOSSES) % len(OPTIMIZERS)]
        rate = float(f"{10 ** -(group // (len(LOSSES) * len(OPTIMIZERS)) * 0.05):.4g}")
        failed = rng.random() < 0.02
        level = 0.95 - 0.01 * (group % 4) + rng.normal(0, 0.01)
        write_run(
            folder / str(number),
            config(seed=seed, loss=loss, optim=optim, optim__lr=rate, optim___target_=f"torch.optim.{optim}"),
            test=round(level, 7),
            val=round(level + rng.normal(0, 0.005), 7),
            status="failed" if failed else "finished",
            reason="diverged at step 7" if failed else None,
            epochs=epochs,
            classes=tuple("0123456789"),
        )
    return folder
