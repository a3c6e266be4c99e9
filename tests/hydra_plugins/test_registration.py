"""A plugin's configuration can be registered again, as in a worker of joblib, which has the store already."""

from __future__ import annotations

import copy
import runpy
from pathlib import Path
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from support.helpers import ROOT

CONFIGS = sorted((ROOT / "src" / "hydra_plugins").glob("*/config.py"))


def test_every_plugin_is_tried() -> None:
    assert len(CONFIGS) >= 4


@pytest.mark.parametrize("path", CONFIGS, ids=[path.parent.name for path in CONFIGS])
def test_a_configuration_is_registered_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Plugins.instance()
    store = ConfigStore.instance()
    monkeypatch.setattr(store, "repo", copy.deepcopy(store.repo))
    before = copy.deepcopy(store.repo)
    runpy.run_path(str(path), run_name=path.parent.name)  # warnings are errors
    assert _contents(store.repo) == _contents(before)


def _contents(repo: dict[str, Any]) -> dict[str, Any]:
    return {name: _contents(node) if isinstance(node, dict) else node.node for name, node in repo.items()}
