"""The cells of a study are ranked over its data sets, whatever setting tuning chose on each."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from abreast.report.dataset_text import rank_sentences
from abreast.study.cells import Cell
from abreast.study.datasets import study_datasets
from abreast.study.selection import Outcome

DIGESTS = {"numbers": "digits"}  # another name for the same content


def result(scores: dict[tuple[str, ...], float | None]) -> Any:
    """As much of a study's result as its ranks need: test scores by loss, data and further overrides."""
    cells = []
    for loss, data, *more in scores:
        name = ", ".join((loss, data, *more))
        cells.append(Cell(name, {"loss": loss, "data": data}, (f"loss={loss}", f"data={data}", *more), {}))
    outcomes = [
        (Outcome(Path(), 0, score, sizes={"data": {"digest": DIGESTS.get(data, data)}}),)
        for (_, data, *_), score in scores.items()
    ]
    found = SimpleNamespace(
        choices=[SimpleNamespace(cell=cell) for cell in cells],
        repeats=outcomes,
        criteria=SimpleNamespace(metric="test/accuracy"),
    )
    return cast("Any", found)


def test_options_with_the_same_content_are_one_data_set() -> None:
    scores: dict[tuple[str, ...], float | None] = {
        (loss, data): score
        for loss, score in (("mse", 0.9), ("hinge", 0.8))
        for data in ("digits", "mnist", "numbers")
    }
    found = study_datasets(result(scores))
    assert found is not None
    assert found.names == ("digits", "mnist")


def test_cells_that_differ_in_their_data_alone_are_one_group() -> None:
    found = study_datasets(
        result(
            {
                ("mse", "digits"): 0.9,
                ("mse", "mnist"): 0.8,
                ("hinge", "digits"): 0.7,
                ("hinge", "mnist"): None,  # all repeats failed
            }
        )
    )
    assert found is not None
    assert found.ranks is not None
    assert found.ranks.groups == ("mse", "hinge")
    assert found.ranks.ranks.tolist() == [[1, 1], [2, 2]]
    assert found.failed == {"hinge": ("mnist",)}
    assert "Too few data sets for a test of ranks: 2 of 5." in rank_sentences(found)


def test_label_noise_is_averaged() -> None:
    noise = "data.label_noise=0.2"
    scores: dict[tuple[str, ...], float | None] = {
        ("mse", "digits"): 0.9,
        ("mse", "digits", noise): 0.5,
        ("mse", "mnist"): 0.8,
        ("hinge", "digits"): 0.8,
        ("hinge", "digits", noise): 0.7,
        ("hinge", "mnist"): 0.7,
    }
    found = study_datasets(result(scores))
    assert found is not None
    assert found.scores == {"mse": {"digits": 0.7, "mnist": 0.8}, "hinge": {"digits": 0.75, "mnist": 0.7}}


def test_one_data_set_has_no_ranks() -> None:
    assert study_datasets(result({("mse", "digits"): 0.9, ("hinge", "digits"): 0.8})) is None
