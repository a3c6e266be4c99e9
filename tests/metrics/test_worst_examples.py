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

from abreast.build.data import build_data
from abreast.inference.load import rebuild, reopened
from abreast.metrics.worst_examples import WorstExamples
from abreast.runs.directory import RunDirectory
from abreast.runs.files import WORST
from abreast.training.worst_examples import COUNT


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
