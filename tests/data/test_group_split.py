"""Splits of whole groups that leave rows of every class to train on."""

from __future__ import annotations

import pytest
import torch

from abreast.data.drawn_source import drawn_source
from abreast.data.group_split import group_split
from abreast.data.partition import partition
from abreast.errors import ConfigError, DataError

# 20 groups of 5 rows; the rare class 2 is in groups 3 and 4 alone.
GROUPS = torch.arange(100) // 5
LABELS = torch.arange(100) % 2
LABELS[15:25:5] = 2


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5, 0.95])
def test_every_class_is_left_to_train_on(fraction: float) -> None:
    for seed in range(30):
        train, held = group_split(GROUPS, fraction, seed, LABELS)
        assert {*LABELS[train].tolist()} == {0, 1, 2}
        assert not {*GROUPS[train].tolist()} & {*GROUPS[held].tolist()}
        assert sorted([*train.tolist(), *held.tolist()]) == list(range(100))
        assert len(held) == pytest.approx(100 * fraction, abs=2.5)


def test_values_have_no_classes() -> None:
    train, held = group_split(GROUPS, 0.2, 0, torch.rand(100, 1))
    assert (len(train), len(held)) == (80, 20)
    assert [len(part) for part in group_split(GROUPS, 0.0, 0, LABELS)] == [100, 0]


def test_groups_that_cannot_be_spared() -> None:
    with pytest.raises(ConfigError, match=r"every group has a class that no other group has"):
        group_split(GROUPS, 0.2, 0, GROUPS)
    with pytest.raises(ConfigError, match=r"all rows are of one group"):
        group_split(torch.zeros(9), 0.2, 0, torch.arange(9))


def test_redrawn_parts_and_folds_keep_the_classes_or_say_so() -> None:
    inputs = torch.rand(100, 3)
    rows = group_split(GROUPS, 0.2, 0, LABELS)
    source = drawn_source(inputs, LABELS, rows, ("a", "b", "rare"), groups=GROUPS)
    refused = 0
    for seed in range(20):
        parts = partition(source, 0.2, split_seed=seed)
        assert {*source.pool_targets[parts.train].tolist()} == {0, 1, 2}
        try:
            parts = partition(source, 0.2, split_seed=seed, folds=2, fold=0)
        except DataError as error:
            assert "all rows of the class 'rare' are in groups of this fold" in str(error)  # noqa: PT017
            refused += 1
        else:
            assert {*source.pool_targets[parts.train].tolist()} == {0, 1, 2}
    assert 1 < refused < 19
