"""The checks on a source: each mistake is named, with where, what, how many, and the fix."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from abreast.data.checks import check_labels
from abreast.data.columns import numbers
from abreast.data.source import Source, Split
from abreast.errors import DataError

IMAGES = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
LABELS = torch.tensor([0, 1, 2, 0])
GOOD = Split(IMAGES, LABELS)
FEATURES = torch.zeros(4, 3)
VALUES = torch.zeros(4, 2)


def test_good_sources_pass() -> None:
    source = Source(GOOD, Split(IMAGES[:2], LABELS[:2]), ("a", "b", "c"))
    assert len(source.train) == 4
    assert dict(source.facts) == {}
    assert source.ignore_index is None
    Source(Split(FEATURES, VALUES), Split(FEATURES, VALUES), (), {"best_mse": 0.0})
    Source(GOOD, Split(IMAGES, torch.tensor([0, 255, 2, 1])), ("a", "b", "c"), ignore_index=255)


@pytest.mark.parametrize(
    ("split", "classes", "said"),
    [
        (Split(IMAGES[:3], LABELS), 3, ["test has 3 inputs", "[4]"]),
        (Split(IMAGES, torch.tensor(1)), 3, ["test has 4 inputs", "shape []"]),
        (Split(IMAGES[:0], LABELS[:0]), 3, ["test inputs are empty"]),
        (Split(IMAGES.double(), LABELS), 3, ["test inputs are torch.float64", "uint8 or float32"]),
        (Split(torch.zeros(4), LABELS), 3, ["test inputs", "[4]"]),
        (Split(IMAGES, LABELS.int()), 3, ["test targets are torch.int32", ".long()"]),
        (Split(IMAGES, LABELS.float()), 3, ["test targets are torch.float32"]),
        (Split(IMAGES, LABELS[:, None]), 3, ["test targets", "[4, 1]", ".flatten()"]),
        (Split(IMAGES, LABELS), 2, ["1 of 4 labels", "0..1", "row 2 holds 2"]),
        (Split(IMAGES, LABELS - 1), 3, ["2 of 4 labels", "row 0 holds -1", "number the classes from 0"]),
        (Split(IMAGES, LABELS), 0, ["test targets are torch.int64", "regression", "float32"]),
        (Split(IMAGES, torch.zeros(4)), 0, ["[4]", "[N, D]"]),
        (Split(IMAGES[:, :, :1], LABELS), 3, ["[1, 2, 2]", "[1, 1, 2]"]),
        (Split(IMAGES.float(), LABELS), 3, ["torch.uint8 rows", "torch.float32 rows"]),
    ],
)
def test_mistakes_are_named(split: Any, classes: int, said: list[str]) -> None:
    train = GOOD if classes else Split(FEATURES, VALUES)
    names = ("a", "b", "c")[:classes]
    if classes == 2:
        train = Split(IMAGES, LABELS % 2)
    with pytest.raises(DataError) as raised:
        Source(train, split, names)
    for part in said:
        assert part in str(raised.value)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite(bad: Any) -> None:
    features = FEATURES.clone()
    features[2, 1] = features[3, 0] = features[3, 1] = bad
    with pytest.raises(DataError, match=rf"train inputs: 3 values in 2 of 4 rows .* \(row 2 holds {bad}\)"):
        Source(Split(features, LABELS), Split(FEATURES, LABELS), ("a", "b", "c"))
    values = VALUES.clone()
    values[1, 0] = bad
    with pytest.raises(DataError, match=rf"test targets: 1 values in 1 of 4 rows .* \(row 1 holds {bad}\)"):
        Source(Split(FEATURES, VALUES), Split(FEATURES, values), ())


def test_check_labels_counts_every_label_outside() -> None:
    labels = torch.tensor([0, 7, -3, 2, -100])
    with pytest.raises(DataError, match=r"val targets: 3 of 5 .* \(row 1 holds 7; lowest -100, highest 7\)"):
        check_labels(labels, 3, "val")
    with pytest.raises(DataError, match=r"2 of 5 .* 0\.\.2 or ignore_index=-100 .*lowest -3"):
        check_labels(labels, 3, "val", ignore_index=-100)
    check_labels(torch.tensor([0, 2, -100]), 3, "val", ignore_index=-100)
    check_labels(torch.empty(0, dtype=torch.int64), 3, "val")


@pytest.mark.parametrize("name", ["\udcff", "a\ud800b"])
def test_names_that_are_not_text(name: str) -> None:
    """Of a folder whose name is not UTF-8: a run with it would fail at its end, in writing its results."""
    with pytest.raises(DataError, match=r"the name '.*ud\w{3}.*' of a class or column is not text"):
        Source(GOOD, GOOD, ("a", "b", name))
    with pytest.raises(DataError, match="is not text"):
        Source(GOOD, GOOD, ("a", "b", "c"), columns=numbers([name]))


def test_sources_compare_without_an_ambiguous_tensor() -> None:
    source = Source(GOOD, GOOD, ("a", "b", "c"))
    assert source == source
    assert source != Source(GOOD, GOOD, ("a", "b", "c"))
