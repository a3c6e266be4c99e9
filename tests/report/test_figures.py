"""Every figure of the registry, on a sweep that has something to show in each of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import plotly.graph_objects as go
import pytest

from abreast.report.analysis import analyse
from abreast.report.collect import collect
from abreast.report.figures.base import Figure, FigureBuilder, FigureOptions
from abreast.report.figures.confusion_matrix import confusion_matrix
from abreast.report.figures.curves import learning_curves
from abreast.report.figures.differences import differences
from abreast.report.figures.heatmap import heatmap
from abreast.report.figures.lr_sensitivity import lr_sensitivity
from abreast.report.figures.ranking import ranking
from abreast.report.figures.registry import BEST_RUN, FIGURES
from abreast.report.figures.time_to_target import time_to_target
from abreast.report.groups import Analysis
from support.report_runs import config, write_run

# The builder, the figure's id, the number of its variants and of the rows of its numbers.
FIGURE_ROWS: list[tuple[FigureBuilder, str, int, int]] = [
    (heatmap, "heatmap", 1, 4),
    (ranking, "ranking", 1, 8),
    (differences, "differences", 1, 7),
    (learning_curves, "curves", 8, 4),
    (lr_sensitivity, "lr-sensitivity", 1, 8),
    (time_to_target, "time-to-target", 2, 8),
    (confusion_matrix, "confusion", 1, 2),
]


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """Two losses by two optimizers by two learning rates, on two seeds."""
    folder: Path = tmp_path_factory.mktemp("sweep")
    for loss in ("cross_entropy", "mse"):
        for optim in ("adam", "sgd"):
            for rate in (0.1, 0.01):
                for seed in range(2):
                    cfg = config(seed=seed, loss=loss, optim=optim, optim__lr=rate)
                    value = 0.9 + 0.02 * (optim == "adam") + 0.01 * seed
                    write_run(folder / f"{loss}-{optim}-{rate}-{seed}", cfg, test=value, val=value)
    return analyse(collect([folder]))


def build(builder: FigureBuilder, analysis: Analysis) -> Figure | None:
    (task,) = analysis.tasks
    return builder(task, analysis, FigureOptions())


def test_the_table_has_every_figure() -> None:
    registered = [builder for group in (*FIGURES, BEST_RUN) for builder in group.builders]
    assert [builder for builder, *_ in FIGURE_ROWS] == registered


def test_the_axis_of_the_learning_rate_is_where_the_rates_are(tmp_path: Path) -> None:
    for rate in (0.003, 0.01, 0.03):
        for seed, value in enumerate((0.97, 0.99)):
            write_run(tmp_path / f"{rate}-{seed}", config(seed=seed, optim__lr=rate), test=value)
    figure = build(lr_sensitivity, analyse(collect([tmp_path])))
    assert figure is not None
    (variant,) = figure.variants.values()
    axis = variant["layout"]["xaxis"]
    assert (axis["tickvals"], axis["ticktext"]) == ([0.003, 0.01, 0.03], ["0.003", "0.01", "0.03"])
    low, high = axis["range"]
    assert (
        math.log10(0.003) - 0.1 < low < math.log10(0.003) < math.log10(0.03) < high < math.log10(0.03) + 0.1
    )
    bars = variant["data"][0]["error_y"]
    assert max(bars["array"]) < min(bars["arrayminus"])  # the interval ends at an accuracy of 1


@pytest.mark.parametrize(("builder", "name", "variants", "rows"), FIGURE_ROWS)
def test_a_figure(builder: FigureBuilder, name: str, variants: int, rows: int, analysis: Analysis) -> None:
    figure = build(builder, analysis)
    assert figure is not None
    assert (figure.id, len(figure.variants), len(figure.rows)) == (name, variants, rows)
    assert math.prod(len(options) for _, options in figure.choices) == variants
    assert all(len(row) == len(figure.headers) for row in figure.rows)
    for variant in figure.variants.values():
        go.Figure(variant)  # refuses names and values that plotly.js would ignore


@pytest.mark.parametrize("builder", [builder for builder, *_ in FIGURE_ROWS])
def test_a_figure_without_anything_to_show_is_left_out(builder: FigureBuilder, tmp_path: Path) -> None:
    write_run(tmp_path / "a", config(), status="failed", epochs=0)
    assert build(builder, analyse(collect([tmp_path]))) is None


def test_every_run_is_a_dot(analysis: Analysis) -> None:
    figure = build(ranking, analysis)
    assert figure is not None
    (variant,) = figure.variants.values()
    dots = next(trace for trace in variant["data"] if trace["name"] == "a run")
    assert sorted(dots["x"]) == sorted(value for group in analysis.groups for value in group.values.values())
    assert len(dots["x"]) == 16


def test_runs_at_chance_do_not_stretch_the_axis(tmp_path: Path) -> None:
    for optim, values in {"adam": (0.97, 0.98), "sgd": (0.96, 0.1), "adagrad": (0.1, 0.1)}.items():
        for seed, value in enumerate(values):
            cfg = config(seed=seed, optim=optim)
            run = write_run(tmp_path / f"{optim}{seed}", cfg, test=value, classes=tuple("0123456789"))
            result = json.loads((run / "result.json").read_text())
            (run / "result.json").write_text(json.dumps({**result, "data": {"chance": 0.1, "test": 360}}))
    found = analyse(collect([tmp_path]), margin=0.05)
    figure = build(ranking, found)
    assert figure is not None
    variant = figure.variants["all",]
    low, high = variant["layout"]["xaxis"]["range"]
    assert 0.2 < low < 0.96
    assert high > 0.98
    (text,) = (trace["text"] for trace in variant["data"] if trace["mode"] == "text")
    assert text == ["◂ 1 of 2 collapsed", "◂ 2 of 2 collapsed"]
    shown = build(differences, found)
    assert shown is not None
    band = next(shape for shape in shown.variants[()]["layout"]["shapes"] if shape["type"] == "rect")
    assert (band["x0"], band["x1"]) == (-0.05, 0.05)
