"""The overrides of a command line, checked one by one, for the message if they cannot be composed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.errors import HydraException, OverrideParseException
from hydra.initialize import initialize_config_search_path
from omegaconf import DictConfig, OmegaConf

from abreast.config.commands import COMMANDS
from abreast.config.options import MAIN, groups, load
from abreast.config.types import Config
from abreast.static.signatures import Signature, resolve
from abreast.suggestions import did_you_mean, listed
from abreast.validation.components import Component, components, takes, unknown
from abreast.validation.validate import no_such_top_level


def mistakes(texts: Sequence[str], folders: Sequence[Path], *, is_sweep: bool) -> Iterator[str]:
    """A message for each override whose group, option or key does not exist.

    Keys are checked only if every option exists: the options decide which keys there are.
    """
    options = groups(folders)
    if texts and "=" not in texts[0] and did_you_mean(texts[0], COMMANDS):
        yield _unreadable(texts[0], options)  # a mistyped command, which would take what follows
        return
    overrides: list[Override] = []
    messages: list[str] = []
    parser = OverridesParser.create()
    for text in texts:
        try:
            overrides += [override for override in parser.parse_overrides([text]) if override.key_or_group]
        except OverrideParseException:  # noqa: PERF203
            messages.append(_unreadable(text, options))
    chosen = [
        override
        for override in overrides
        if override.key_or_group in options and not isinstance(override.value(), dict)
    ]
    keys = [
        override
        for override in overrides
        if override not in chosen and not override.key_or_group.startswith("hydra")
    ]
    for override in overrides:
        if override.is_sweep_override() and not is_sweep:
            key, _, value = _line(override).partition("=")
            is_choice = override.value_type == ValueType.SIMPLE_CHOICE_SWEEP
            messages.append(
                f"{_line(override)}: is a sweep: add -m" + f"; one list is {key}=[{value}]" * is_choice
            )
    for override in chosen:
        messages += _group(override, folders)
    if messages or not keys:
        yield from messages
        return
    config = _composed(chosen, folders)
    for override in keys if config is not None else ():
        yield from _key(override, cast(DictConfig, config), folders)


def no_such_option(group: str, option: str, options: Sequence[str]) -> str:
    """The message for an option that a group does not have."""
    near = did_you_mean(option, options, f"{group}={{}}")
    if group == "data" and ("/" in option or "." in option):
        near = f". For a file of yours: {_read_by(option)}; docs/data.md has more"
    return f"{group}={option}: no such option. {group} takes: {listed(options)}{near}"


def _is_new(override: Override) -> bool:
    """Whether it adds a key: `+key=value`, or `++key=value`."""
    return bool(override.is_add() or override.is_force_add())


def _read_by(path: str) -> str:
    """The overrides that read a file or a folder of the user's."""
    suffix = Path(path).suffix
    if suffix == ".npz":
        return f"data=npz data.file={path}"
    return f"data=table data.file={path} data.target=COLUMN" if suffix else f"data=images data.dir={path}"


def _line(override: Override) -> str:
    return str(override.input_line)


def _unreadable(text: str, options: dict[str, list[str]]) -> str:
    key, equals, value = text.partition("=")
    if not equals:
        near = did_you_mean(text, [*COMMANDS, *(f"{group}=..." for group in options)])
        return f"{text}: is neither key=value nor a command ({listed(COMMANDS)}){near}"
    pairs = ("[]", "{}", "()")
    if not re.fullmatch(r"[+~]*[\w/@:-]+(\.[\w@:-]+|\[\w+\])*", key):
        reason = f"{key!r} is not a key such as optim.lr"
    elif any(value.count(pair[0]) != value.count(pair[1]) for pair in pairs) or value.count("'") % 2:
        reason = "a bracket or a quote is not closed"
    else:
        reason = f"put a value with special characters in quotes: '{key}=\"...\"'"
    return f"{text}: cannot be read: {reason}"


def _swept(override: Override) -> list[str]:
    """The values of a sweep; none for an interval or a pattern."""
    try:
        return list(override.sweep_string_iterator()) if override.is_discrete_sweep() else []
    except HydraException:
        return []


