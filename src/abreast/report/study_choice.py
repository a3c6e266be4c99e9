"""A study's own choice for its report: which runs it repeated, which cells are the references."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abreast.errors import RunError
from abreast.report.analysis import compare_groups
from abreast.report.groups import Analysis
from abreast.runs.files import STUDY
from abreast.runs.small_file import parse_json, read_text


@dataclass(frozen=True)
class StudyChoice:
    """What a finished study decided before its runs were tested.

    Attributes:
        repeats: The directories of its repeats; beside them there may be runs of an earlier protocol.
        references: The repeats of the cells that validated best in tuning, one cell for each data set.
        metric: What it compares by.
        margin: The difference up to which its cells are equivalent; None without one.
    """

    repeats: tuple[Path, ...]
    references: frozenset[Path]
    metric: str
    margin: float | None


def read_study_choice(directory: Path) -> StudyChoice | None:
    """The choice of the study in the directory; None if there is no finished study.

    Raises:
        RunError: If its file is broken.
    """
    file = directory / STUDY
    if not file.is_file():
        return None
    try:
        content: Any = parse_json(read_text(file), file)
        if content["status"] != "finished":
            return None
        protocol = content["protocol"]
        repeats, references = [], []
        for cell in content["cells"]:
            paths = [directory / str(run["run"]) for run in cell["repeats"]]
            repeats += paths
            if cell["test"]["verdict"] == "winner":
                references += paths
        margin = protocol.get("margin")
        existing = tuple(sorted(path for path in repeats if _is_below(path, directory)))
        return StudyChoice(
            existing, resolved(references), str(protocol["metric"]), None if margin is None else float(margin)
        )
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{file}: not the result of a study ({type(error).__name__}: {error}). Run the study again"
        ) from None


def resolved(paths: Iterable[Path]) -> frozenset[Path]:
    """The paths as they are compared."""
    return frozenset(path.resolve() for path in paths)


def compare_with_references(analysis: Analysis, references: frozenset[Path]) -> None:
    """Compare the groups of each task with the one that a study chose, instead of the best one.

    Args:
        analysis: The analysis of the study's repeats; its verdicts are replaced.
        references: The resolved directories of the runs of the chosen groups.
    """
    for task in analysis.tasks:
        labels = [
            group.label
            for group in task.groups
            if group.values and any(run.path.resolve() in references for run in group.runs)
        ]
        if labels:
            ranking = compare_groups(task, analysis.metric, margin=analysis.margin, reference=labels[0])
            task.rank(ranking)
            task.groups.sort(key=lambda group: group.label != ranking.winner)  # the others keep their order


def _is_below(path: Path, directory: Path) -> bool:
    return path.resolve().is_relative_to(directory.resolve()) and path.is_dir()
