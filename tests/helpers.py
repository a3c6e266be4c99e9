"""Composing a configuration as the command line does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"


def compose(*overrides: str) -> dict[str, Any]:
    """The configuration that the command line would give, as plain data."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(CONF)):
        cfg = hydra_compose("train", overrides=list(overrides))
    plain = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    return plain  # type: ignore[return-value]


def options(group: str) -> list[str]:
    """The names of a group's options."""
    found = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    assert found, f"no options in conf/{group}"
    return found
