"""Which rows are trained, validated and tested on: every row once, and a function of the split alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from abreast.data.datamodule import DataModule
from abreast.data.partition import partition
from abreast.data.sklearn_digits import digits
from abreast.data.source import Source, Split, Subset
from abreast.data.split import fold_numbers, stratified_split
from abreast.data.synthetic import random_classes
from abreast.errors import ConfigError


def official(rows: int = 100) -> Source:
    """Classes with a test set that everybody uses."""
    split = Split(torch.arange(rows)[:, None].float(), torch.arange(rows) % 4)
    test = Split(torch.zeros(7, 1), torch.zeros(7, dtype=torch.int64))
    return Source(split, test, ("a", "b", "c", "d"))


@settings(max_examples=100, deadline=None)
@given(
    labels=st.lists(st.sampled_from([-100, 0, 1, 5]), min_size=2, max_size=60),
    folds=st.integers(2, 9),
    seed=st.integers(0, 3),
    regression=st.booleans(),
)
def test_folds_differ_by_one_row_at_most(labels: Any, folds: int, seed: int, regression: Any) -> None:
    folds = min(folds, len(labels))
    targets = torch.tensor(labels)
    numbers = fold_numbers(targets.float()[:, None] if regression else targets, folds, seed)
    sizes = numbers.bincount(minlength=folds)
    assert len(sizes) == folds
    assert sizes.max() - sizes.min() <= 1
    for label in set(labels) if not regression else ():
        of_class = numbers[targets == label].bincount(minlength=folds)
        assert of_class.max() - of_class.min() <= 1


def test_each_example_is_tested_exactly_once_over_the_folds() -> None:
    source = digits()
    parts = [partition(source, 0.1, 0, 5, fold) for fold in range(5)]
    tested = torch.cat([part.test for part in parts if part.test is not None])
    assert torch.equal(tested.sort().values, torch.arange(1797))
    assert sorted({len(part.test) for part in parts if part.test is not None}) == [359, 360]
    for part in parts:
        assert part.test is not None
        everything = torch.cat([part.train, part.val, part.test])
        assert torch.equal(everything.sort().values, torch.arange(1797))
        assert part.drawn == "test"


def test_split_0_is_the_sources_own_and_others_draw_the_test_rows_anew() -> None:
    source = digits()
    own, other, third = (partition(source, 0.1, seed) for seed in (0, 1, 2))
    assert own.test is not None
    assert torch.equal(source.pool.inputs[own.test], source.test.inputs)
    train, val = stratified_split(source.train.targets, 0.1, 0)
    assert torch.equal(own.train, train)
    assert torch.equal(own.val, val)
    for part in (other, third):
        assert part.test is not None
        assert len(part.test) == len(source.test)
        assert not torch.equal(part.test, own.test)
        counts = source.pool.targets[part.test].bincount()
        assert counts.tolist() == source.test.targets.bincount().tolist()  # stratified
    assert other.test is not None
    assert not torch.equal(other.test, third.test)  # type: ignore[arg-type]


def test_an_official_test_set_stays_and_folds_are_validated_on() -> None:
    source = official()
    parts = [partition(source, 0.1, 0, 3, fold) for fold in range(3)]
    assert torch.equal(torch.cat([part.val for part in parts]).sort().values, torch.arange(100))
    for part in parts:
        assert (part.test, part.drawn) == (None, "val")
        assert len(part.train) + len(part.val) == 100
    data = DataModule(source, batch_size=8, folds=3, fold=1, split_seed=4)
    assert data.test is source.test
    assert torch.equal(data.val.inputs, source.train.inputs[partition(source, 0, 4, 3, 1).val])


@pytest.mark.parametrize(
    ("folds", "fold", "message"),
    [
        (5, 5, r"data.fold=5 must be from 0 to 4"),
        (5, -1, r"data.fold=-1 must be from 0 to 4"),
        (5, None, r"data.folds=5 needs data.fold, from 0 to 4"),
        (None, 1, r"data.fold=1, but data.folds is null"),
        (1, 0, r"data.folds=1 of 100 rows must be a whole number from 2 to 100"),
        (101, 0, r"data.folds=101 of 100 rows must be a whole number from 2 to 100"),
    ],
)
def test_folds_that_do_not_exist_are_refused(folds: int | None, fold: int | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        partition(official(), 0.1, 0, folds, fold)


@pytest.mark.parametrize("more", [{}, {"split_seed": 3}, {"folds": 7, "fold": 6}, {"label_noise": 0.3}])
@pytest.mark.parametrize("source", [digits(), random_classes(size=90, test_size=40)], ids=["uint8", "float"])
def test_shared_rows_give_what_copies_give(source: Source, more: dict[str, Any]) -> None:
    copied = DataModule(source, batch_size=32, **more)
    shared = DataModule(source, batch_size=32, shared=True, **more)
    for stage in ("train", "val", "test"):
        part, expected = getattr(shared, stage), getattr(copied, stage)
        assert isinstance(part, Subset)
        assert part.rows is source.pool  # one copy of the rows, however many splits
        assert torch.equal(part.inputs, expected.inputs)
        assert torch.equal(part.targets, expected.targets)
        for (inputs, targets), (others, labels) in zip(part.batches(7), expected.batches(7), strict=True):
            assert torch.equal(inputs, others)
            assert torch.equal(targets, labels)
    assert (shared.mean, shared.std, shared.peak) == (copied.mean, copied.std, copied.peak)
    assert shared.facts == copied.facts


def test_inputs_are_normalised_by_the_runs_own_training_part() -> None:
    one, other = (DataModule(digits(), batch_size=32, folds=5, fold=fold) for fold in (0, 1))
    assert one.mean != other.mean
    assert one.mean == pytest.approx(float(one.train.inputs.double().mean()), rel=1e-12)


def test_a_fact_of_the_test_rows_follows_them() -> None:
    source = random_classes(size=200, test_size=100, noise=0.3)
    own, moved = (DataModule(source, batch_size=32, split_seed=seed).facts for seed in (0, 5))
    assert own == source.facts
    assert moved["best_accuracy"] == own["best_accuracy"]
    part = partition(source, 0.1, 5)
    assert moved["teacher_accuracy"] == float(source.test_facts["teacher_accuracy"][part.test].mean())
