"""A decision between two settings, as Python sees it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from abreast.api.html import figure_html, paragraphs_html
from abreast.runs.files import REPORT, REPORT_PAGE
from abreast.runtime.printable import printable
from abreast.study.decide.decision import Decision as Decided
from abreast.study.decide.figures import seeds_figure, waves_figure
from abreast.study.decide.page import decision_analysis
from abreast.study.decide.terminal import headline, sentences

if TYPE_CHECKING:
    import pandas as pd


class Decision:
    """What was decided, and what it rests on.

    Args:
        decided: The decision.
    """

    def __init__(self, decided: Decided) -> None:
        self._decided = decided

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `equivalent` or `undecided`: the second setting compared with the first."""
        return self._decided.verdict

    @property
    def headline(self) -> str:
        """The verdict in a sentence."""
        return headline(self._decided)

    @property
    def directory(self) -> Path:
        """The directory of the runs."""
        return self._decided.directory

    @property
    def page(self) -> Path:
        """The page that shows it."""
        return self.directory / REPORT / REPORT_PAGE

    def to_frame(self) -> pd.DataFrame:
        """A row for each seed: the metric of both settings, nan for a run that failed, and the difference."""
        import pandas as pd

        first, second = self._decided.protocol.settings
        rows = [
            [seed, *(outcome.score for outcome in outcomes)]
            for seed, outcomes in self._decided.pairs.outcomes.items()
        ]
        frame = pd.DataFrame(rows, columns=["seed", first, second], dtype=float).astype({"seed": int})
        frame["difference"] = frame[second] - frame[first]
        return frame.set_index("seed")

    def __repr__(self) -> str:
        return printable(f"<abreast.Decision {self.directory}: {self.headline}>")

    def _repr_html_(self) -> str:
        analysis = decision_analysis(self._decided)
        lines = [self.headline, *sentences(self._decided, analysis)]
        figures = map(figure_html, (waves_figure(self._decided), seeds_figure(self._decided)))
        return paragraphs_html(lines, first_is_bold=True) + "".join(figures)
