"""The worst-classified test images in a run's directory, for reports."""

from __future__ import annotations

import base64
import io
import json

import torch
from PIL import Image
from torch import Tensor

from abreast.data.source import Split
from abreast.learner.evaluator import Evaluator
from abreast.learner.worst_examples import worst_examples
from abreast.runs.atomic import write_atomically
from abreast.runs.directory import RunDirectory
from abreast.runs.files import WORST

COUNT = 24


def write_worst_examples(directory: RunDirectory, evaluator: Evaluator, test: Split) -> None:
    """Write `worst.json`: the worst-classified images, with one PNG that holds them side by side.

    Writes nothing where the data are no images of classes, or the run was not tested.

    Args:
        directory: The run's directory.
        evaluator: The module that was tested.
        test: All test examples; images are uint8 `[N, C, H, W]`.
    """
    inputs, targets = test.inputs, test.targets
    if evaluator.confusion is None or inputs.dtype != torch.uint8 or inputs.ndim != 4:
        return
    indices, probabilities, predictions, confidences = worst_examples(evaluator, test).rows(COUNT)
    if not len(indices):
        return
    images = inputs[indices].cpu()
    labels = targets[indices].tolist()
    described = [
        {
            "example": index,
            "label": label,
            "prediction": prediction,
            "probability": round(probability, 6),  # of the true class
            "confidence": round(confidence, 6),  # probability of the prediction
        }
        for index, label, prediction, probability, confidence in zip(
            indices.tolist(), labels, predictions, probabilities, confidences, strict=True
        )
    ]
    content = {
        "classes": list(evaluator.classes),
        "height": images.shape[2],
        "width": images.shape[3],
        "images": described,
        "png": base64.b64encode(_strip(images, evaluator.peak or 255)).decode(),
    }
    write_atomically(directory.path / WORST, json.dumps(content, ensure_ascii=False).encode())


def _strip(images: Tensor, peak: int) -> bytes:
    """A PNG of the uint8 images `[N, C, H, W]` side by side; `peak` is white."""
    pixels = (images.float() * (255 / peak)).round().clamp(0, 255).byte()
    strip = pixels.permute(2, 0, 3, 1).flatten(1, 2).numpy()  # [H, N * W, C]
    file = io.BytesIO()
    Image.fromarray(strip[..., :3] if strip.shape[2] >= 3 else strip[..., 0]).save(file, "PNG")
    return file.getvalue()
