"""The files beside a run's results that hold its settings, such as Lightning's hparams.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from abreast.config.identity import Scalar
from abreast.report.readers.foreign_run import flat
from abreast.report.readers.run_names import settings_of_name
from abreast.report.readers.settings import SEEDS, base_name
from abreast.runs.small_file import MOST_YAML_BYTES, parse_json, parse_yaml, read_text

# The first that exists counts: of Lightning, Ray Tune, DVC, Sacred, argparse and Hydra.
SETTINGS = (
    *("hparams.yaml", "params.json", "params.yaml", "hparams.json", "args.json", "args.yaml", "flags.json"),
    *("config.json", "config.yaml", "config.yml"),
)
# Lightning dumps paths, tuples and namespaces as Python's objects: of these only the content is read.
_PYTHON_TAG = re.compile(r"!!python/[\w.:/]+")
_ARCHITECTURE = ("model_type", "architectures", "transformers_version")  # of Hugging Face's config.json


def read_hparams(folder: Path) -> dict[str, Scalar] | None:
    """The settings that a folder's files hold; None if there are none.

    Raises:
        RunError: A file is not YAML or JSON of plain values.
    """
    for name in SETTINGS:
        path = folder / name
        if not path.exists():
            continue
        text = read_text(path, MOST_YAML_BYTES)
        content = parse_json(text, path) if name.endswith("json") else parse_yaml(_plain(text), path)
        if isinstance(content, dict) and not is_architecture(content):
            return flat(_unwrapped(content))
        if name == SETTINGS[0]:
            return {}
    return None


def named_settings(name: str, folder: Path, base: Path) -> dict[str, Scalar]:
    """The settings of a run: of the nearest files beside or above it, and what its name says below these.

    Args:
        name: Its path below the base.
        folder: The folder of its results.
        base: The folder that was given; what stands above it is not read.

    Raises:
        RunError: A file is not YAML or JSON of plain values.
    """
    for parent in (folder, *folder.parents):
        given = read_hparams(parent)
        if given is not None:
            above = len(parent.relative_to(base).parts)
            below = settings_of_name("/".join(Path(name).parts[above:])) if parent != folder else {}
            is_seeded = any(base_name(key) in SEEDS for key in given)
            seeds = {} if is_seeded else {k: v for k, v in settings_of_name(name).items() if k in SEEDS}
            return {**seeds, **below, **given}
        if parent == base:
            break
    return settings_of_name(name)


def is_architecture(content: Mapping[str, Any]) -> bool:
    """Whether a file describes a network of Hugging Face, and no training."""
    return any(key in content for key in _ARCHITECTURE)


def _plain(text: str) -> str:
    return _PYTHON_TAG.sub("", text)


def _unwrapped(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """W&B's config.yaml has `{desc: ..., value: ...}` for each key."""
    parts = [value for key, value in content.items() if key not in ("wandb_version", "_wandb")]
    if parts and all(isinstance(part, Mapping) and "value" in part for part in parts):
        return {k: v["value"] for k, v in content.items() if isinstance(v, Mapping) and k != "_wandb"}
    return content
