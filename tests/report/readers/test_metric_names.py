"""Which way a metric is better, by what its header says."""

from __future__ import annotations

import pytest

from abreast.metrics.registry import METRICS
from abreast.report.readers.metric_names import direction_of, is_measured, is_metric, split_stage


@pytest.mark.parametrize(
    ("name", "mode", "base"),
    [
        ("hallucination score ↓", "min", "hallucination score"),
        ("return (↓)", "min", "return"),
        (r"score $\downarrow$", "min", "score"),
        (r"FID (\uparrow)", "max", "FID"),
        ("test acc. (%) ↑", "max", "acc"),
        ("fitness [↑]", "max", "fitness"),
        ("toxicity (lower is better)", "min", "toxicity"),
        ("neg_log_likelihood", "min", "neg_log_likelihood"),
        ("negative log likelihood", "min", "negative log likelihood"),
        ("test_negative_elbo", "min", "negative_elbo"),
        ("test_neg_mean_squared_error", "max", "neg_mean_squared_error"),
        ("log_likelihood", "max", "log_likelihood"),
        ("accuracy drop", None, "accuracy drop"),
        ("score_gap", None, "score_gap"),
        ("forgetting", None, "forgetting"),
        ("decrease of the error", None, "decrease of the error"),
        ("accuracy drop ↓", "min", "accuracy drop"),
    ],
)
def test_the_direction(name: str, mode: str | None, base: str) -> None:
    assert direction_of(name) == mode
    assert is_metric(name)
    assert split_stage(name)[1].replace("_", " ") == base.replace("_", " ")


def test_settings_with_such_words_are_no_metrics() -> None:
    assert not any(map(is_metric, ("dropout", "learning rate drop", "gap", "lr_decrease", "backbone")))


def test_metrics_of_the_project_have_their_direction() -> None:
    assert {metric.name: direction_of(metric.name) for metric in METRICS} == {m.name: m.mode for m in METRICS}


@pytest.mark.parametrize("name", ["acc" + " " * 50_000 + "x", "cpu_" + "mem_" * 30_000 + "\n", "(" * 50_000])
@pytest.mark.timeout(20)
def test_a_long_text_is_no_metric(name: str) -> None:
    assert not is_metric(name)
    assert not is_measured(name)
    assert direction_of(name) is None
    assert split_stage(name) == ("", name)


def test_blanks_in_a_header_take_linear_time() -> None:
    assert is_metric("acc" + " " * 900 + "(↑)")
