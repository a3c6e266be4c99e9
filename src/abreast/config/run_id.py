"""A run's identity: its configuration, without what cannot change its result. No torch."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from abreast.config.canonical_text import canonical_text, text_of_mapping
from abreast.config.code_digest import code_digest
from abreast.config.file_arguments import file_digests
from abreast.config.neutral_keys import without_neutral
from abreast.config.schema import LoaderKeys, RunKeys, ScheduleKeys, defaults
from abreast.config.targets import targets
from abreast.config.types import Config
from abreast.static.signatures import resolve

ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")  # kinds of devices that Lightning knows
_SCHEMAS: dict[str, type] = {"": RunKeys, "data": LoaderKeys, "schedule": ScheduleKeys}


def run_id(config: Mapping[str, Any]) -> str:
    """Ten hexadecimal digits for a resolved configuration; runs that must have the same result share them.

    Keys that cannot change a result do not count. Neither do our own keys, and the arguments of our own
    components, that have their default: one that a later release adds leaves the ids of older runs as they
    were. Values of different types differ: `true`, `1` and `1.0` are three values. The source of custom
    classes and functions counts, with that of the user's modules that they import, and so do files that their
    arguments name.
    """
    return _digest(_identified(config))


def run_ids(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The id of a run, then the ids it would have if another kind of device had been asked for.

    The device does not make it another run (see `abreast.config.identity`), but ids keep it, so that the
    sweeps of earlier releases are found.
    """
    kept = _identified(config)
    trainer = kept.get("trainer")
    if not isinstance(trainer, Mapping) or "accelerator" not in trainer:
        return (_digest(kept),)
    texts = {name: canonical_text(value) for name, value in kept.items()}
    ids = {}
    for device in (trainer["accelerator"], *ACCELERATORS):
        texts["trainer"] = canonical_text({**trainer, "accelerator": device})
        ids[_digest_of(text_of_mapping(texts))] = device
    return tuple(ids)


def _identified(config: Mapping[str, Any]) -> Config:
    kept = without_defaults(without_neutral(config))
    kept["sources"] = _sources(kept)
    return kept


def _sources(kept: Config) -> dict[str, str]:
    """A digest of the code of each `_target_`, "" for none, and of the files that arguments name."""
    return {target: code_digest(target) for target in sorted(set(targets(kept)))} | file_digests(kept)


def _digest(kept: Config) -> str:
    return _digest_of(canonical_text(kept))


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def custom_sources(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the code of custom classes and functions, by `_target_`, and of files their arguments name.

    They are of the files as they are now.
    """
    return {name: digest for name, digest in _sources(without_neutral(config)).items() if digest}


def without_defaults(node: Mapping[str, Any], key: str = "") -> Config:
    """The configuration, or its part at `key`, without our own keys and arguments that have their default."""
    known = dict(_texts(_SCHEMAS[key])) if key in _SCHEMAS else {}
    if not key:
        known["metrics"] = canonical_text({})
    target = node.get("_target_")
    if isinstance(target, str) and target.startswith("abreast."):
        known |= _arguments(target)
    kept: Config = {}
    for name, value in node.items():
        if name in known and known[name] == canonical_text(value):
            continue
        if isinstance(value, Mapping):
            value = without_defaults(value, f"{key}.{name}" if key else str(name))
        kept[name] = value
    return kept


@cache
def _texts(schema: type) -> Mapping[str, str]:
    return {name: canonical_text(value) for name, value in defaults(schema).items()}


@cache
def _arguments(target: str) -> Mapping[str, str]:
    """The default of each argument of one of our components, as text."""
    try:
        signature = resolve(target)
    except (LookupError, TypeError):
        return {}
    texts = {}
    for name, parameter in signature.parameters.items() if signature is not None else ():
        if parameter.default is not None:
            try:
                texts[name] = canonical_text(ast.literal_eval(parameter.default))
            except ValueError:  # not a literal
                continue
    return texts
