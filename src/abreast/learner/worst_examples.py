"""The test images that a learner got most wrong, written into the run directory."""

from __future__ import annotations

import base64
import io
import json

import torch
from PIL import Image
from torch import Tensor

from abreast.data.datamodule import DataModule
from abreast.learner.module import Learner
from abreast.metrics.worst_examples import WorstExamples
from abreast.runs.directory import RunDirectory, write_atomically

FILE = "worst.json"
COUNT = 24


def tested(learner: Learner, inputs: Tensor, targets: Tensor) -> WorstExamples:
    """What the learner's test has found; tested again where this process saw a part of the rows only."""
    found = learner.test_meter.hardest
    if found is not None and len(found) and learner.trainer.world_size == 1:
        return found
    found = WorstExamples()
    with torch.no_grad():
        for part, labels in zip(torch.split(inputs, 1024), torch.split(targets, 1024), strict=True):
            found.take(learner(part).float(), labels)
    found.close()
    return found


def write_hardest(directory: RunDirectory, data: DataModule, learner: Learner) -> None:
    """Keep the worst-classified images as `worst.json`, for reports: one PNG that holds them side by side.

    Nothing where the data are no images of classes or the run was not tested.
    """
    inputs, targets = data.test.inputs, data.test.targets
    if learner.confusion is None or inputs.dtype != torch.uint8 or inputs.ndim != 4:
        return
    rows, chances, guesses, confidences = tested(learner, inputs, targets).rows(COUNT)
    images = inputs[rows].cpu()
    labels = targets[rows].tolist()
    found = [
        {"row": row, "label": label, "guess": guess, "chance": round(chance, 6), "confidence": round(sure, 6)}
        for row, label, guess, chance, sure in zip(
            rows.tolist(), labels, guesses, chances, confidences, strict=True
        )
    ]
    content = {
        "classes": list(learner.classes),
        "height": images.shape[2],
        "width": images.shape[3],
        "images": found,
        "png": base64.b64encode(_strip(images, learner.peak or 255)).decode(),
    }
    write_atomically(directory.path / FILE, json.dumps(content, ensure_ascii=False).encode())


def _strip(images: Tensor, peak: int) -> bytes:
    """A PNG of the uint8 images `[N, C, H, W]` side by side; `peak` is white."""
    pixels = (images.float() * (255 / peak)).round().clamp(0, 255).byte()
    strip = pixels.permute(2, 0, 3, 1).flatten(1, 2).numpy()  # [H, N * W, C]
    file = io.BytesIO()
    Image.fromarray(strip[..., :3] if strip.shape[2] >= 3 else strip[..., 0]).save(file, "PNG")
    return file.getvalue()
