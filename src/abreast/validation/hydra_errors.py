"""The message for what Hydra could not compose or build: what was wrong, what is allowed."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from hydra.conf import HydraConf
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, InstantiationException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError, safe_load

from abreast.config.options import MAIN, groups
from abreast.suggestions import did_you_mean, listed, nearest
from abreast.validation.override_errors import mistakes, no_such_option
from abreast.validation.packages import missing_plugin
from abreast.validation.validate import interpolation


def is_mistake(error: BaseException, task: Callable[..., Any]) -> bool:
    """Whether an error comes from the input: raised while Hydra composes, or refuses to build a target."""
    if isinstance(error, InstantiationException):
        return not isinstance(error.__cause__, Exception) or isinstance(
            error.__cause__, ImportError | ValueError
        )
    modules = list(_modules(error.__traceback__, task))
    if isinstance(error, BrokenPipeError) or task.__name__ in modules:
        return False
    if isinstance(error, HydraException | OmegaConfBaseException | MarkedYAMLError):
        return True
    # Hydra raises some of Python's exceptions; those of a plugin are errors in its code.
    raised = [name for name in modules if name not in sys.stdlib_module_names]
    return isinstance(error, ValueError | TypeError | OSError) and raised[-1:] in (["hydra"], ["omegaconf"])


def _modules(trace: TracebackType | None, task: Callable[..., Any]) -> Iterator[str]:
    """The package of each frame, or the task's name where it was reached."""
    while trace is not None:
        frame = trace.tb_frame
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        yield task.__name__ if frame.f_code is task.__code__ else package
        trace = trace.tb_next


def explain(
    error: BaseException, overrides: Sequence[str], folders: Sequence[Path], *, is_sweep: bool = False
) -> str:
    """The message for an error that `is_mistake`, given the overrides and configuration directories."""
    if not isinstance(error, InstantiationException | MarkedYAMLError | UnicodeError):
        messages = list(mistakes(overrides, folders, is_sweep=is_sweep))
        if messages:
            return "\n".join(dict.fromkeys(messages))
    files = list(_chosen(overrides, folders))
    if isinstance(error, MissingConfigException) and error.missing_cfg_file is not None:
        return _missing_file(str(error.missing_cfg_file), error.options or (), files, folders)
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{mark.name}, line {mark.line + 1}: {error.problem}"
    if isinstance(error, UnicodeError):
        return f"{listed(map(str, files))}: is not UTF-8 text"
    if isinstance(error, OmegaConfBaseException) and error.full_key:
        return interpolation(error)
    if isinstance(error, OmegaConfBaseException):
        return f"{interpolation(error)} (in {listed(map(str, files)) or MAIN})"
    known = groups(folders)
    return _not_overridden(str(error), known) or _chosen_twice(str(error)) or _shortened(error)


# Hydra's warning about a directory of `hydra.searchpath` that is not there.
UNAVAILABLE = r"provider=.* is not available"


def explain_search_path(warning: UserWarning) -> str:
    """The message for a directory or package of `hydra.searchpath` that is not there."""
    match = re.search(r"path=(.*) is not available", str(warning))
    path = str(warning) if match is None else match[1]
    return (
        f"hydra.searchpath: {path}: there is no such directory or package; write file:///DIR or pkg://PACKAGE"
    )


def _chosen(overrides: Sequence[str], folders: Sequence[Path]) -> Iterator[Path]:
    """The files of the options that the command line chooses."""
    for override in overrides:
        group, equals, option = override.lstrip("+").partition("=")
        for folder in folders:
            path = folder / group / f"{option}.yaml"
            if equals and path.is_file():
                yield path


def _missing_file(
    missing: str, options: Sequence[str], files: Sequence[Path], folders: Sequence[Path]
) -> str:
    """An option that another file names, or a file that the flags name."""
    group, _, option = missing.rpartition("/")
    options = options or groups(folders).get(group, [])
    if not options:
        return f"{missing}: there is no such file in {listed(map(str, folders))}"
    naming = [path for path in files if option in _options_of_defaults(path)]
    plugin = missing_plugin(f"{group}={option}")
    if plugin is not None and not naming:
        return plugin
    where = f"In {naming[0].parent.name}/{naming[0].name}: " if naming else ""
    return where + no_such_option(group, option, options)


def _options_of_defaults(path: Path) -> set[str]:
    """The options that a file's list of defaults names, without their groups."""
    try:
        content = safe_load(path.read_text(encoding="utf-8"))
    except (YAMLError, OSError, UnicodeError):
        return set()
    names: list[object] = []
    for entry in (content.get("defaults") if isinstance(content, dict) else None) or ():
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            names += value if isinstance(value, list) else [value]
    return {str(name).rpartition("/")[2].removesuffix(".yaml") for name in names}


def _not_overridden(text: str, known: Iterable[str]) -> str | None:
    """The message for a file's `override` of a group that does not exist or is named relatively."""
    match = re.match(r"In '(.+?)': Invalid Defaults List override '(.+?): (.+?)'", text)
    if match is None:
        return None
    file, group, option = match.groups()
    where = f"In {file}.yaml: override {group}"
    if group.startswith("/") and group[1:] in known:
        package = f"{file.rpartition('/')[0].replace('/', '.')}.{group[1:]}"
        if f"@{package}' exists" not in text:
            return None
        return f"{where}: is sought in {package}; the file's first line must be `# @package _global_`"
    if group in known:
        return f"{where}: groups are named from the top; write override /{group}: {option}"
    near = did_you_mean(group.lstrip("/"), known, "/{}")
    return f"{where}: no such group. Groups: {listed(known)}{near}"


def _chosen_twice(text: str) -> str | None:
    """The message for a file that chooses an option of a group that has one already."""
    pattern = r"(?s)Multiple values for (.+?)\..*?Conflicting choices: '(.+?)' from '(.+?)'"
    match = re.match(pattern, text)
    if match is None:
        return None
    group, option, file = match.groups()
    return f"In {file}.yaml: {group} has an option already; write override /{group}: {option}"


def _shortened(error: BaseException) -> str:
    """An error's first sentence, without search paths and advice for programmers."""
    text = str(error).partition("\nConfig search path")[0]
    if isinstance(error.__cause__, OmegaConfBaseException | ImportError):
        text += ": " + str(error.__cause__).partition("\n")[0]
    text = re.split(r"\s(?:Pass _|Pass UNSAFE|To append to your|Set the environment variable)", text)[0]
    match = re.match(r"Could not override '(hydra\.[\w.]+)'", text)
    hint = "" if match is None else f"{_nearest_hydra_key(match[1])} --cfg hydra shows Hydra's own keys"
    return " ".join(text.split()) + hint


def _nearest_hydra_key(key: str) -> str:
    """A sentence that suggests a key of Hydra's that exists."""
    node: Any = OmegaConf.create({"hydra": OmegaConf.structured(HydraConf)})
    store = ConfigStore.instance()
    for group, option in (("launcher", "abreast"), ("sweeper", "basic")):
        with suppress(HydraException, LookupError, OSError):
            node.hydra[group] = store.load(f"hydra/{group}/{option}.yaml").node
    parts = key.split(".")
    for at, name in enumerate(parts):
        if not isinstance(node, DictConfig):
            return ""
        if name not in node:
            near = nearest(name, map(str, node))
            return "" if near is None else f" Did you mean {'.'.join([*parts[:at], near, *parts[at + 1 :]])}?"
        node = OmegaConf.select(node, name, throw_on_resolution_failure=False)
    return ""
