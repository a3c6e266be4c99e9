"""The cells of a study: what each one sets and what is tuned in it, from the YAML and the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from abreast.config.override_keys import key_of, value_of
from abreast.study.overrides import CommandLine, override, override_value
from abreast.study.space import Dimension, Setting, Values, read_dimension
from abreast.suggestions import did_you_mean, listed
from abreast.validation.override_errors import no_such_option

CELLS, SPACE = "hydra.sweeper.cells", "hydra.sweeper.space"
DEFAULT = "default"

Groups = Mapping[str, Sequence[str]]  # the options of every configuration group


@dataclass(frozen=True)
class Cell:
    """One of the things that a study compares.

    Attributes:
        name: Its name, such as `mse, adam`.
        parts: What distinguishes it: `{"loss": "mse", "optim": "adam"}`, or `{"cell": name}`.
        overrides: What it sets.
        space: What is tuned in it, by key.
        settings: The settings to try.
    """

    name: str
    parts: Mapping[str, str]
    overrides: tuple[str, ...]
    space: Mapping[str, Dimension]
    settings: tuple[Setting, ...] = ()


def read_cells(
    node: object, spaces: object, command_line: CommandLine, groups: Groups, problems: list[str]
) -> list[Cell]:
    """Read the cells of a study, without their settings.

    Args:
        node: `{key: [value, ...], ...}`, a cell for every combination, or `[{name: [override, ...]}, ...]`.
        spaces: `{part: {key: dimension}}`. A part is `default`, an option that cells choose, or a cell's
            name.
        command_line: What it sets or sweeps over replaces what the study says about the key; a swept key that
            the study does not mention is an additional axis of cells.
        groups: The options of every configuration group.
        problems: Mistakes are appended to it.
    """
    parts = _read_parts(spaces, problems)
    tuned = {key for part in parts.values() for key, dimension in part.items() if dimension is not None}
    swept = {key: values for key, values in command_line.swept.items() if key_of(key) not in tuned}
    if isinstance(node, Mapping) and node:
        cells = _combinations(_axes(node, swept, command_line, problems), groups)
    elif isinstance(node, list) and node:
        additional = _combinations(swept, groups) if swept else [Cell("", {}, (), {})]
        declared = _declared_cells(node, command_line, problems)
        cells = [_joined(cell, other) for cell in declared for other in additional]
    else:
        problems.append(
            f"{CELLS}: nothing to compare, got {node}; write {{loss: [mse, hinge], optim: [sgd, adam]}} for "
            "every combination, or a list such as [{plain: [optim=sgd]}, {nesterov: [optim=nesterov]}]"
        )
        return []
    problems += _unknown_options(cells, groups)
    problems += _unused_parts(parts, cells, node, groups)
    return [_with_space(cell, parts, command_line, groups, problems) for cell in cells]


def _read_parts(spaces: object, problems: list[str]) -> dict[str, dict[str, Dimension | None]]:
    """The dimensions of each part; None for one that the part removes."""
    if not isinstance(spaces, Mapping):
        problems.append(f"{SPACE}: must be parts such as {DEFAULT}: {{optim.lr: [0.01, 0.1]}}, got {spaces}")
        return {}
    parts: dict[str, dict[str, Dimension | None]] = {}
    for name, node in spaces.items():
        parts[str(name)] = {}
        if not isinstance(node, Mapping):
            problems.append(f"{SPACE}.{name}: {node!r} is not a space; write {{optim.lr: [0.01, 0.1]}}")
            continue
        for key, values in node.items():
            dimension = None if values is None else read_dimension(f"{SPACE}.{name}: {key}", values)
            if isinstance(dimension, str):
                problems.append(dimension)
            else:
                parts[str(name)][str(key)] = dimension
    return parts


def _axes(
    node: Mapping[object, object],
    swept: Mapping[str, tuple[object, ...]],
    command_line: CommandLine,
    problems: list[str],
) -> dict[str, tuple[object, ...]]:
    """The values of each key that the cells combine."""
    axes: dict[str, tuple[object, ...]] = {}
    for key, value in node.items():
        values = value if isinstance(value, list) else [value]
        texts = [override_value(item) for item in values]
        if not values:
            problems.append(f"{CELLS}.{key}: an empty list leaves no cell; give it values")
        if len({*texts}) < len(texts):
            problems.append(
                f"{CELLS}.{key}: {listed(texts)} contains a value twice; give such cells names: "
                "[{name: [override]}]"
            )
        axes[str(key)] = tuple(values)
        if key_of(str(key)) in command_line.fixed:
            axes[str(key)] = (_Verbatim(value_of(command_line.fixed[key_of(str(key))])),)
    declared = {key_of(key): key for key in axes}
    for swept_key, swept_values in swept.items():
        axes[declared.get(key_of(swept_key), swept_key)] = swept_values
    return axes


class _Verbatim(str):
    """A value as the command line writes it."""


def _combinations(axes: Mapping[str, tuple[object, ...]], groups: Groups) -> list[Cell]:
    cells = []
    for values in product(*axes.values()):
        lines = [
            f"{key}={value}" if isinstance(value, _Verbatim) else override(key, value)
            for key, value in zip(axes, values, strict=True)
        ]
        parts = {key_of(line): value_of(line) for line in lines}
        name = ", ".join(value if key in groups else f"{key}={value}" for key, value in parts.items())
        cells.append(Cell(name, parts, tuple(lines), {}))
    return cells


def _declared_cells(node: Sequence[object], command_line: CommandLine, problems: list[str]) -> Iterator[Cell]:
    """The cells of a list with names."""
    names: set[str] = set()
    for entry in node:
        if not isinstance(entry, Mapping) or len(entry) != 1:
            problems.append(f"{CELLS}: {entry!r} is not a cell; write {{name: [override, ...]}}")
            continue
        [(name, value)] = entry.items()
        lines = value if isinstance(value, list) else [value]
        if str(name) in names:
            problems.append(f"{CELLS}: two cells have the name {name}")
        names.add(str(name))
        for line in lines:
            if not isinstance(line, str) or not re.match(r"[+~]*[\w/.@]+=|~", line):
                problems.append(
                    f"{CELLS}.{name}: {line!r} is not an override such as optim=adam or optim.lr=0.1"
                )
            elif key_of(line) in {*command_line.fixed, *map(key_of, command_line.swept)}:
                problems.append(f"{key_of(line)}: is set by the study's cell {name} ({line}); leave it out")
        yield Cell(str(name), {"cell": str(name)}, tuple(map(str, lines)), {})


def _joined(cell: Cell, other: Cell) -> Cell:
    name = f"{cell.name}, {other.name}" if other.name else cell.name
    return Cell(name, {**cell.parts, **other.parts}, (*cell.overrides, *other.overrides), {})


def _unknown_options(cells: Sequence[Cell], groups: Groups) -> Iterator[str]:
    for line in dict.fromkeys(line for cell in cells for line in cell.overrides):
        group, option = key_of(line), value_of(line)
        if group in groups and not line.startswith("~") and option not in groups[group]:
            yield f"{CELLS}: {no_such_option(group, option, groups[group])}"


def _labels(cell: Cell, groups: Groups) -> set[str]:
    """The names of the parts of the space that apply to a cell."""
    chosen = {value_of(line) for line in cell.overrides if key_of(line) in groups}
    return {DEFAULT, cell.name, cell.parts.get("cell", cell.name), *chosen}


def _unused_parts(
    parts: Mapping[str, object], cells: Sequence[Cell], node: Sequence[object] | object, groups: Groups
) -> Iterator[str]:
    """A message for each part that is neither an option of a group that cells choose from nor a cell."""
    keys = {key_of(line) for cell in cells for line in cell.overrides}
    entries = node if isinstance(node, list) else []
    declared = {str(name) for entry in entries if isinstance(entry, Mapping) for name in entry}
    options = {option for key in keys & {*groups} for option in groups[key]}
    known = options | declared.union(*(_labels(cell, groups) for cell in cells))
    for name in parts:
        if name not in known:
            near = did_you_mean(name, known)
            yield (
                f"{SPACE}.{name}: no cell chooses it. A part is {DEFAULT}, an option or the name of a "
                f"cell{near}"
            )


def _with_space(
    cell: Cell,
    parts: Mapping[str, Mapping[str, Dimension | None]],
    command_line: CommandLine,
    groups: Groups,
    problems: list[str],
) -> Cell:
    """The cell with the dimensions of all parts that apply to it, less those that the command line sets."""
    labels = _labels(cell, groups)
    space: dict[str, Dimension] = {}
    for name in [DEFAULT, *(name for name in parts if name != DEFAULT)]:
        for key, dimension in parts.get(name, {}).items() if name in labels else ():
            space.pop(key, None) if dimension is None else space.update({key: dimension})
    for key, values in command_line.swept.items():
        if key_of(key) in space:
            space[key_of(key)] = Values(values)
    fixed = [key for key in space if key in command_line.fixed]
    for key in fixed:
        space.pop(key)
    set_by_cell = {key_of(line) for line in cell.overrides}
    problems += [
        f"{SPACE}: {key} is tuned, but the cell {cell.name} sets it; remove one of them"
        for key in space
        if key in set_by_cell
    ]
    if not space:
        reason = f": the command line sets {listed(fixed)}" if fixed else ""
        problems.append(
            f"{SPACE}: the cell {cell.name} has nothing to tune{reason}; write {DEFAULT}: "
            "{optim.lr: [0.01, 0.1]}, or a list with one value"
        )
    return replace(cell, space=space)
