"""Export of a run's network, for use without abreast: ONNX and torch.export, checked on real inputs."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from abreast.config.types import Json
from abreast.data.columns import to_json
from abreast.errors import ConfigError, RunError
from abreast.learner.evaluator import Evaluator
from abreast.runs.atomic import write_atomically

ROWS = 64  # test examples that the export is checked on
TOLERANCE = 1e-4  # of raw scores, absolute and relative: other kernels add in a different order


class Network(nn.Module):
    """The exported function: inputs as stored to raw scores, or to a regression's values as stored."""

    target_mean: Tensor
    target_std: Tensor

    def __init__(self, learner: Evaluator) -> None:
        super().__init__()
        self.normalize = learner.normalize
        self.net = learner.net
        scale = torch.tensor(learner.target_scale or [[0.0, 1.0]]).T
        self.register_buffer("target_mean", scale[0].clone())
        self.register_buffer("target_std", scale[1].clone())
        self.restores = bool(learner.target_scale)

    def forward(self, inputs: Tensor) -> Tensor:
        """`[B, *in_shape]` -> `[B, out]`."""
        scores: Tensor = self.net(self.normalize(inputs))
        return scores * self.target_std + self.target_mean if self.restores else scores


def interface(learner: Evaluator) -> Json:
    """What a user of the exported file has to know of its inputs and outputs."""
    is_image = learner.peak is not None
    return {
        "inputs": {
            "shape": ["batch", *learner.in_shape],
            "type": "uint8" if is_image else "float32",
            "highest": learner.peak,
            "names": [name for column in learner.columns for name in column.inputs],
            "normalised": "by the model: give values as stored",
            "missing": "NaN" if learner.columns else None,
        },
        "columns": to_json(learner.columns),
        "outputs": {
            "shape": ["batch", learner.out_features],
            "classes": list(learner.classes),
            "meaning": "raw scores: softmax gives probabilities" if learner.classes else "predicted values",
        },
    }


def export_torch(network: Network, inputs: Tensor, path: Path) -> float:
    """Write a `torch.export` program for any batch size.

    Args:
        network: The network.
        inputs: `[N, *in_shape]`, to check the program on.
        path: The file to write.

    Returns:
        The largest difference of its scores from the network's.

    Raises:
        RunError: The scores differ by more than rounding.
    """
    batch = torch.export.Dim("batch", min=1, max=1 << 20)
    program = torch.export.export(network, (inputs,), dynamic_shapes=({0: batch},))
    content = io.BytesIO()  # saving to a path on a full disk ends the process
    torch.export.save(program, content)
    content.seek(0)
    again = torch.export.load(content).module()
    difference = _checked(path, network, inputs, again(inputs))
    write_atomically(path, content.getbuffer())
    return difference


def export_onnx(network: Network, inputs: Tensor, path: Path) -> float:
    """Write an ONNX model for any batch size; else as `export_torch`.

    Raises:
        ConfigError: A package that the export needs is not installed.
    """
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"ONNX export requires {', '.join(missing)}: pip install 'abreast[export]', or --format torch"
        )
    import onnxruntime

    batch = torch.export.Dim("batch", min=1, max=1 << 20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            network,
            (inputs,),
            input_names=["inputs"],
            output_names=["scores"],
            dynamic_shapes=({0: batch},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    content = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"inputs": inputs.numpy()})
    difference = _checked(path, network, inputs, torch.from_numpy(scores))
    write_atomically(path, content)
    return difference


def _checked(path: Path, network: Network, inputs: Tensor, scores: Tensor) -> float:
    with torch.inference_mode():
        expected, scores = network(inputs), scores.detach()
    if not torch.allclose(scores, expected, rtol=TOLERANCE, atol=TOLERANCE):
        raise RunError(
            f"{path}: its scores differ from the network's by {(scores - expected).abs().max():.3g}"
        )
    return float((scores - expected).abs().max())


WRITERS: dict[str, tuple[Callable[[Network, Tensor, Path], float], str]] = {
    "torch": (export_torch, "model.pt2"),
    "onnx": (export_onnx, "model.onnx"),
}
