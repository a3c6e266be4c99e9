"""What `gpu.py` has measured: a JSON of all rows, and the same as tables to read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
# Parts of a run that must not fail; a missing package only leaves a note.
BAD = ("failed", "error")
# The goals of a stack: of so many lanes or more, microseconds of a lane-step and share of the roofline.
TARGET_NET, TARGET_LANES, TARGET_SHARE = "784-256-10", 512, 0.6
TARGET_US = {"float32": 5.0, "tf32": 3.0}


class Report:
    """The rows so far, in `folder`, as `gpu.json` and `gpu.md`; both are rewritten with every row."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Add a row."""
        self.rows.append(row)
        self._replace("gpu.json", json.dumps(self.rows, indent=1))
        self._replace("gpu.md", text(self.rows))

    def failures(self) -> list[Row]:
        """The tests that failed, the parts that ended badly, and tests that were cut or left out."""
        return [row for row in self.rows if row.get("outcome") in BAD or _is_bad(row)]

    def _replace(self, name: str, content: str) -> None:
        new = self.folder / f"{name}.new"
        new.write_text(content)
        new.replace(self.folder / name)


def _is_bad(row: Row) -> bool:
    """Whether a note says that something went wrong, or that less was proven than was asked for."""
    bad = ("ended", "cut", "left out") if row["part"] == "tests" else ("ended",)
    return str(row.get("note", "")).startswith(bad)


def text(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    measured = [_peaks(rows), _steps(rows), _targets(rows), _products(rows), _sweeps(rows)]
    parts = [_machine(rows), _tests(rows), *measured, _notes(rows)]
    return "\n\n".join(part for part in parts if part) + "\n"


def floor_us(row: Row, rows: Sequence[Row]) -> float | None:
    """The least microseconds of a lane-step by the measured peaks; None where one was not measured.

    The products at the peak of their precision, then Adam's traffic (it reads weight, gradient and two
    moments, and writes all but the gradient: 28 bytes a parameter) at the copy's bandwidth.
    """
    peaks = {peak["peak"]: peak["per_second"] for peak in rows if "peak" in peak}
    product, copy = peaks.get(row["precision"]), peaks.get("copy")
    if product is None or copy is None or "flops" not in row:
        return None
    return float(1e6 * (row["flops"] / product + 28 * row["parameters"] / copy))


def _machine(rows: Sequence[Row]) -> str:
    said = {key: value for row in rows if row["part"] == "machine" for key, value in row.items()}
    return "# GPU\n\n" + "\n".join(f"- {key}: {value}" for key, value in said.items() if key != "part")


def _tests(rows: Sequence[Row]) -> str:
    outcomes = [row for row in rows if "outcome" in row]
    if not outcomes:
        return ""
    counts: dict[str, int] = {}
    for row in outcomes:
        counts[row["outcome"]] = counts.get(row["outcome"], 0) + 1
    counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    bad = [f"- {row['outcome']}: `{row['test']}`" for row in outcomes if row["outcome"] in BAD]
    reasons = [row["reason"] for row in outcomes if "reason" in row]
    skipped = [f"- {reasons.count(reason)} skipped: {reason}" for reason in dict.fromkeys(reasons)]
    return "\n".join([f"## Tests\n\n{counted}\n", *bad, *skipped])


def _peaks(rows: Sequence[Row]) -> str:
    units = {"copy": (1e9, "GB/s, read and written")}
    table = []
    for row in rows:
        if "peak" in row:
            scale, unit = units.get(row["peak"], (1e12, "TFLOP/s"))
            table.append([row["peak"], f"{row['per_second'] / scale:.3g} {unit}"])
    return "## Peaks\n\n" + _table(["", "measured"], table) if table else ""


def _steps(rows: Sequence[Row]) -> str:
    table = []
    for row in rows:
        if "us" not in row:
            continue
        floor = floor_us(row, rows)
        share = f"{100 * floor / row['us']:.0f} %" if floor else "-"
        spread = f"{row['us']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
        start = f"{row['start_s']:.1f}"
        table.append([row["net"], str(row["lanes"]), row["precision"], row["arm"], spread, share, start])
    header = ["network", "lanes", "precision", "how", "µs a lane-step", "of the roofline", "start, s"]
    return "## A step of one lane\n\nMedian (lowest to highest).\n\n" + _table(header, table) if table else ""


def _targets(rows: Sequence[Row]) -> str:
    table = []
    for precision, most_us in TARGET_US.items():
        of_net = [row for row in rows if row.get("arm") == "abreast" and row["net"] == TARGET_NET]
        for row in of_net:
            floor = floor_us(row, rows)
            if row["precision"] != precision or row["lanes"] < TARGET_LANES or floor is None:
                continue
            share = floor / row["us"]
            reached = "reached" if share >= TARGET_SHARE and row["us"] <= most_us else "not reached"
            measured = f"{row['us']:.2f} µs, {100 * share:.0f} %"
            goal = f"at most {most_us:g} µs, at least {100 * TARGET_SHARE:.0f} %"
            table.append([f"{TARGET_NET}, {row['lanes']} lanes, {precision}", goal, measured, reached])
    header = ["lane-step, and share of the roofline", "goal, for an H100", "measured", ""]
    return "## Goals\n\n" + _table(header, table) if table else ""


def _products(rows: Sequence[Row]) -> str:
    chosen = [row["products"] for row in rows if "products" in row][-1:]  # each row has all so far
    table = [
        [shape, form] for products in chosen for forms in products.values() for shape, form in forms.items()
    ]
    header = ["lanes x rows x terms x columns, layout, precision", "the fastest form"]
    return "## Products of all lanes\n\n" + _table(header, table) if table else ""


def _sweeps(rows: Sequence[Row]) -> str:
    table = [
        [row["sweep"], str(row["runs"]), f"{row['seconds']:.1f}", f"{1e3 * row['seconds'] / row['runs']:.1f}"]
        for row in rows
        if "sweep" in row
    ]
    return "## End to end\n\n" + _table(["sweep", "runs", "s", "ms a run"], table) if table else ""


def _notes(rows: Sequence[Row]) -> str:
    notes = [f"- {row['part']}: {row['note']}" for row in rows if "note" in row]
    return "## Notes\n\n" + "\n".join(notes) if notes else ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
