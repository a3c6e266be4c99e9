"""Runs at the edges: each gives the right numbers, or one message before it trains."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from abreast.data.source import Source, Split
from abreast.errors import AbreastError, ConfigError, DataError, DivergedError
from abreast.metrics.stage import StageMetrics
from abreast.runs.directory import RunDirectory
from support.helpers import compose
from support.small_runs import THREE_CLASSES


def rates(path: Path) -> list[float]:
    return [row["lr"] for row in RunDirectory(path).read_metrics()]


def test_a_directory_holds_one_run(train: Callable[..., Path]) -> None:
    path = train(*THREE_CLASSES, "trainer.max_epochs=1")
    before = (path / "result.json").read_text()
    with pytest.raises(ConfigError, match="holds a run already"):
        train(*THREE_CLASSES, "optim.lr=0")
    assert (path / "result.json").read_text() == before


def test_a_directory_in_which_nothing_was_trained_takes_the_corrected_run(train: Callable[..., Path]) -> None:
    for _ in range(2):
        with pytest.raises(DataError, match="no such file"):
            train("data=table", "data.file=nope.csv", "data.target=y")
    path = train(*THREE_CLASSES, "trainer.max_epochs=1")
    assert RunDirectory(path).read_status()["status"] == "finished"


def test_a_schedule_by_steps_alone_has_their_length(train: Callable[..., Path]) -> None:
    by_steps = train(*THREE_CLASSES, "schedule=cosine", "trainer.max_epochs=null", "trainer.max_steps=9")
    by_epochs = train(*THREE_CLASSES, "schedule=cosine", "trainer.max_epochs=3", name="epochs")
    assert rates(by_steps) == rates(by_epochs)
    assert rates(by_steps)[0] > rates(by_steps)[1] > rates(by_steps)[2] > 0


def test_calibration_of_scores_that_look_like_probabilities() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(300, 3, generator=generator)
    labels = torch.randint(0, 3, (300,), generator=generator)
    chance, guess = scores.softmax(1).max(1)
    hits = (guess == labels).double()
    bins = torch.clamp((chance * 15).ceil().long() - 1, 0, 14)
    expected = sum(  # Guo et al. 2017, equation 3
        (bins == k).double().mean() * abs(hits[bins == k].mean() - chance[bins == k].double().mean())
        for k in bins.unique()
    )
    meter = StageMetrics(("a", "b", "c"), full=True)
    meter.update(scores.mean(), 300, scores, labels)
    assert meter.compute()["ece"].item() == pytest.approx(float(expected), rel=1e-4)


def test_debug_overfit_learns_noise_by_heart(train: Callable[..., Path]) -> None:
    path = train("debug=overfit", "data=random_noise", "model.hidden=[256]", "optim.lr=0.003")
    metrics = RunDirectory(path).read_result()["metrics"]
    assert metrics["train/accuracy"] > 0.99


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("model.norm=batch", "data.batch_size=53"), "leaves a batch of one of 54 training examples"),
        (("model.norm=batch", "data.batch_size=1"), "batch norm needs two"),
        (("trainer.max_steps=4", "trainer.check_val_every_n_epoch=3"), "the training ends in epoch 2"),
        (("data.size=1",), "leaves none to validate on"),
        (("+trainer.fast_dev_run=true",), "use debug=fast"),
        (("loss.criterion.weight=[1,2]",), "weight"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_trained_is_said_before(
    overrides: tuple[str, ...], message: str, train: Callable[..., Path]
) -> None:
    with pytest.raises(AbreastError) as caught:
        train(*THREE_CLASSES, *overrides)
    assert message in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_before(train: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.accelerator=gpu: there is none that can be used here"):
        train(*THREE_CLASSES, "trainer.accelerator=gpu")


def test_plateau_waits_for_a_validation(train: Callable[..., Path]) -> None:
    more = ("schedule=plateau", "schedule.scheduler.patience=0", "optim.lr=0.5", "optim=sgd")
    for steps in (1, 50):
        path = train(*THREE_CLASSES, *more, "trainer.check_val_every_n_epoch=2", "trainer.max_epochs=4",
                     f"steps_per_execution={steps}", name=f"run{steps}")  # fmt: skip
        assert len(rates(path)) == 4
        assert rates(path)[0] == rates(path)[1] == 0.5


def test_a_network_that_diverges_in_its_last_step_has_failed(
    train: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(DivergedError):
        train("trainer.max_steps=1", "optim=sgd", "optim.lr=1e38")
    assert RunDirectory(tmp_path / "run").read_status()["status"] == "failed"


def test_one_test_row_of_a_regression(train: Callable[..., Path]) -> None:
    path = train("data=random_regression", "loss=mse", "data.test_size=1", "trainer.max_epochs=1")
    metrics = json.loads((path / "result.json").read_text())["metrics"]
    assert "test/mae" in metrics
    assert "test/r2" not in metrics


def test_a_class_has_one_name() -> None:
    split = Split(torch.randn(4, 2), torch.tensor([0, 1, 2, 1]))
    with pytest.raises(DataError, match="hold a name twice"):
        Source(split, split, ("a", "b", "a"))


def test_rows_without_a_class_are_marked_once_for_data_and_loss() -> None:
    from abreast.build.data import ignore_index

    files = [f"data.{part}={part}" for part in ("train_images", "train_labels", "test_images", "test_labels")]
    cfg = compose("data=idx", *files, "data.ignore_index=255")
    with pytest.raises(ConfigError, match=r"data\.ignore_index=255, but loss\.criterion\.ignore_index=-100"):
        ignore_index(cfg)
    assert (
        ignore_index(compose("data=idx", *files, "data.ignore_index=255", "loss.criterion.ignore_index=255"))
        == 255
    )
