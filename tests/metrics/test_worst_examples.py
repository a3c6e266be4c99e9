"""The worst-classified images that a run keeps are those that its own network gets most wrong."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from abreast.build.components import build_loss
from abreast.build.data import build_data
from abreast.errors import ConfigError
from abreast.inference.evaluate import evaluate
from abreast.inference.load import rebuild, reopened
from abreast.metrics.worst_examples import WorstExamples
from abreast.runs.directory import RunDirectory
from abreast.runs.files import WORST
from abreast.stacking.build import Job
from abreast.stacking.run import train_stack
from abreast.training.worst_examples import COUNT
from abreast.validation.validate import validate
from support.helpers import allowed, compose


def test_the_least_probable_true_classes_come_first() -> None:
    found = WorstExamples()
    scores = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]])
    found.take(scores[:2], torch.tensor([1, 1]))
    found.take(scores[2:], torch.tensor([-100]))  # no class: passed over
    found.close()
    rows, chances, guesses, confidences = found.rows(2)
    # By hand: softmax of (2, 0) is (0.880797, 0.119203), of (0, 3) is (0.047426, 0.952574).
    assert rows.tolist() == [0, 1]
    assert chances == pytest.approx([0.119203, 0.952574], abs=1e-6)
    assert guesses == [0, 1]
    assert confidences == pytest.approx([0.880797, 0.952574], abs=1e-6)
    found.take(scores, torch.tensor([0, 1, 0]))
    found.close()
    assert len(found) == 3  # of the new test alone


def test_a_run_keeps_its_worst_images(train: Callable[..., Path]) -> None:
    run = train("data=digits", "trainer.max_epochs=1", "seed=3")
    kept = json.loads((run / WORST).read_text())
    with reopened(run, (), ()) as (directory, cfg):
        learner = rebuild(directory, cfg, "best")
        data = build_data(cfg)
        with torch.no_grad():
            probabilities = learner(data.test.inputs).softmax(1)
    true_class = probabilities[torch.arange(len(probabilities)), data.test.targets]
    assert len(kept["images"]) == COUNT
    assert [image["example"] for image in kept["images"]] == true_class.argsort(stable=True)[:COUNT].tolist()
    strip = np.asarray(Image.open(io.BytesIO(base64.b64decode(kept["png"]))))
    assert strip.shape == (8, 8 * COUNT)
    for position, image in enumerate(kept["images"]):
        index = image["example"]
        assert image["probability"] == pytest.approx(true_class[index].item(), abs=1e-5)
        assert image["label"] == data.test.targets[index]
        assert image["prediction"] == probabilities[index].argmax()
        pixels = data.test.inputs[index, 0].numpy() * (255 / 16)  # digits go up to 16
        assert np.abs(strip[:, 8 * position : 8 * position + 8] - pixels).max() <= 0.5
    assert RunDirectory(run).read_status()["status"] == "finished"


@pytest.mark.parametrize("data", ["random", "random_regression"])
def test_what_is_no_image_is_not_kept(train: Callable[..., Path], data: str) -> None:
    run = train(
        f"data={data}", "trainer.max_epochs=1", *(["loss=mse"] if data == "random_regression" else [])
    )
    assert (run / "result.json").exists()
    assert not (run / WORST).exists()


def test_ignored_examples_are_in_no_picture_and_no_count(train: Callable[..., Path], tmp_path: Path) -> None:
    """A label that is a class can be the ignored one, too: alone, in a stack, and when it is tested again."""
    small = ("loss.criterion.ignore_index=3", "trainer.max_epochs=1", "steps_per_execution=10")
    alone = train(*small)
    jobs = [
        compose("trainer=cpu", "logger=none", "callbacks=none", *small, f"seed={seed}") for seed in (0, 1)
    ]
    with allowed():
        train_stack([Job(cfg, tmp_path / f"lane{number}") for number, cfg in enumerate(jobs)])
    for run in (alone, tmp_path / "lane0"):
        labels = [image["label"] for image in json.loads((run / WORST).read_text())["images"]]
        assert labels
        assert 3 not in labels
        result = RunDirectory(run).read_result()
        assert result["data"]["class_counts_test"][3] == 0
        assert "test/accuracy/3" not in result["metrics"]
        assert result["confusion"][3] == [0] * 10
        assert result["metrics"]["test/accuracy"] == evaluate(run)["test/accuracy"]
    unprotected = WorstExamples()  # the twin: what the test would have shown
    unprotected.take(torch.tensor([[5.0, 0.0]]), torch.tensor([1]))
    unprotected.close()
    assert len(unprotected.rows(1)[0]) == 1
    protected = WorstExamples(ignore_index=1)
    protected.take(torch.tensor([[5.0, 0.0]]), torch.tensor([1]))
    protected.close()
    assert len(protected.rows(1)[0]) == 0


@pytest.mark.parametrize("form", ["one_hot", "signed"])
def test_labels_that_are_not_there_cannot_be_ignored(form: str) -> None:
    override = f"loss.targets={form}"
    config = compose(override, "loss.criterion.ignore_index=3")
    with pytest.raises(ConfigError, match=r"ignore_index.*write loss\.targets=index") as error:
        validate(config)
    if form == "one_hot":  # the class itself allows it
        assert "\n" not in str(error.value)
        with allowed(), pytest.raises(ConfigError, match="ignore_index: 3"):
            build_loss(config, 10)
