"""Every network option resumes, evaluates, exports and predicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from abreast.cli.export import main as export
from abreast.data.sklearn_digits import digits
from abreast.inference.evaluate import evaluate
from abreast.inference.load import rebuild, reopened
from abreast.inference.predict import predict, read_inputs
from abreast.runs.directory import RunDirectory
from abreast.training.run import run
from support.helpers import allowed, options
from support.networks import NETWORKS, configuration
from support.references import References
from support.resuming import check_equal, stop_and_go_on


def test_every_network_has_a_row() -> None:
    assert sorted(NETWORKS) == sorted({*options("model")} - {"given"})  # tests/api has that one


@pytest.mark.parametrize("name", NETWORKS)
def test_resumed_within_an_epoch(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: References
) -> None:
    def start(path: Path) -> Path:
        with allowed():
            run(configuration(name), path)
        return path

    whole = reference(configuration(name)).finished()
    check_equal(whole, stop_and_go_on(tmp_path / "stopped", 14, monkeypatch, start=start))


@pytest.mark.parametrize("name", NETWORKS)
def test_evaluated_and_applied_to_a_picture(name: str, tmp_path: Path, reference: References) -> None:
    path = reference(configuration(name)).finished()
    kept = RunDirectory(path).read_result()["metrics"]
    assert evaluate(path) == {key: value for key, value in kept.items() if key.startswith("test/")}
    with reopened(path) as (directory, config):
        learner = rebuild(directory, config)
    pixels = digits().test.inputs[:1]
    Image.fromarray((pixels[0, 0].numpy() * (255 / 16)).round().astype(np.uint8)).save(tmp_path / "seven.png")
    picture = predict(learner, read_inputs(tmp_path / "seven.png", learner))
    assert torch.equal(picture, predict(learner, pixels))
    assert picture.sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inside torch's and onnx's exporters
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", ["cnn", pytest.param("resnet", marks=pytest.mark.long)])
def test_exported(
    name: str, tmp_path: Path, reference: References, capsys: pytest.CaptureFixture[str]
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="pip install 'abreast[export]'")
    path = reference(configuration(name)).finished()
    assert export([str(path), "--to", str(tmp_path)]) == 0
    with reopened(path) as (directory, config):
        learner = rebuild(directory, config)
    program = torch.export.load(tmp_path / "model.pt2").module()
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    for rows in (1, 70):
        inputs = digits().test.inputs[:rows]
        (scores,) = session.run(None, {"inputs": inputs.numpy()})
        for exported in (program(inputs), torch.from_numpy(scores)):
            torch.testing.assert_close(exported, learner(inputs), rtol=1e-4, atol=1e-4)
