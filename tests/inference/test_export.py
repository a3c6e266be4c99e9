"""Exported networks give the scores of the run's own, for any batch size."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from abreast.cli.export import main
from abreast.errors import ConfigError, RunError
from abreast.inference.export import Network, _checked
from abreast.inference.load import rebuild, reopened


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inside torch's and onnx's exporters
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "overrides",
    [("model.norm=batch", "model.dropout=0.5"), ("data=random", "data.test_size=100", "model.norm=layer")],
    ids=" ".join,
)
def test_both_formats(overrides: tuple[str, ...], train: Callable[..., Path], tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="pip install 'abreast[export]'")
    path = train(*overrides, "trainer.max_epochs=1")
    assert main([str(path), "--to", str(tmp_path / "out")]) == 0
    with reopened(path) as (directory, config):
        learner = rebuild(directory, config)
    kind = torch.float32 if learner.peak is None else torch.uint8
    program = torch.export.load(tmp_path / "out" / "model.pt2").module()
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    for rows in (1, 3, 100):
        inputs = torch.randint(0, 9, (rows, *learner.in_shape)).to(kind)
        expected = learner(inputs)
        torch.testing.assert_close(program(inputs), expected, rtol=1e-4, atol=1e-4)
        (scores,) = session.run(None, {"inputs": inputs.numpy()})
        torch.testing.assert_close(torch.from_numpy(scores), expected, rtol=1e-4, atol=1e-4)


def test_a_wrong_export_is_refused(train: Callable[..., Path]) -> None:
    path = train("trainer.max_epochs=1")
    with reopened(path) as (directory, config):
        network = Network(rebuild(directory, config))
    inputs = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    with pytest.raises(RunError, match=r"x\.onnx: its scores differ"):
        _checked(Path("x.onnx"), network, inputs, network(inputs) + 0.01)


def test_a_missing_package_is_named(train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = train("trainer.max_epochs=1")
    monkeypatch.setattr(
        "abreast.inference.export.find_spec", lambda name: None if name == "onnxscript" else sys
    )
    with pytest.raises(ConfigError, match=r"requires onnxscript: pip install 'abreast\[export\]'"):
        main([str(path), "--format", "onnx"])
