"""The files beside a run's results that hold its settings, such as Lightning's hparams.yaml."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from abreast.config.identity import Scalar
from abreast.errors import RunError
from abreast.report.readers.foreign_run import flat
from abreast.report.readers.run_names import settings_of_name
from abreast.report.readers.settings import SEEDS, base_name
from abreast.runs.files import HYDRA, OVERRIDES
from abreast.runs.small_file import MOST_YAML_BYTES, parse_json, parse_yaml, read_text
from abreast.runtime.printable import printable

# The first that exists counts: of Lightning, Ray Tune, DVC, Sacred, argparse and Hydra.
SETTINGS = (
    *("hparams.yaml", "params.json", "params.yaml", "hparams.json", "args.json", "args.yaml", "flags.json"),
    *("config.json", "config.yaml", "config.yml"),
)
# Lightning dumps paths, tuples and namespaces as Python's objects: of these only the content is read.
_PYTHON_TAG = re.compile(r"!!python/[\w.:/]+")
_ARCHITECTURE = ("model_type", "architectures", "transformers_version")  # of Hugging Face's config.json
STAGE_WORDS = "test|train|training|val|valid|validation|eval|dev"
STAGE_FOLDER = re.compile(rf"({STAGE_WORDS})", re.IGNORECASE)
# Files of one run, each with a part of its results; others are a run each.
OF_ONE_RUN = re.compile(
    rf"((all|predict|final|{STAGE_WORDS})_)?(results?|metrics|scores|evaluation|history|log)(_({STAGE_WORDS}))?|"
    rf"{STAGE_WORDS}|trainer_state|(wandb-)?summary|run|progress|info",
    re.IGNORECASE,
)
TABLES, JSON = (".csv", ".tsv"), (".json", ".jsonl", ".ndjson")


def read_hparams(folder: Path, remarks: list[str] | None = None) -> dict[str, Scalar] | None:
    """The settings that a folder's files hold; None if there are none.

    Args:
        folder: The folder.
        remarks: Where to put a sentence on each file that could not be read.

    Raises:
        RunError: The file of Lightning's logger is not YAML of plain values.
    """
    for name in SETTINGS:
        path = folder / name
        if not path.is_file():
            continue
        state = path.stat()
        content = _settings_in(path, state.st_mtime_ns, state.st_size)
        if isinstance(content, str) and name == SETTINGS[0]:
            raise RunError(content)
        if isinstance(content, str) and remarks is not None:
            remarks.append(f"Left out, as no settings could be read there: {printable(content)[:300]}.")
        if isinstance(content, dict):
            return dict(content)
        if name == SETTINGS[0]:
            return {}
    return None


@lru_cache(maxsize=16)  # a file above, or beside, the results of thousands of runs
def _settings_in(path: Path, changed: int, size: int) -> dict[str, Scalar] | str | None:
    """The settings in a file that was last changed then; None if it has others, a text if it is damaged."""
    try:
        text = read_text(path, MOST_YAML_BYTES)
        content = parse_json(text, path) if path.suffix == ".json" else parse_yaml(_plain(text), path)
    except RunError as error:
        return str(error)
    if isinstance(content, dict) and not is_architecture(content) and not _is_of_hydra(content):
        return flat(_unwrapped(content))
    return None


def named_settings(
    name: str, folder: Path, base: Path, remarks: list[str] | None = None
) -> dict[str, Scalar]:
    """The settings of a run: of the nearest files beside or above it, and what its name says.

    A name counts where a file of settings is that of several runs, and where both give a setting it is the
    nearer one.

    Args:
        name: Its path below the base.
        folder: The folder of its results.
        base: The folder that was given; what stands above it is not read.
        remarks: Where to put a sentence on each file that could not be read.

    Raises:
        RunError: The file of Lightning's logger is not YAML of plain values.
    """
    for parent in (folder, *folder.parents):
        given = read_hparams(parent, remarks)
        if given is not None:
            is_shared = parent != folder or _holds_several(folder)
            above = len(parent.relative_to(base).parts)
            below = settings_of_name("/".join(Path(name).parts[above:])) if is_shared else {}
            seeded = {**given, **below}
            is_seeded = any(base_name(key) in SEEDS and seeded[key] is not None for key in seeded)
            seeds = {} if is_seeded else {k: v for k, v in settings_of_name(name).items() if k in SEEDS}
            return {**given, **below, **seeds}
        if parent == base or (parent / HYDRA / OVERRIDES).is_file():  # these say more than a file above
            break
    return settings_of_name(name)


def _holds_several(folder: Path) -> bool:
    """Whether a folder holds the results of several runs: more files of one kind than parts of a run."""
    seen: set[tuple[str, ...]] = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.name)
            kind = next((kind for kind in (TABLES, JSON) if {*kind} & {*path.suffixes}), None)
            stem = path.name.partition(".")[0]
            if kind is None or entry.name in SETTINGS or OF_ONE_RUN.fullmatch(stem) or not entry.is_file():
                continue
            if kind in seen:
                return True
            seen.add(kind)
    return False


def _is_of_hydra(content: Mapping[str, Any]) -> bool:
    """Whether a file composes the configuration of an application of Hydra: no run's settings."""
    return isinstance(content.get("defaults"), list)


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
