"""The configuration directories: groups, their options, and the keys of the main file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from omegaconf import OmegaConf

from abreast.config.schema import RunKeys, defaults
from abreast.config.types import Config

PACKAGE = Path(__file__).parents[1]
MAIN = "train"


@cache
def conf_dir() -> Path:
    """`conf/` of the checkout this file belongs to, or the copy inside an installed package."""
    checkout = PACKAGE.parent.parent
    return checkout / "conf" if (checkout / "pyproject.toml").is_file() else PACKAGE / "conf"


def groups(folders: Sequence[Path]) -> dict[str, list[str]]:
    """Every group with its options, sorted; nested groups as `outer/inner`. Hydra's groups are left out."""
    options: dict[str, set[str]] = {}
    for folder in folders:
        for path in folder.glob("*/**/*.yaml"):
            options.setdefault(path.parent.relative_to(folder).as_posix(), set()).add(path.stem)
    return {group: sorted(options[group]) for group in sorted(options) if group.split("/")[0] != "hydra"}


def top_level(folders: Sequence[Path]) -> Config:
    """The keys of a run's configuration with their defaults; {} for a group.

    Groups whose files write to the top level themselves (`# @package _global_`) have no key.
    """
    return dict(_top_level(tuple(folders)))


@cache
def _top_level(folders: tuple[Path, ...]) -> Config:
    main = load(conf_dir() / f"{MAIN}.yaml")
    keys: Config = {}
    for entry in main.pop("defaults"):
        if isinstance(entry, Mapping):
            group = next(iter(entry)).split()[-1].strip("/")
            if group.split("/")[0] != "hydra" and not _is_global(group, folders):
                keys[group] = {}
    return {**keys, **defaults(RunKeys), **main}


def option(group: str, name: str, folders: Sequence[Path]) -> Config:
    """The keys of an option's file, over those of the options that it builds upon; {} for a missing file."""
    for folder in folders:
        path = folder / group / f"{name}.yaml"
        if path.is_file():
            keys = load(path)
            inherited: Config = {}
            for entry in keys.pop("defaults", ()):
                if isinstance(entry, str) and entry != "_self_":
                    inherited |= option(group, entry, folders)
            return inherited | keys
    return {}


def load(path: Path) -> Config:
    """A YAML file's keys, interpolations unresolved."""
    content = OmegaConf.to_container(OmegaConf.load(path))
    return {str(key): value for key, value in content.items()} if isinstance(content, dict) else {}


def _is_global(group: str, folders: Sequence[Path]) -> bool:
    files = (path for folder in folders for path in sorted((folder / group).glob("*.yaml")))
    return any("@package _global_" in path.read_text(encoding="utf-8", errors="replace") for path in files)
