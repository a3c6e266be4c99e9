"""Which runs have the same settings: the one rule that sweeps, reports, studies and loggers use. No torch.

Two runs have the same settings if every key that can reach their result is equal in type and value. Left out
are the keys of `abreast.config.neutral_keys`, and keys and arguments of ours that have their default. The
seed, the split seed and the fold repeat the same settings. The path of a data file does not count where a
digest of the data does (`data.digest` in result.json).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abreast.config.canonical_text import canonical_text
from abreast.config.neutral_keys import without_neutral
from abreast.config.run_config import PATHS
from abreast.config.run_id import without_defaults

Scalar = str | int | float | bool | None
SPLIT_SEED, FOLD = "data.split_seed", "data.fold"


@dataclass(frozen=True)
class Identity:
    """What of a configuration tells its settings from others; equal texts are equal settings.

    Attributes:
        settings: Everything but the seed, the split and the paths of the data, as canonical JSON.
        data: The same of the data alone.
        paths: The paths of the data, as canonical JSON.
        split_seed: The split seed.
        fold: The fold; None without folds.
        leaves: The settings as flat keys, in their order.
    """

    settings: str
    data: str
    paths: str
    split_seed: int
    fold: int | None
    leaves: Mapping[str, Scalar]


def identity(config: Mapping[str, Any]) -> Identity:
    """The identity of a run's settings, from its resolved configuration."""
    tree = without_defaults(without_neutral(config, execution=False))
    tree.pop("seed", None)
    data = dict(tree["data"]) if isinstance(tree.get("data"), Mapping) else {}
    split_seed, fold = data.pop("split_seed", 0), data.pop("fold", None)
    paths = {name: value for name, value in data.items() if is_data_path(name, value)}
    tree["data"] = {name: value for name, value in data.items() if name not in paths}
    return Identity(
        canonical_text(tree),
        canonical_text(tree["data"]),
        canonical_text(paths),
        split_seed,
        fold,
        leaves({**tree, "data": data}),
    )


def is_data_path(name: str, value: object) -> bool:
    """Whether a key of the data holds the path of a file or a folder, or nothing but such paths."""
    if isinstance(value, (list, Mapping)) and value:
        inner = value.values() if isinstance(value, Mapping) else value
        return all(is_data_path(name, item) for item in inner)
    return isinstance(value, str) and (name in PATHS or Path(value).is_absolute())


def leaves(tree: Mapping[str, Any]) -> dict[str, Scalar]:
    """The leaves of nested plain data by dotted key. Lists of scalars are one leaf: their text.

    >>> leaves({"optim": {"lr": 0.1}, "model": {"hidden": [8, 4]}})
    {'optim.lr': 0.1, 'model.hidden': '[8, 4]'}
    """
    flat: dict[str, Scalar] = {}
    _flatten("", tree, flat)
    return flat


def _flatten(prefix: str, node: object, flat: dict[str, Scalar]) -> None:
    if node is None or isinstance(node, (str, int, float)):  # most are; a Mapping takes longer to tell
        flat[prefix] = node
    elif isinstance(node, Mapping):
        for name, child in node.items():
            _flatten(f"{prefix}.{name}" if prefix else str(name), child, flat)
    elif isinstance(node, list) and any(isinstance(item, (list, Mapping)) for item in node):
        for index, child in enumerate(node):
            _flatten(f"{prefix}.{index}", child, flat)
    else:
        flat[prefix] = str(node)
