"""What planned runs would take, from a short training of some; torch is imported when it is needed."""

from __future__ import annotations

import importlib
import math
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from abreast.cli.parts import SEARCH_START, Estimate, Part, PlannedRun
from abreast.stacking.cost import Cost
from abreast.stacking.grouping import lane_key, split

if TYPE_CHECKING:
    from abreast.stacking.options import Options
    from hydra_plugins.abreast_launcher.config import AbreastLauncherConf

MOST_PROBES = 4


def estimate(parts: Sequence[Part], launcher: AbreastLauncherConf | None, began: float) -> Estimate:
    """Train a little of each kind of parts, the largest first, and say what all of them take.

    Args:
        parts: What is to be trained.
        launcher: The settings of the stacks; None for a single run, or another launcher.
        began: When the command began, by `time.perf_counter`.
    """
    importlib.import_module("abreast.runtime.fast_import")  # before Lightning
    from abreast.stacking.options import Options

    importlib.import_module("abreast.stacking.probe")
    start = time.perf_counter() - began

    options, workers = Options(), 1
    halving: tuple[Sequence[int], float] = ((), 1.0)
    parts = list(parts)
    start += SEARCH_START * any(part.is_asked for part in parts)
    if launcher is not None:
        options = Options(
            threads=launcher.threads,
            processes=launcher.workers,
            save_every=launcher.save_every,
            shared_batches=launcher.shared_batches,
        )
        halving = (tuple(launcher.halving or ()), launcher.keep)
        workers, parts = _divided(parts, launcher, options)
    measured: dict[tuple[object, ...], Cost] = {}
    notes: dict[tuple[object, ...], str] = {}
    batches = list(dict.fromkeys(part.batch for part in parts))
    left = sorted((alike for part in parts for alike in _of_one_kind(part)), key=_size, reverse=True)
    done: list[Part] = []
    while left:
        part = left.pop(0)
        kind = part.kind
        if kind not in measured and kind not in notes and len(measured) + len(notes) < MOST_PROBES:
            cost, note = _measured(part, options)
            if cost is None:
                notes[kind] = note
            else:
                measured[kind] = cost
        individual = measured[kind].individual if kind in measured else {}
        stacked, others = _sorted_out(part, individual)
        left += [alike for other in others for alike in _of_one_kind(other)]
        if stacked is not None:
            done.append(replace(stacked, cost=measured.get(kind), note=notes.get(kind, "")))
    parts = [_like_others(part, list(measured.values())) for part in done]
    parts.sort(key=lambda part: (batches.index(part.batch), part.reason is not None))
    return Estimate(parts, start, workers, halving)


def _of_one_kind(part: Part) -> list[Part]:
    """A stack; or runs that are trained individually, by what one costs."""
    if part.reason is None:
        return [part]
    by_kind: dict[tuple[object, ...], list[PlannedRun]] = {}
    for run in part.runs:
        by_kind.setdefault(replace(part, runs=[run]).kind, []).append(run)
    return [replace(part, runs=runs) for runs in by_kind.values()]


def _size(part: Part) -> float:
    return len(part.runs) * min(part.epochs, 1e6)


def _measured(part: Part, options: Options) -> tuple[Cost | None, str]:
    """What the part costs; else None, and why nothing could be measured."""
    from abreast.stacking.probe import ProbeError, probe_run, probe_stack

    configs = [run.config for run in part.runs]
    try:
        if part.reason is None:
            return probe_stack(configs, options, part.lanes), ""
        return probe_run(configs[0]), ""
    except ProbeError as error:
        return None, str(error)


def _sorted_out(part: Part, individual: Mapping[tuple[str, str], str]) -> tuple[Part | None, list[Part]]:
    """The part without the runs that cannot be stacked after all, and these by the reason why."""
    if not individual or part.reason is not None:
        return part, []
    by_reason: dict[str, list[PlannedRun]] = {}
    for run in part.runs:
        by_reason.setdefault(individual.get(lane_key(run.config), ""), []).append(run)
    stacked = by_reason.pop("", [])
    others = [replace(part, runs=runs, reason=reason) for reason, runs in by_reason.items()]
    return (replace(part, runs=stacked) if stacked else None), others


def _like_others(part: Part, costs: Sequence[Cost]) -> Part:
    """The part, with what others cost by the epoch where it was not measured for lack of time."""
    if part.cost is not None or part.note or not costs or not math.isfinite(part.epochs):
        return part
    ends = [cost.epoch for cost in costs]
    cost = replace(
        costs[0], epochs=part.epochs, epoch=(min(low for low, _ in ends), max(high for _, high in ends))
    )
    return replace(part, cost=cost, note="not measured: taken to be like the others")


def _in_processes(part: Part, options: Options) -> Part:
    """The part, with the processes that train its runs side by side."""
    from abreast.stacking.processes import count_processes

    if part.reason is not None or part.is_asked:
        return part
    return replace(part, processes=count_processes(len(part.runs), part.lanes, options))


def _divided(
    parts: Sequence[Part], launcher: AbreastLauncherConf, options: Options
) -> tuple[int, list[Part]]:
    """The launcher's workers or devices, and the parts as memory and workers divide them.

    Where memory limits the lanes, other runs wait for one; halving compares those that are trained together.
    """
    from abreast.stacking.probe import ProbeError, lanes_in_memory
    from hydra_plugins.abreast_launcher._stacks import devices_of
    from hydra_plugins.abreast_launcher.engines.choose import LOCAL
    from hydra_plugins.abreast_launcher.engines.work import count_gpus, divide

    result = []
    for part in parts:
        pieces, most = [list(part.runs)], part.most
        if part.reason is None and launcher.memory_gib is not None:
            with suppress(ProbeError):  # the probe says why
                most = min(part.lanes, lanes_in_memory(launcher.memory_gib, part.runs[0].config))
                if launcher.halving and not part.is_asked:
                    pieces = split(pieces[0], most)
        result += [replace(part, runs=piece, most=most) for piece in pieces]
    devices = devices_of(launcher)
    if launcher.engine == LOCAL and not devices:
        return 1, result if launcher.halving else [_in_processes(part, options) for part in result]
    workers = len(devices) or launcher.workers or max(1, count_gpus() or os.cpu_count() or 1)
    if not launcher.halving:
        stacks = [list(part.runs) for part in result if part.reason is None]
        first = next((part for part in result if part.reason is None), None)
        if first is not None and len({part.batch for part in result}) == 1:
            result = [replace(first, runs=runs) for runs in divide(stacks, workers)] + [
                part for part in result if part.reason is not None
            ]
    return workers, result
