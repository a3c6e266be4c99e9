"""The figures of a report, in the order of the page. Add a figure by adding its builder here."""

from __future__ import annotations

from dataclasses import dataclass

from abreast.report.figures.base import FigureBuilder
from abreast.report.figures.confusion_matrix import confusion_matrix
from abreast.report.figures.curves import learning_curves
from abreast.report.figures.differences import differences
from abreast.report.figures.heatmap import heatmap
from abreast.report.figures.lr_sensitivity import lr_sensitivity
from abreast.report.figures.ranking import ranking
from abreast.report.figures.time_to_target import time_to_target


@dataclass(frozen=True)
class FigureGroup:
    """A section of the page with its figures.

    Attributes:
        id: HTML id of the section.
        title: Heading of the section.
        nav: Its link in the navigation bar.
        builders: Make the figures; those that return None are left out.
    """

    id: str
    title: str
    nav: str
    builders: tuple[FigureBuilder, ...]


FIGURES = (
    FigureGroup("final", "Final results", "Results", (heatmap, ranking, differences)),
    FigureGroup("learning", "Learning curves", "Curves", (learning_curves,)),
    FigureGroup("sensitivity", "Sensitivity to the learning rate", "Learning rate", (lr_sensitivity,)),
    FigureGroup("speed", "Epochs and time to a target", "Target", (time_to_target,)),
)
# Drawn between the text on the best run and its worst-classified images.
BEST_RUN = FigureGroup("best", "The best run", "Best run", (confusion_matrix,))
