"""The YAML of Hydra's files is OmegaConf's, whatever the values are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from hydra_plugins.abreast_launcher._hydra_files import HydraFiles

VALUES: list[Any] = [
    *(None, True, 0, -1, 1e-3, 1e20, float("nan"), float("inf")),
    *("", "plain", "yes", "on", "1", "1e3", "1_000", "0x1f", "null", "~", "2001-01-01", "???", "=", "<<"),
    *(
        "${oc.env:HOME}",
        "a: b",
        "- a",
        "#",
        "a #b",
        "'",
        '"',
        "\\",
        "a\nb",
        "a\tb",
        " lead",
        "trail ",
        "ü 🎉",
    ),
    "many words " * 12,
    "x" * 300,
    "\x07bell",
    [],
    {},
    [1, 2.5, None],
    ["a", "b c", "many words " * 12],
    [["nested"], {"in": "list"}],
    {"deep": {"deeper": {"deepest": ["many words " * 12, 3]}}},
    {"k" * 130: "long key", "no": 1, "1": 2, "a b": "c"},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_text(value: Any, tmp_path: Path) -> None:
    files = HydraFiles()
    for _ in range(2):  # made, then remembered
        task = {"value": value, "group": {"value": value, "other": 1}, "list": [value]}
        hydra = {"runtime": {"value": value}, "job": {"inner": {"value": value}}}
        overrides = [str(value), "seed=1"]
        files.write(tmp_path, task, hydra, overrides)
        contents: dict[str, Any] = {"config": task, "hydra": {"hydra": hydra}, "overrides": overrides}
        for name, content in contents.items():
            text = (tmp_path / f"{name}.yaml").read_text(encoding="utf-8")
            assert text == OmegaConf.to_yaml(content), name