def _group(override: Override, folders: Sequence[Path]) -> Iterator[str]:
    """Mistakes in the choice of an option."""
    group, line, options = override.key_or_group, _line(override), groups(folders)
    if override.is_delete():
        return
    values = _swept(override) if override.is_sweep_override() else [override.value()]
    for name in [name for value in values for name in (value if isinstance(value, list) else [value])]:
        option = "null" if name is None else str(name)
        if option not in options[group]:
            yield no_such_option(group, option, options[group])
    main = [
        str(next(iter(entry)))
        for entry in load(folders[-1] / f"{MAIN}.yaml")["defaults"]
        if isinstance(entry, dict)
    ]
    if _is_new(override) and group in main and override.package is None:
        yield f"{line}: {group} has an option already; write {line.lstrip('+')}"
    if not _is_new(override) and group not in main and "/" not in group:
        yield f"{line}: {group} is not a part of every run; write +{line}"


def _composed(overrides: Sequence[Override], folders: Sequence[Path]) -> DictConfig | None:
    """The configuration that the chosen options give, each sweep at its first value."""
    lines = []
    for override in overrides:
        if not override.is_sweep_override():
            lines.append(_line(override))
        lines += [f"{override.get_key_element()}={value}" for value in _swept(override)[:1]]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_search_path([f"file://{folder}" for folder in folders]):
            return compose(MAIN, lines, return_hydra_config=True)
    except Exception:  # another mistake: Hydra has its message
        return None


def _key(override: Override, config: DictConfig, folders: Sequence[Path]) -> Iterator[str]:
    """Mistakes in a dotted key."""
    parts = re.sub(r"\[(\w+)\]", r".\1", override.key_or_group).split(".")
    node: Any = config
    for at, name in enumerate(parts):
        above = ".".join(parts[:at])
        if isinstance(node, list):
            if not name.isdigit() or int(name) >= len(node):
                yield f"{above}.{name}: {above} has {len(node)} entries, counted from 0"
            return
        if not isinstance(node, DictConfig):
            yield f"{_line(override)}: {above} holds one value, not keys"
            return
        if name not in node.keys():  # `in` alone misses keys that must be given  # noqa: SIM118
            if above:
                yield from _missing(override, above, name, config, node)
            elif not _is_new(override) or at == len(parts) - 1:
                yield no_such_top_level(name, folders)
            return
        node = _below(node, name)
    value = override.value()
    if isinstance(node, DictConfig) and isinstance(value, dict) and not _is_new(override):
        for name in value:
            if name not in node.keys():  # noqa: SIM118
                yield from _missing(override, ".".join(parts), str(name), config, node)
    if override.is_add() and node is not None and not isinstance(node, DictConfig):
        yield f"{_line(override)}: the key exists; write {_line(override).lstrip('+')}"


def _below(node: DictConfig, name: str) -> Any:
    """A key's value, interpolations as they are written."""
    inner = OmegaConf.to_container(node, resolve=False)
    assert isinstance(inner, dict)
    return node[name] if isinstance(inner[name], dict) else inner[name]


def _missing(
    override: Override, above: str, name: str, config: DictConfig, node: DictConfig
) -> Iterator[str]:
    """A key that the file of its parent does not list; the target may take it nevertheless."""
    choices = dict(config.hydra.runtime.choices)
    plain = cast("Config", OmegaConf.to_container(config, resolve=False))
    for component in components(plain, choices):
        if isinstance(component, Component) and component.key == above:
            signature = _signature(component)
            if signature is None:
                break
            if name not in takes(component, signature) and not signature.is_open:
                yield unknown(component, signature, name)
            elif not _is_new(override):
                where = f"{above}.{name}: not among {above}'s keys"
                yield f"{where}, but {component.target} takes it; write +{_line(override)}"
            return
    if not _is_new(override):
        keys = [str(key) for key in node if key != "_target_"]
        near = did_you_mean(name, keys, f"{above}.{{}}")
        yield f"{above}.{name}: no such key. {above} has: {listed(keys) or 'none'}{near}"


def _signature(component: Component) -> Signature | None:
    try:
        return resolve(component.target)
    except (LookupError, TypeError):
        return None
