"""The test rows that a run got most wrong, and their images in the run directory."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from abreast.runs.directory import RunDirectory, write_atomically

if TYPE_CHECKING:
    from abreast.data.datamodule import DataModule
    from abreast.learner.module import Learner

FILE = "worst.json"
COUNT = 24


class WorstExamples:
    """How probable each tested row's true class was, collected from the test's own scores."""

    def __init__(self) -> None:
        self._held: list[tuple[Tensor, Tensor, Tensor]] = []
        self._found: tuple[Tensor, Tensor, Tensor] | None = None

    def __len__(self) -> int:
        """Rows that were tested."""
        return 0 if self._found is None else len(self._found[0])

    def take(self, scores: Tensor, targets: Tensor) -> None:
        """Take scores `[N, C]` and labels `[N]` of the next rows; those that are no class are passed over."""
        probabilities = scores.softmax(1)
        labels = targets.clamp(0, scores.shape[1] - 1)
        chances = probabilities.gather(1, labels[:, None])[:, 0].masked_fill(labels != targets, 1.0)
        confidences, guesses = probabilities.max(1)
        self._held.append((chances, guesses, confidences))

    def close(self) -> None:
        """All rows are taken; the next one begins anew."""
        if self._held:
            chances, guesses, confidences = (torch.cat(part) for part in zip(*self._held, strict=True))
            self._found = (chances, guesses, confidences)
        self._held = []

    def rows(self, count: int) -> tuple[Tensor, list[float], list[int], list[float]]:
        """The rows whose true class is least probable: indices, that chance, guesses, the guesses' chance."""
        assert self._found is not None, "nothing was tested"
        chances, guesses, confidences = self._found
        rows = chances.argsort(stable=True)[:count]
        return rows, chances[rows].tolist(), guesses[rows].tolist(), confidences[rows].tolist()


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
