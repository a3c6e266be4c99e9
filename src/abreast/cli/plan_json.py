"""A plan as JSON."""

from __future__ import annotations

import math
from collections import Counter

from abreast.cli.parts import Estimate, Part
from abreast.cli.planner import Planned
from abreast.config.types import Json


def content(planned: Planned, estimate: Estimate) -> Json:
    """The plan as plain data."""
    batches = planned.multirun.batches if planned.multirun is not None else []
    invalid = [(message, jobs) for batch in batches for message, jobs in batch.invalid.items()]
    total = estimate.total()
    size = estimate.bytes()
    directory = planned.multirun.directory if planned.multirun is not None else None
    return {
        "runs": sum(len(part.runs) for part in estimate.parts),
        "certain_runs": sum(len(part.runs) for part in estimate.parts if part.is_certain),
        "finished": sum(batch.finished for batch in batches),
        "repeated": sum(batch.repeated for batch in batches),
        "invalid": [{"message": message, "jobs": jobs} for message, jobs in invalid],
        "directory": None if directory is None else str(directory),
        "parts": [_part(part, estimate) for part in estimate.parts],
        "seconds": _finite(total),
        "bytes": round(size) if size is not None and math.isfinite(size) else None,
    }


def _part(part: Part, estimate: Estimate) -> Json:
    groups = Counter(run.group for run in part.runs)
    return {
        "batch": part.batch or None,
        "kind": "stack" if part.reason is None else "individual",
        "reason": part.reason,
        "runs": len(part.runs),
        "lanes": part.lanes if part.reason is None else None,
        "epochs": part.epochs if math.isfinite(part.epochs) else None,
        "certain": part.is_certain,
        "groups": [{"settings": group, "runs": count} for group, count in groups.items()],
        "seconds": _finite(estimate.seconds([part])),
        "note": part.note or None,
    }


def _finite(seconds: tuple[float, float] | None) -> list[float] | None:
    if seconds is None or not all(map(math.isfinite, seconds)):
        return None
    return [round(value, 1) for value in seconds]
