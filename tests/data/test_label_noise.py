"""Wrong labels: how many, which, and what keeps its own."""

from __future__ import annotations

import pytest
import torch

from abreast.data.datamodule import DataModule
from abreast.data.label_noise import replace_labels
from abreast.data.sklearn_digits import digits
from abreast.data.synthetic import random_regression
from abreast.errors import ConfigError

LABELS = torch.arange(3000) % 5


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_exactly_that_share_is_wrong(share: float) -> None:
    noisy = replace_labels(LABELS, share, 5, 0)
    assert int((noisy != LABELS).sum()) == round(share * 3000)
    assert noisy.dtype == torch.int64
    assert 0 <= int(noisy.min()) <= int(noisy.max()) < 5


def test_the_wrong_classes_are_drawn_evenly() -> None:
    steps = (replace_labels(LABELS, 1.0, 5, 0) - LABELS) % 5
    counts = steps.bincount(minlength=5).tolist()
    assert counts[0] == 0
    # Chi-squared of 3 degrees of freedom: 16.3 is exceeded once in 1,000 (R: qchisq(0.999, 3) = 16.27).
    assert sum((count - 750) ** 2 / 750 for count in counts[1:]) < 16.3


def test_more_noise_holds_the_lesser() -> None:
    few, many = (replace_labels(LABELS, share, 5, 0) for share in (0.1, 0.3))
    wrong = few != LABELS
    assert torch.equal(few[wrong], many[wrong])


def test_it_is_a_function_of_its_seed() -> None:
    assert torch.equal(replace_labels(LABELS, 0.3, 5, 1), replace_labels(LABELS, 0.3, 5, 1))
    assert not torch.equal(replace_labels(LABELS, 0.3, 5, 1), replace_labels(LABELS, 0.3, 5, 2))


def test_ignored_labels_stay_and_do_not_count() -> None:
    labels = LABELS.clone()
    labels[:1000] = -100
    noisy = replace_labels(labels, 0.5, 5, 0, ignore_index=-100)
    assert torch.equal(noisy[:1000], labels[:1000])
    assert int((noisy != labels).sum()) == 1000


@pytest.mark.parametrize(("share", "classes"), [(-0.1, 5), (1.1, 5), ("much", 5), (True, 5), (0.1, 1)])
def test_what_cannot_be_is_refused(share: float, classes: int) -> None:
    with pytest.raises(ConfigError):
        replace_labels(LABELS, share, classes, 0)


def test_only_training_labels_are_replaced_and_inputs_stay() -> None:
    clean, noisy = (DataModule(digits(), batch_size=32, label_noise=noise) for noise in (0.0, 0.25))
    assert int((clean.train.targets != noisy.train.targets).sum()) == round(0.25 * len(clean.train))
    assert torch.equal(clean.train.inputs, noisy.train.inputs)
    for part in ("val", "test"):
        assert torch.equal(getattr(clean, part).targets, getattr(noisy, part).targets)
        assert torch.equal(getattr(clean, part).inputs, getattr(noisy, part).inputs)


def test_the_runs_seed_does_not_change_which() -> None:
    one, other = (DataModule(digits(), batch_size=32, label_noise=0.25, seed=seed) for seed in (0, 1))
    assert torch.equal(one.train.targets, other.train.targets)


def test_regression_has_no_labels_to_replace() -> None:
    with pytest.raises(ConfigError, match="not classes"):
        DataModule(random_regression(size=20, test_size=5), batch_size=4, label_noise=0.1)
