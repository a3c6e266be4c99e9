"""A run's id: what changes it, and what a later release may add without changing it."""

from __future__ import annotations

import ast
import copy
from pathlib import Path
from typing import Any

import pytest

from abreast.config import run_id as module
from abreast.config.run_id import run_id
from abreast.static import signatures
from abreast.static.signatures import Parameter, Signature
from support.helpers import compose

CHANGES: list[tuple[str, Any]] = [
    ("seed", 1),
    ("monitor", "val/loss"),
    ("checkpoint", "last"),
    ("test", False),
    ("matmul_precision", "bf16"),
    ("compile", True),
    ("data.batch_size", 64),
    ("data.eval_batch_size", 100),
    ("data.val_fraction", 0.2),
    ("data.split_seed", 1),
    ("data.folds", 5),
    ("data.fold", 1),
    ("data.label_noise", 0.1),
    ("data.normalize", False),
    ("data.shuffle", False),
    ("data.test_fraction", 0.25),
    ("model.hidden", [256, 256]),
    ("model.dropout", 0.5),
    ("model.norm", "batch"),
    ("loss.scores", "log_probs"),
    ("loss.criterion.label_smoothing", 0.1),
    ("optim.lr", 0.1),
    ("schedule.interval", "step"),
    ("trainer.max_epochs", 11),
]


def _set(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    *path, name = key.split(".")
    node = changed
    for part in path:
        node = node[part]
    node[name] = value
    return changed


@pytest.mark.parametrize(("key", "value"), CHANGES)
def test_a_changed_value_changes_the_id(key: str, value: Any) -> None:
    config = compose()
    assert run_id(_set(config, key, value)) != run_id(config)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("seed", [True, 1, 1.0, "1"]),  # none of them the default
        ("data.label_noise", [0.0, 0, False, "0.0"]),  # the first is the default
        ("model.hidden", [[256], [256.0], "[256]"]),
        ("optim.weight_decay", [0.0, 0, False, None]),  # of torch: no default is left out
    ],
)
def test_values_of_different_types_differ(key: str, values: list[Any]) -> None:
    ids = [run_id(_set(compose(), key, value)) for value in values]
    assert len(set(ids)) == len(values)


@pytest.mark.parametrize("key", ["compile", "data.shuffle", "data.split_seed", "model.bias", "loss.scores"])
def test_a_run_from_before_a_key_was_added_keeps_its_id(key: str) -> None:
    older = compose()
    *path, name = key.split(".")
    node = older
    for part in path:
        node = node[part]
    del node[name]
    assert run_id(older) == run_id(compose())


def test_a_new_argument_of_a_component_keeps_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    before = run_id(compose())
    resolve = signatures.resolve

    def later(target: str) -> Signature | None:
        signature = resolve(target)
        if target != "abreast.models.MLP" or signature is None:
            return signature
        some = next(iter(signature.parameters.values()))
        new = Parameter("skip", some.kind, None, ast.parse("(1, 2)", mode="eval").body, some.module)
        return Signature({**signature.parameters, "skip": new})

    monkeypatch.setattr(module, "resolve", later)
    module._arguments.cache_clear()
    try:
        assert run_id(compose()) == before
        assert run_id(_set(compose(), "model.skip", [1, 2])) == before
        assert run_id(_set(compose(), "model.skip", [1, 3])) != before
    finally:
        module._arguments.cache_clear()


def test_the_order_of_keys_does_not_count() -> None:
    config = compose()
    backwards = dict(reversed(list(config.items())))
    assert run_id(backwards) == run_id(config)


@pytest.mark.parametrize("is_changed", [True, False])
def test_the_source_of_a_custom_class_counts(
    is_changed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"identified_{is_changed}".lower()
    file = tmp_path / f"{name}.py"
    file.write_text("class Net:\n    width = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    config = _set(compose(), "model", {"_target_": f"{name}.Net"})
    before = run_id(config)
    if is_changed:
        file.write_text("class Net:\n    width = 4\n")
    assert (run_id(config) != before) == is_changed
