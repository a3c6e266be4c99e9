"""A sweep and its report, as Python sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from abreast.api.html import escaped, figure_html, paragraphs_html, task_html
from abreast.api.run import Run
from abreast.errors import RunError
from abreast.report.figures.base import FigureOptions
from abreast.report.figures.curves import learning_curves
from abreast.report.figures.ranking import ranking
from abreast.report.formatting import format_statuses
from abreast.report.groups import Analysis
from abreast.report.tables import CsvTable, runs_table, summary_table
from abreast.report.text import headline
from abreast.report.write import analyse_runs
from abreast.runtime.given import Kind
from abreast.runtime.printable import printable

if TYPE_CHECKING:
    import pandas as pd

    from abreast.report.write import Report as WrittenReport

MOST_TASKS = 3  # with figures


class Comparison:
    """Runs in groups that differ only in the seed, each compared with the best one.

    Args:
        directory: Where the runs are.
        analysis: Of the runs.
    """

    _objects: Mapping[tuple[Kind, str], Any] = MappingProxyType({})

    def __init__(self, directory: Path, analysis: Analysis) -> None:
        self.directory = directory
        self.analysis = analysis

    @property
    def runs(self) -> list[Run]:
        """The runs, in the order of the settings."""
        return [Run(run.path, objects=self._objects) for run in self.analysis.sweep.runs]

    @property
    def best(self) -> Run:
        """The run of the best group that validated best.

        Raises:
            RunError: No run has a value.
        """
        winners = [task.winner for task in self.analysis.tasks if task.winner is not None]
        best = winners[0].best_run(self.analysis.higher_is_better) if winners else None
        if best is None:
            raise RunError(
                f"{self.directory}: no run has a value of {self.analysis.metric} better than guessing"
            )
        return Run(best.path, objects=self._objects)

    @property
    def headline(self) -> str:
        """The result in a sentence, one for each task."""
        return " ".join(headline(task, self.analysis) for task in self.analysis.tasks)

    @property
    def groups(self) -> pd.DataFrame:
        """A row for each group: settings, mean, interval, comparison with the best; as `summary.csv`."""
        return _frame(summary_table(self.analysis))

    def to_frame(self) -> pd.DataFrame:
        """A row for each run: status, settings, seed, metrics; as `runs.csv`."""
        return _frame(runs_table(self.analysis))

    def _figures_html(self) -> str:
        options, analysis = FigureOptions(), self.analysis
        builders = (ranking, learning_curves)
        figures = [
            build(task, analysis, options) for task in analysis.tasks[:MOST_TASKS] for build in builders
        ]
        return "".join(map(figure_html, figures))

    def _repr_html_(self) -> str:
        tables = "".join(task_html(task, self.analysis) for task in self.analysis.tasks)
        return f"{tables}{paragraphs_html(self.analysis.notes)}{self._figures_html()}<p>{escaped(self)}</p>"


class Sweep(Comparison):
    """The runs of a sweep.

    Args:
        directory: The sweep's directory.
        objects: The networks and the data that were given in Python.
    """

    def __init__(
        self, directory: str | PathLike[str], objects: Mapping[tuple[Kind, str], Any] | None = None
    ) -> None:
        self.directory = Path(directory)
        self._objects = dict(objects or {})

    @cached_property
    def analysis(self) -> Analysis:  # type: ignore[override]
        """The runs as they are when this is first asked for."""
        return analyse_runs([self.directory])

    def __repr__(self) -> str:
        return printable(f"<abreast.Sweep {self.directory}: {format_statuses(self.analysis.sweep)}>")


class Report(Comparison):
    """A report, with the page and the tables that it has written.

    Args:
        written: What was written.
    """

    def __init__(self, written: WrittenReport) -> None:
        super().__init__(written.page.parent, written.analysis)
        self.page = written.page
        self.files = written.files

    def __repr__(self) -> str:
        return printable(f"<abreast.Report {self.page}: {self.headline}>")


def _frame(table: CsvTable) -> pd.DataFrame:
    import pandas as pd

    columns: Sequence[str] = table.columns
    return pd.DataFrame([list(row) for row in table.rows], columns=list(columns))
