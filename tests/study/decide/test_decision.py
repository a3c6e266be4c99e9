"""The decision on constructed outcomes: pairs, failed and collapsed runs, verdicts, notes, and the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from abreast.runs.directory import RunDirectory
from abreast.study.decide.decision import EXIT_CODES, Decision
from abreast.study.decide.page import write_decision_page
from abreast.study.decide.protocol import DecideProtocol
from abreast.study.decide.terminal import headline, sentences
from abreast.study.selection import read_outcome

EXAMPLES = 1000
DIVERGED = "diverged at step 3"
CHANCE = 0.1  # ten classes


def decision(folder: Path, margin: float = 0.005, metric: str = "test/accuracy") -> Decision:
    """A decision without runs."""
    protocol = DecideProtocol(("loss=a", "loss=b"), ("optim=adam",), margin, 100, 0, metric)
    return Decision(protocol, folder, ("loss=a,b",))


def decided(
    folder: Path,
    first: Sequence[float | None],
    second: Sequence[float | None],
    margin: float = 0.005,
    metric: str = "test/accuracy",
) -> Decision:
    """A decision after one look at runs that ended with these values; None for a run that diverged."""
    made = decision(folder, margin, metric)
    for seed, values in enumerate(zip(first, second, strict=True)):
        outcomes = []
        for side, value in enumerate(values):
            run = RunDirectory(folder / f"{side}-{seed}")
            run.path.mkdir()
            if value is None:
                run.write_status("failed", reason=DIVERGED, diverged_at=3)
            else:
                run.write_status("finished")
                run.write_result(result(value, metric))
            outcomes.append(read_outcome(run.path, seed, metric))
        made.pairs.add(seed, outcomes)
    made.look()
    return made


def result(value: float, metric: str) -> dict[str, object]:
    return {
        "metrics": {metric: value},
        "classes": [str(number) for number in range(10)],
        "examples": {"test": EXAMPLES},
        "data": {"test": EXAMPLES, "chance": CHANCE},
    }


def accuracies(mean: float, seed: int, n: int = 27) -> list[float]:
    """Accuracies with a standard deviation of half a point."""
    rng = np.random.default_rng(seed)
    return [round(float(value), 3) for value in rng.normal(mean, 0.005, n)]


@pytest.mark.parametrize(
    ("mean", "margin", "verdict", "code"),
    [
        (0.93, 0.001, "better", 0),
        (0.87, 0.001, "worse", 3),
        (0.90, 0.02, "equivalent", 4),
        (0.90, 0.0001, "undecided", 5),
    ],
)
def test_each_verdict_has_its_exit_code(
    tmp_path: Path, mean: float, margin: float, verdict: str, code: int
) -> None:
    made = decided(tmp_path, accuracies(0.90, 1), accuracies(mean, 2), margin)
    assert (made.verdict, made.exit_code) == (verdict, code)
    assert made.exit_code in EXIT_CODES.values()
    made.write()
    content = json.loads((tmp_path / "decision.json").read_text())
    assert (content["verdict"], content["exit_code"], content["n"]) == (verdict, code, 27)
    assert verdict in headline(made).lower()


def test_a_lower_loss_is_better(tmp_path: Path) -> None:
    made = decided(tmp_path, accuracies(0.5, 1), accuracies(0.4, 2), metric="test/loss")
    assert made.verdict == "better"


def test_a_difference_within_the_margin_is_equivalent_with_a_note(tmp_path: Path) -> None:
    first = [0.90, 0.901] * 20
    made = decided(tmp_path, first, [value + 0.004 for value in first], 0.02)
    assert made.verdict == "equivalent"
    assert "There is a difference, but it is smaller than the margin." in made.notes()


def test_equal_values_are_believed_to_one_example(tmp_path: Path) -> None:
    made = decided(tmp_path, [0.9] * 8, [0.9] * 8, 0.0001)
    assert made.looks[-1].interval.sd == 1 / EXAMPLES
    assert made.verdict == "undecided"
    assert any("a standard deviation of one example was assumed" in note for note in made.notes())


def test_equal_losses_have_an_interval_of_their_rounding(tmp_path: Path) -> None:
    interval = decided(tmp_path, [0.5] * 8, [0.5] * 8, 0.0001, "test/loss").looks[-1].interval
    assert interval.low is not None
    assert interval.high is not None
    assert 0 < interval.high - interval.low < 1e-5


def test_the_seed_of_a_failed_run_is_left_out_and_named(tmp_path: Path) -> None:
    first, second = accuracies(0.9, 1), [None, *accuracies(0.93, 2)[1:]]
    made = decided(tmp_path, first, second, 0.001)
    assert (made.verdict, made.looks[-1].interval.n, made.looks[-1].failed) == ("better", 26, (0, 1))
    assert made.notes() == [f"loss=b: 1 of 27 runs failed, and their seeds are left out (seed 0: {DIVERGED})"]


def test_where_most_runs_failed_there_is_no_verdict(tmp_path: Path) -> None:
    made = decided(tmp_path, accuracies(0.9, 1), [*accuracies(0.5, 2, 13), *[None] * 14], 0.001)
    assert made.verdict == "undecided"
    assert made.stopped == "more than half of the runs of a setting failed"
    assert "Stopped: more than half of the runs of a setting failed." in sentences(made, None)


def test_collapsed_runs_are_left_out_and_named(tmp_path: Path) -> None:
    second = [CHANCE, CHANCE, *accuracies(0.93, 2)[2:]]
    made = decided(tmp_path, accuracies(0.9, 1), second, 0.001)
    assert (made.looks[-1].interval.n, made.looks[-1].collapsed) == (25, (0, 2))
    notes = made.notes()
    assert notes[0].startswith("loss=b: 2 of 27 runs collapsed (no better than a constant prediction)")
    assert notes[0].endswith("(seed 0, 1)")
    assert made.verdict == "better"
    assert notes[1] == "But loss=b collapsed more often: the verdict is of the runs that did not."


def test_a_setting_that_always_collapses_is_worse(tmp_path: Path) -> None:
    made = decided(tmp_path, accuracies(0.9, 1, 12), [CHANCE] * 12)
    assert (made.verdict, made.looks[-1].interval.n) == ("worse", 0)
    assert "no seed with two values" in sentences(made, None)[0]
    write_decision_page(made, None)  # which has nothing to draw
    assert "loss=b is worse than loss=a" in (tmp_path / "report" / "report.html").read_text()


def test_seeds_on_which_both_collapsed_say_nothing(tmp_path: Path) -> None:
    made = decided(tmp_path, [CHANCE] * 18, [CHANCE] * 18)
    assert made.verdict == "undecided"


def test_the_waves_of_a_larger_budget_begin_like_those_of_a_smaller_one() -> None:
    def waves(most: int) -> list[tuple[int, ...]]:
        return DecideProtocol(("a=1", "a=2"), (), 0.1, most, 5, "test/accuracy").waves()

    assert waves(100)[:7] == waves(200)[:7]
    assert waves(12) == [tuple(range(5, 13)), tuple(range(13, 17))]
    protocol = DecideProtocol(("a=1", "a=2"), ("b=3",), 0.1, 8, 0, "test/accuracy")
    assert protocol.runs([7]) == [
        ["b=3", "a=1", "seed=7", "test=true"],
        ["b=3", "a=2", "seed=7", "test=true"],
    ]


def test_the_file_holds_each_run_with_its_reason(tmp_path: Path) -> None:
    made = decided(tmp_path, [0.9, 0.91], [0.9, None])
    made.write()
    runs: list[Mapping[str, object]] = json.loads((tmp_path / "decision.json").read_text())["runs"]
    assert [run["paired"] for run in runs] == [True, False]
    assert runs[1]["failed"] == [None, DIVERGED]
    assert runs[1]["runs"] == ["0-1", "1-1"]
