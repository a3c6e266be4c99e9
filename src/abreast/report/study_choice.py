"""A study's own choice for reports on its runs: which ones it repeated, which cells are the references."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abreast.errors import RunError
from abreast.report.analysis import compare_groups
from abreast.report.collect import run_directories
from abreast.report.groups import Analysis, Task
from abreast.runs.files import STUDY, SWEEP
from abreast.runs.looks import looks_notes, read_looks
from abreast.runs.small_file import parse_json, read_text


@dataclass(frozen=True)
class StudyChoice:
    """What a finished study decided before its runs were tested.

    Attributes:
        directory: The study's directory, resolved.
        repeats: The resolved directories of its repeats; beside them may be those of an earlier protocol.
        references: The repeats of the cells that validated best in tuning, one cell for each data set.
        metric: What it compares by.
        margin: The difference up to which its cells are equivalent; None without one.
    """

    directory: Path
    repeats: frozenset[Path]
    references: frozenset[Path]
    metric: str
    margin: float | None


@dataclass
class StudyRuns:
    """The runs that are to be reported, and the finished studies that they are of.

    Attributes:
        paths: The directories to read: as they were given, or those of the runs where there are studies.
        choices: The study of each run's resolved directory; a run of no finished study has none.
        is_whole: Whether all runs are of studies, with repeats among them.
    """

    paths: list[Path]
    choices: dict[Path, StudyChoice] = field(default_factory=dict)
    is_whole: bool = False

    @property
    def studies(self) -> list[StudyChoice]:
        """The studies, each once."""
        return list({choice.directory: choice for choice in self.choices.values()}.values())

    @property
    def metric(self) -> str | None:
        """What all of the studies compare by; None if not all runs are of them, or the metrics differ."""
        metrics = {choice.metric for choice in self.studies}
        return metrics.pop() if self.is_whole and len(metrics) == 1 else None

    def margin(self, metric: str | None) -> float | None:
        """The margin of all of the studies, if they compare by this metric; None where there is not one."""
        margins = {choice.margin for choice in self.studies}
        return margins.pop() if metric == self.metric and self.is_whole and len(margins) == 1 else None


def study_runs(directories: Sequence[Path]) -> StudyRuns:
    """Find the studies of the runs below some directories, whether these hold the studies or lie in them.

    Of a study only the repeats are reported, if some of them are there: tuning runs have other seeds and no
    test, and what an earlier protocol repeated belongs to another look at the test set.

    Raises:
        RunError: If the file of a study is broken.
    """
    known: dict[Path, StudyChoice | None] = {
        path.resolve(): choice for path in directories for choice in [read_study_choice(path)] if choice
    }
    below = {run: run.resolve() for path in directories for run in run_directories(path)}
    choices = {run: choice for run in below.values() for choice in [_choice_above(run, known)] if choice}
    if not choices:
        return StudyRuns([*directories])
    repeated = {choices[run].directory for run in choices if _is_repeat(run, choices)}
    kept = [
        run
        for run, path in below.items()
        if path not in choices or _is_repeat(path, choices) or choices[path].directory not in repeated
    ]
    return StudyRuns(kept, choices, bool(repeated) and all(below[run] in choices for run in kept))


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
        existing = resolved(path for path in repeats if _is_below(path, directory))
        return StudyChoice(
            directory.resolve(),
            existing,
            resolved(references),
            str(protocol["metric"]),
            None if margin is None else float(margin),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{file}: not the result of a study ({type(error).__name__}: {error}). Run the study again"
        ) from None


def resolved(paths: Iterable[Path]) -> frozenset[Path]:
    """The paths as they are compared."""
    return frozenset(path.resolve() for path in paths)


def compare_as_studied(analysis: Analysis, runs: StudyRuns) -> None:
    """Compare the groups of each task with what their study chose, and say how often the test was looked at.

    A reference holds for the runs of one study. Where those of several, or others, are compared with each
    other, the best group remains the reference, and the p-values those of all pairs.

    Args:
        analysis: The analysis of the runs; its verdicts are replaced.
        runs: The studies of its runs.
    """
    for task in analysis.tasks:
        studies = {id(choice): choice for choice in _studies_of(task, analysis.metric, runs)}
        choice = None if None in studies.values() or len(studies) != 1 else next(iter(studies.values()))
        if choice is None:
            continue
        if not compare_with_references(task, analysis, choice.references) and len(task.groups) > 1:
            analysis.notes.append(
                f"The reference of the study {choice.directory.name} is not among these runs: they are "
                "compared with the best of them, and corrected for all pairs."
            )
    for choice in runs.studies:
        if any(run.path.resolve() in choice.repeats for run in analysis.sweep.runs):
            analysis.notes += looks_notes(read_looks(choice.directory))


def compare_with_references(task: Task, analysis: Analysis, references: frozenset[Path]) -> bool:
    """Compare the groups of a task with the one that a study chose, instead of the best one.

    Args:
        task: The groups; their verdicts are replaced.
        analysis: What they are compared by.
        references: The resolved directories of the runs of the chosen groups.

    Returns:
        Whether the chosen group is among them.
    """
    labels = [
        group.label
        for group in task.groups
        if group.values and any(run.path.resolve() in references for run in group.runs)
    ]
    if labels:
        ranking = compare_groups(task, analysis.metric, margin=analysis.margin, reference=labels[0])
        task.rank(ranking)
        task.groups.sort(key=lambda group: group.label != ranking.winner)  # the others keep their order
    return bool(labels)


def _studies_of(task: Task, metric: str, runs: StudyRuns) -> Iterator[StudyChoice | None]:
    """The study of each run that is compared; None for a run that is no repeat of one."""
    for run in (run for group in task.groups for run in group.runs if metric in run.metrics):
        path = run.path.resolve()
        yield runs.choices[path] if _is_repeat(path, runs.choices) else None


def _is_repeat(path: Path, choices: Mapping[Path, StudyChoice]) -> bool:
    return path in choices and path in choices[path].repeats


def _choice_above(run: Path, known: dict[Path, StudyChoice | None]) -> StudyChoice | None:
    """The choice of the study that a run lies in; `known` has those of folders that were looked at."""
    passed = []
    choice = None
    for folder in run.parents:
        if folder not in known:
            passed.append(folder)
            # The name is common: only beside a sweep's file it is a study's.
            if not ((folder / STUDY).is_file() and (folder / SWEEP).is_file()):
                continue
            known[folder] = read_study_choice(folder)
        choice = known[folder]
        break
    known.update(dict.fromkeys(passed, choice))
    return choice


def _is_below(path: Path, directory: Path) -> bool:
    return path.resolve().is_relative_to(directory.resolve()) and path.is_dir()
