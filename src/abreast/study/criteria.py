"""The configurations a study stands on: every cell composed and checked, before anything trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from abreast.errors import ConfigError
from abreast.metrics.objective import monitor, worst
from abreast.study import space
from abreast.study.cells import Cell
from abreast.study.overrides import key_of, override
from abreast.study.protocol import HERE, Protocol
from abreast.suggestions import did_you_mean, listed
from abreast.validation.preflight import jobs, mistakes

SCORES = {"classification": ("accuracy", "loss"), "regression": ("r2", "mae", "loss")}
_LOWER_IS_BETTER = ("loss", "mae")
_ABSENT = object()


@dataclass(frozen=True)
class Grounds:
    """What a cell's runs are chosen and compared by, and its first setting's config as it was written.

    metric, mode: the validation score, and whether `max` or `min` of it is best; `worst`: a failed run's.
    """

    config: Mapping[str, Any]
    metric: str
    mode: str
    worst: float


def grounds(protocol: Protocol, config: DictConfig) -> tuple[list[Grounds], str, str]:
    """Each cell's grounds, and the test score that all are compared by with its direction.

    Raises one ConfigError with a line for each mistake, and Stop for overrides that cannot be composed.
    """
    lines: dict[str, list[str]] = {}
    found, resolved = [], []
    for cell in protocol.cells:
        variants = list(jobs(config, _values(protocol, cell)))
        message = mistakes(variants)
        plain: Any = OmegaConf.to_container(variants[0][1], resolve=True) if not message else None
        said = message.split("\n") if message else list(_unfit(plain, cell))
        for line in said:
            lines.setdefault(line, []).append(cell.name)
        if not said:
            watched = monitor(plain)
            assert watched is not None
            written: Any = OmegaConf.to_container(variants[0][1])
            found.append(Grounds(written, *watched, worst(plain)))
            resolved.append(plain)
    if lines:
        every = len(protocol.cells)
        raise ConfigError(
            "\n".join(line if len(at) == every else f"{at[0]}: {line}" for line, at in lines.items())
        )
    metric = _compared(protocol, resolved)
    return found, metric, "min" if metric.endswith(_LOWER_IS_BETTER) else "max"


def _values(protocol: Protocol, cell: Cell) -> dict[str, list[str]]:
    """What the keys of a cell's tuning runs are set to, as overrides."""
    values = {key_of(line): [line] for line in (*protocol.fixed, *cell.overrides)}
    for key, dimension in cell.space.items():
        is_list = isinstance(dimension, space.Values)
        values[key] = [
            override(key, each)
            for each in (dimension.values if is_list else (dimension.low, dimension.high))  # type: ignore[union-attr]
        ]
    return values | {"seed": [f"seed={protocol.tune_seeds[0]}"], "test": ["test=true"]}


def _unfit(plain: Mapping[str, Any], cell: Cell) -> Iterator[str]:
    """What makes a cell's runs, though sound, no ground to choose on."""
    watched = monitor(plain)
    if watched is None:
        yield "data.val_fraction: 0 leaves no validation rows, and a study chooses by them; write 0.1"
    elif not watched[0].startswith("val/"):
        yield f"monitor: a study chooses by validation, got {watched[0]}; write monitor=null"
    elif watched[0] == "val/loss" and (losses := [key for key in cell.space if key.startswith("loss")]):
        scores = [f"val/{each}" for each in SCORES[plain["data"]["task"]] if each != "loss"]
        yield (
            f"monitor: val/loss cannot choose between settings of the loss itself ({listed(losses)}); write "
            f"monitor={scores[0]}"
        )


def _compared(protocol: Protocol, resolved: Sequence[Mapping[str, Any]]) -> str:
    """The test score that all cells are compared by."""
    tasks = {
        cell.name: str(plain["data"]["task"]) for cell, plain in zip(protocol.cells, resolved, strict=True)
    }
    if len({*tasks.values()}) > 1:
        each = listed(f"{name}: {task}" for name, task in tasks.items())
        raise ConfigError(f"data.task: cells of different tasks have no score in common ({each})")
    scores = SCORES[next(iter(tasks.values()))]
    score = protocol.metric or scores[0]
    if score not in scores:
        near = did_you_mean(score, scores)
        raise ConfigError(f"{HERE}.metric: the task has {listed(scores)}, got {score}{near}")
    losses = {str(plain["loss"]) for plain in resolved}
    if score == "loss" and len(losses) > 1:
        raise ConfigError(
            f"{HERE}.metric: the cells train under different losses, whose values cannot be compared; "
            f"write {listed(each for each in scores if each != 'loss')}"
        )
    return f"test/{score}"


def containing(cells: Sequence[Cell], found: Sequence[Grounds]) -> list[tuple[int, int]]:
    """The pairs (outer, inner) of cells of which the outer one can be all that the inner one can be."""
    leaves = [dict(_leaves(each.config)) for each in found]
    pairs = []
    for outer, of_outer in enumerate(cells):
        for inner, of_inner in enumerate(cells):
            keys = {*leaves[outer], *leaves[inner], *of_outer.space, *of_inner.space}
            tuned = {*of_outer.space, *of_inner.space}
            at = [
                (key, leaves[outer].get(key, _ABSENT), leaves[inner].get(key, _ABSENT))
                for key in sorted(keys)
            ]
            apart = [each for each in at if each[0] in tuned or each[1] != each[2]]
            if outer != inner and space.nested(of_outer.space, of_inner.space, apart):
                pairs.append((outer, inner))
    return pairs


def _leaves(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping) and node:
        for name, each in node.items():
            yield from _leaves(each, f"{key}.{name}" if key else str(name))
    else:
        yield key, node
