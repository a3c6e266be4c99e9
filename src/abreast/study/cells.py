"""The cells of a study, what each tunes, and what the command line makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from abreast.study import space
from abreast.study.overrides import Given, key_of, override, text, value_of
from abreast.study.space import Dimension, Setting
from abreast.suggestions import did_you_mean, listed
from abreast.validation.override_errors import no_such_option

CELLS, SPACE = "hydra.sweeper.cells", "hydra.sweeper.space"
DEFAULT = "default"

Groups = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Cell:
    """One thing that is compared: overrides, and the settings of it that are tried.

    parts: what sets the cell apart: `{"loss": "mse", "optim": "adam"}`, or `{"cell": name}`.
    """

    name: str
    parts: Mapping[str, str]
    overrides: tuple[str, ...]
    space: Mapping[str, Dimension]
    settings: tuple[Setting, ...] = ()


def read(node: Any, spaces: Any, given: Given, groups: Groups, problems: list[str]) -> list[Cell]:
    """The cells, without settings; what is wrong with them is added to `problems`.

    node: `{key: [value, ...], ...}`, a cell for every combination, or `[{name: [override, ...]}, ...]`.
    spaces: `{part: {key: dimension}}`, a part being `default`, an option that the cell chooses, or its name.
    What the command line sets or sweeps takes the place of what the study says about the key; a swept key
    that the study does not know is one more axis of cells.
    """
    parts = _parts(spaces, problems)
    tuned = {key for part in parts.values() for key, each in part.items() if each is not None}
    swept = {key: values for key, values in given.swept.items() if key_of(key) not in tuned}
    if isinstance(node, Mapping) and node:
        cells = _combined(_axes(node, swept, given, problems), groups)
    elif isinstance(node, list) and node:
        more = _combined(dict(swept), groups) if swept else [Cell("", {}, (), {})]
        cells = [_joined(cell, other) for cell in _named(node, given, problems) for other in more]
    else:
        problems.append(
            f"{CELLS}: nothing to compare, got {node}; write {{loss: [mse, hinge], optim: [sgd, adam]}} for "
            "every combination, or a list such as [{plain: [optim=sgd]}, {nesterov: [optim=nesterov]}]"
        )
        return []
    problems += _options(cells, groups)
    problems += _no_such_parts(parts, cells, node, groups)
    return [_with_space(cell, parts, given, groups, problems) for cell in cells]


def _parts(spaces: Any, problems: list[str]) -> dict[str, dict[str, Dimension | None]]:
    """Each part's dimensions; None for one that the part takes out."""
    if not isinstance(spaces, Mapping):
        problems.append(
            f"{SPACE}: must hold parts such as {DEFAULT}: {{optim.lr: [0.01, 0.1]}}, got {spaces}"
        )
        return {}
    found: dict[str, dict[str, Dimension | None]] = {}
    for name, node in spaces.items():
        found[str(name)] = {}
        if not isinstance(node, Mapping):
            problems.append(f"{SPACE}.{name}: {node!r} is no space; write {{optim.lr: [0.01, 0.1]}}")
            continue
        for key, values in node.items():
            dimension = None if values is None else space.read(f"{SPACE}.{name}: {key}", values)
            if isinstance(dimension, str):
                problems.append(dimension)
            else:
                found[str(name)][str(key)] = dimension
    return found


def _axes(
    node: Mapping[Any, Any], swept: Mapping[str, tuple[Any, ...]], given: Given, problems: list[str]
) -> dict[str, tuple[Any, ...]]:
    axes: dict[str, tuple[Any, ...]] = {}
    for key, values in node.items():
        values = values if isinstance(values, list) else [values]
        texts = [text(each) for each in values]
        if not values:
            problems.append(f"{CELLS}.{key}: an empty list leaves no cell; give it values")
        if len({*texts}) < len(texts):
            problems.append(
                f"{CELLS}.{key}: {listed(texts)} holds a value twice; name such cells: [{{name: [override]}}]"
            )
        axes[str(key)] = tuple(values)
        if key_of(str(key)) in given.fixed:
            axes[str(key)] = (_Written(value_of(given.fixed[key_of(str(key))])),)
    same = {key_of(key): key for key in axes}
    for key, values in swept.items():
        axes[same.get(key_of(key), key)] = values
    return axes


class _Written(str):
    """A value in the words of the command line."""


