"""Losses that weigh the classes by their number in the training split, which the run counts and keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from abreast.build.data import build_data
from abreast.data.synthetic import random_classes
from abreast.errors import ConfigError
from abreast.inference.evaluate import evaluate
from abreast.inference.load import rebuild, reopened
from abreast.learner.checkpoint import load
from abreast.training.run import run
from support.helpers import allowed, compose

TINY = (
    "data=random",
    "data.size=90",
    "data.test_size=60",
    "data.classes=3",
    "data.label_noise=0.1",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "callbacks=none",
    "logger=none",
)
FOLDS = ("data.folds=3", "loss=ldam")


def kept_counts(path: Path) -> list[int]:
    state = load(path / "checkpoints" / "best.ckpt")["state_dict"]
    return list(state["loss.criterion.class_counts"].tolist())


def counted(*overrides: str) -> list[int]:
    with allowed():
        data = build_data(compose(*TINY, *overrides))
    return [int((data.train.targets == label).sum()) for label in range(3)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("counts") / "run"
    with allowed():
        run(compose(*TINY, "loss=logit_adjusted"), folder)
    return folder


def test_a_checkpoint_holds_the_counts_of_the_training_split(path: Path) -> None:
    counts = kept_counts(path)
    assert counts == counted()
    assert sum(counts) == 81
    assert len(set(counts)) > 1


def test_another_test_uses_the_counts_of_the_training(path: Path) -> None:
    with reopened(path) as (directory, config):
        learner = rebuild(directory, config)
    other = random_classes(size=30, test_size=60, classes=3, seed=5)
    with torch.inference_mode():
        scores = learner(other.test.inputs)
    log_prior = (torch.tensor(kept_counts(path)) / 81).log()
    log_probs = (scores + log_prior).log_softmax(1)
    expected = -log_probs[torch.arange(60), other.test.targets].mean().item()
    got = evaluate(path, overrides=["data.seed=5", "data.size=30"])
    assert got["test/loss"] == pytest.approx(expected, rel=1e-5)
    assert got["test/accuracy"] == pytest.approx(
        (scores.argmax(1) == other.test.targets).double().mean().item()
    )


def test_every_fold_of_a_stack_has_its_counts(
    both: Callable[..., list[tuple[Path, Path]]],
    check: Callable[[Path, Path], None],
) -> None:
    lanes = both([compose(*TINY, *FOLDS, f"data.fold={fold}") for fold in range(3)])
    for fold, (lane, plain) in enumerate(lanes):
        check(lane, plain)
        assert kept_counts(lane) == counted(*FOLDS, f"data.fold={fold}")
    assert len({tuple(kept_counts(lane)) for lane, _ in lanes}) > 1


def test_given_counts_are_kept(tmp_path: Path) -> None:
    with allowed():
        run(compose(*TINY, "loss=ldam", "loss.criterion.class_counts=[5,6,7]"), tmp_path)
    assert kept_counts(tmp_path) == [5, 6, 7]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("loss=logit_adjusted", "data.size=6", "data.classes=5"),
            r"class \d has none\. Choose another",
        ),
        (("loss=ldam", "loss.criterion.class_counts=[1,2]"), r"class_counts has shape \[2\]: give 3"),
    ],
)
def test_counts_that_a_loss_cannot_use(overrides: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with allowed(), pytest.raises(ConfigError, match=message):
        run(compose(*TINY, "data.label_noise=0", "data.val_fraction=0", *overrides), tmp_path)
