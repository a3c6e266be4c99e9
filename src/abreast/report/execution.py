"""Whether the runs of a report were executed in different ways. It does not split groups, but is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from abreast.report.run import Run

# Of `execution` in result.json, what can round differently, and how it is called.
WAYS = {
    "accelerator": "accelerator",
    "device": "device",
    "processes": "processes",
    "threads": "threads",
    "shared_batches": "shared batches",
    "kernels": "kernels",
}
SAME = {"batched": "individual"}  # kernels that are bitwise identical to individual training


def execution_notes(runs: Iterable[Run]) -> list[str]:
    """Say in which ways runs were executed, if in several.

    Args:
        runs: The runs that are compared; those without a record are not counted.

    Returns:
        One sentence, or none.
    """
    known = [record for run in runs if (record := run.result.get("execution")) is not None]
    parts = []
    for key, name in WAYS.items():
        values = [record.get(key) for record in known]
        counts = Counter(SAME.get(str(value), str(value)).lower() for value in values)
        if key == "threads":  # a stack's lanes use one each, as individual runs with one do
            counts = Counter(str(record.get(key)) for record in known if not record.get("stacked"))
        if len(counts) > 1:
            listed = ", ".join(f"{value} ({count} runs)" for value, count in counts.most_common())
            parts.append(f"{name}: {listed}")
    if not parts:
        return []
    return [
        f"The runs were executed in different ways ({'; '.join(parts)}). That is not a setting: they are "
        "grouped together, although their results may differ by rounding."
    ]
