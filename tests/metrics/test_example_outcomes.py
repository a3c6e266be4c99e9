"""Which test examples a run got right, as its own network says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from abreast.build.data import build_data
from abreast.cli.evaluate import main
from abreast.inference.load import rebuild, reopened
from abreast.metrics.example_outcomes import OutcomeCollector
from abreast.runs.directory import RunDirectory
from abreast.runs.example_outcomes import digest, read_example_outcomes
from abreast.runs.files import EXAMPLES
from support.small_runs import TWO_EPOCHS


def scored(run: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores of all test examples by the run's network, and their targets."""
    with reopened(run) as (directory, config):
        data = build_data(config)
        with torch.no_grad():
            return rebuild(directory, config)(data.test.inputs), data.test.targets


def test_labels_are_compared_with_the_highest_score() -> None:
    collector = OutcomeCollector(True, ignore_index=-100)
    collector.take(torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 0]))
    collector.take(torch.tensor([[1.0, 0.0]]), torch.tensor([-100]))
    collector.close()
    assert collector.outcomes is not None
    assert [part.tolist() for part in collector.outcomes] == [[True, False, False], [True, True, False]]
    collector.take(torch.tensor([[0.0, 1.0]]), torch.tensor([1]))
    collector.close()
    assert collector.outcomes[0].tolist() == [True]  # of the new test alone


def test_squared_errors_are_means_over_the_targets() -> None:
    collector = OutcomeCollector(False)
    collector.take(torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 5.0], [0.5, 0.5]]))
    collector.close()
    assert collector.outcomes is not None
    assert collector.outcomes[0].tolist() == [5.0, 0.25]  # (1 + 9) / 2, (0.25 + 0.25) / 2


@pytest.mark.parametrize(
    "overrides", [(), ("loss=mse",), ("steps_per_execution=1", "data.eval_batch_size=7")]
)
def test_a_run_keeps_which_examples_it_got_right(
    overrides: tuple[str, ...], train: Callable[..., Path]
) -> None:
    run = train(*TWO_EPOCHS, *overrides)
    outcomes = read_example_outcomes(run / EXAMPLES)
    scores, targets = scored(run)
    assert outcomes.values.tolist() == (scores.argmax(1) == targets).tolist()
    assert outcomes.counted.all()
    accuracy = RunDirectory(run).read_result()["metrics"]["test/accuracy"]
    assert outcomes.values.mean() == pytest.approx(accuracy, abs=1e-7)
    assert outcomes.targets == digest(targets.numpy())


def test_ignored_examples_are_marked(train: Callable[..., Path]) -> None:
    run = train(*TWO_EPOCHS, "loss.criterion.ignore_index=3")
    outcomes = read_example_outcomes(run / EXAMPLES)
    scores, targets = scored(run)
    assert 0 < (targets == 3).sum() < 100
    assert outcomes.counted.tolist() == (targets != 3).tolist()
    assert outcomes.values.tolist() == ((scores.argmax(1) == targets) & (targets != 3)).tolist()
    accuracy = RunDirectory(run).read_result()["metrics"]["test/accuracy"]
    assert outcomes.values.sum() / outcomes.counted.sum() == pytest.approx(accuracy, abs=1e-7)


def test_a_regression_keeps_squared_errors(train: Callable[..., Path], tmp_path: Path) -> None:
    run = train(
        "data=random_regression", "data.size=200", "data.test_size=100", "trainer.max_epochs=2", "loss=mse"
    )
    outcomes = read_example_outcomes(run / EXAMPLES)
    scores, targets = scored(run)
    np.testing.assert_allclose(outcomes.values, (scores - targets).square().mean(1), rtol=1e-5)
    loss = RunDirectory(run).read_result()["metrics"]["test/loss"]
    assert outcomes.values.mean() == pytest.approx(loss, rel=1e-5)
    assert main([str(run), "--examples", str(tmp_path / "again.bin")]) == 0
    assert (tmp_path / "again.bin").read_bytes() == (run / EXAMPLES).read_bytes()


def test_a_shortened_test_keeps_the_first_examples(train: Callable[..., Path]) -> None:
    run = train(*TWO_EPOCHS, "data.eval_batch_size=32", "trainer.limit_test_batches=2")
    outcomes = read_example_outcomes(run / EXAMPLES)
    scores, targets = scored(run)
    assert outcomes.values.tolist() == (scores.argmax(1) == targets)[:64].tolist()
    assert outcomes.targets == digest(targets[:64].numpy())


def test_without_a_test_there_is_no_file(train: Callable[..., Path]) -> None:
    assert not (train(*TWO_EPOCHS, "test=false") / EXAMPLES).exists()