def _combined(axes: Mapping[str, tuple[Any, ...]], groups: Groups) -> list[Cell]:
    cells = []
    for values in product(*axes.values()):
        lines = [
            f"{key}={value}" if isinstance(value, _Written) else override(key, value)
            for key, value in zip(axes, values, strict=True)
        ]
        parts = {key_of(line): value_of(line) for line in lines}
        name = ", ".join(value if key in groups else f"{key}={value}" for key, value in parts.items())
        cells.append(Cell(name, parts, tuple(lines), {}))
    return cells


def _named(node: Sequence[Any], given: Given, problems: list[str]) -> Iterator[Cell]:
    names: set[str] = set()
    for entry in node:
        if not isinstance(entry, Mapping) or len(entry) != 1:
            problems.append(f"{CELLS}: {entry!r} is no cell; write {{name: [override, ...]}}")
            continue
        [(name, lines)] = entry.items()
        lines = lines if isinstance(lines, list) else [lines]
        if str(name) in names:
            problems.append(f"{CELLS}: two cells are named {name}")
        names.add(str(name))
        for line in lines:
            if not isinstance(line, str) or not re.match(r"[+~]*[\w/.@]+=|~", line):
                problems.append(f"{CELLS}.{name}: {line!r} is no override such as optim=adam or optim.lr=0.1")
            elif key_of(line) in {*given.fixed, *map(key_of, given.swept)}:
                problems.append(f"{key_of(line)}: the study's cell {name} sets it ({line}); leave it out")
        yield Cell(str(name), {"cell": str(name)}, tuple(map(str, lines)), {})


def _joined(cell: Cell, other: Cell) -> Cell:
    name = f"{cell.name}, {other.name}" if other.name else cell.name
    return Cell(name, {**cell.parts, **other.parts}, (*cell.overrides, *other.overrides), {})


def _options(cells: Sequence[Cell], groups: Groups) -> Iterator[str]:
    for line in dict.fromkeys(line for cell in cells for line in cell.overrides):
        group, option = key_of(line), value_of(line)
        if group in groups and not line.startswith("~") and option not in groups[group]:
            yield f"{CELLS}: {no_such_option(group, option, groups[group])}"


def _labels(cell: Cell, groups: Groups) -> set[str]:
    """The parts of the space that are for this cell."""
    chosen = {value_of(line) for line in cell.overrides if key_of(line) in groups}
    return {DEFAULT, cell.name, cell.parts.get("cell", cell.name), *chosen}


def _no_such_parts(
    parts: Mapping[str, Any], cells: Sequence[Cell], node: Any, groups: Groups
) -> Iterator[str]:
    keys = {key_of(line) for cell in cells for line in cell.overrides}
    declared = {str(name) for entry in node if isinstance(entry, Mapping) for name in entry}
    used = {option for key in keys & {*groups} for option in groups[key]}
    known = used | declared.union(*(_labels(cell, groups) for cell in cells))
    for name in parts:
        if name not in known:
            near = did_you_mean(name, known)
            yield f"{SPACE}.{name}: no cell chooses it. A part is {DEFAULT}, an option or a cell's name{near}"


def _with_space(
    cell: Cell,
    parts: Mapping[str, Mapping[str, Dimension | None]],
    given: Given,
    groups: Groups,
    problems: list[str],
) -> Cell:
    labels = _labels(cell, groups)
    own: dict[str, Dimension] = {}
    for name in [DEFAULT, *(name for name in parts if name != DEFAULT)]:
        for key, dimension in parts.get(name, {}).items() if name in labels else ():
            own.pop(key, None) if dimension is None else own.update({key: dimension})
    for key, values in given.swept.items():
        if key_of(key) in own:
            own[key_of(key)] = space.Values(values)
    fixed = [key for key in own if key in given.fixed]
    for key in fixed:
        own.pop(key)
    sets = {key_of(line) for line in cell.overrides}
    problems += [
        f"{SPACE}: {key} is tuned, but the cell {cell.name} sets it; take one of them out"
        for key in own
        if key_of(key) in sets
    ]
    if not own:
        reason = f": the command line sets {listed(fixed)}" if fixed else ""
        problems.append(
            f"{SPACE}: the cell {cell.name} has nothing to tune{reason}; write {DEFAULT}: "
            "{optim.lr: [0.01, 0.1]}, or a list of one value"
        )
    return Cell(cell.name, cell.parts, cell.overrides, own)
