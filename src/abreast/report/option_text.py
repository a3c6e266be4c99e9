"""What an option is, such as `loss=hinge`: its file's comment, its keys and its source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from abreast.config.identity import Scalar, leaves
from abreast.config.options import groups, option
from abreast.errors import ConfigError
from abreast.suggestions import did_you_mean, listed

SENTENCE = re.compile(r".+?(?<! al)\.(?= [A-Z]|$)")


@dataclass(frozen=True)
class OptionText:
    """An option of a group.

    Attributes:
        group: The group, such as `loss`.
        name: The option's name.
        comment: The lines of its file's head comment.
        keys: What can be set, with its default, by dotted key: `loss.criterion.margin`.
        builds: The classes that it builds.
        file: The file.
    """

    group: str
    name: str
    comment: tuple[str, ...]
    keys: dict[str, Scalar]
    builds: tuple[str, ...]
    file: Path

    @property
    def first_sentence(self) -> str:
        """The comment's first sentence."""
        return first_sentence(self.comment)


def option_text(group: str, name: str, folders: Sequence[Path]) -> OptionText:
    """Read an option's file.

    Args:
        group: The group.
        name: The option.
        folders: The configuration directories, the user's first.

    Raises:
        ConfigError: If there is none; it names what there is.
    """
    options = options_of(group, folders)
    if name not in options:
        near = did_you_mean(name, options, f"{group}={{}}")
        raise ConfigError(f"{group}={name}: no such option. {group} takes: {listed(options)}{near}")
    file = next(path for folder in folders if (path := folder / group / f"{name}.yaml").is_file())
    flat = leaves(option(group, name, folders))
    is_global = "@package _global_" in file.read_text(encoding="utf-8", errors="replace")
    prefix = "" if is_global else f"{group}."
    builds = [str(value) for key, value in flat.items() if key.rpartition(".")[2] == "_target_"]
    keys = {
        f"{prefix}{key}": value for key, value in flat.items() if not key.rpartition(".")[2].startswith("_")
    }
    return OptionText(group, name, comment_of(file), keys, tuple(dict.fromkeys(builds)), file)


def options_of(group: str, folders: Sequence[Path]) -> list[str]:
    """The options of a group, sorted.

    Raises:
        ConfigError: If the group does not exist.
    """
    known = groups(folders)
    if group not in known:
        raise ConfigError(
            f"{group}: no such group. Groups: {listed(sorted(known))}{did_you_mean(group, known)}"
        )
    return known[group]


def comment_of(file: Path) -> tuple[str, ...]:
    """The lines of a YAML file's head comment, indented as there, without Hydra's directives."""
    lines = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        if not line.startswith("#"):
            break
        text = line.lstrip("#").removeprefix(" ").rstrip()
        if not text.startswith("@package"):
            lines.append(text)
    return tuple(lines)


def first_sentence(comment: Iterable[str]) -> str:
    """The first sentence of a comment's lines, of which the indented ones are commands.

    >>> first_sentence(["Hinge of Weston et al. 1999,", "by torch. And more.", "  train.py loss=hinge"])
    'Hinge of Weston et al. 1999, by torch.'
    """
    text = " ".join(line for line in comment if not line.startswith(" "))
    sentence = SENTENCE.match(text)
    return sentence.group() if sentence else text
