"""Images of a test for TensorBoard: the confusion matrix and the worst-classified images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from annotated_types import Ge
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image, ImageDraw
from torch import Tensor

from abreast.learner.worst_examples import worst_examples

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

    from abreast.learner.module import Learner

MOST_CLASSES = 60  # beyond, a matrix of cells is too large to look at
CELL = 44  # pixels of a cell of the confusion matrix
SIDE = 84  # pixels of a worst-classified image
LINE = 14  # pixels of a line of text


class TestImages(Callback):
    """At the test's end, shows the confusion matrix and the worst-classified images.

    Args:
        worst: The number of images, those whose true class is least probable.
    """

    def __init__(self, worst: Annotated[int, Ge(0)] = 25) -> None:
        self.worst = worst

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the images, for data with classes and a TensorBoard logger."""
        learner: Learner = pl_module  # type: ignore[assignment]
        boards = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        if not boards or learner.confusion is None or not trainer.is_global_zero:
            return
        pictures = {}
        if len(learner.classes) <= MOST_CLASSES:
            pictures["test/confusion"] = confusion_picture(learner.confusion, learner.classes)
        split = trainer.datamodule.test  # type: ignore[attr-defined]
        if split.inputs.dtype == torch.uint8 and split.inputs.ndim == 4:
            rows, _, predictions, probabilities = worst_examples(learner, split).rows(self.worst)
            titles = [
                f"{learner.classes[label]} as {learner.classes[prediction]} {probability:.2f}"
                for label, prediction, probability in zip(
                    split.targets[rows].tolist(), predictions, probabilities, strict=True
                )
            ]
            pictures["test/worst"] = images_picture(split.inputs[rows].cpu(), titles)
        for board in boards:
            for name, picture in pictures.items():
                board.experiment.add_image(name, np.asarray(picture), trainer.global_step, dataformats="HWC")


def confusion_picture(confusion: list[list[int]], classes: tuple[str, ...]) -> Image.Image:
    """Draw a confusion matrix: a row for each true class, darker cells for larger shares of the row.

    Args:
        confusion: `confusion[label][prediction]`, counts.
        classes: Class names in the order of the labels.
    """
    size, margin = len(classes), 90
    picture = Image.new("RGB", (margin + size * CELL + 10, margin + size * CELL + 10), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((6, 6), "rows: true class, columns: prediction", fill="black")
    for i, row in enumerate(confusion):
        middle = margin + i * CELL + CELL / 2
        draw.text((margin - 6, middle), _short(classes[i]), fill="black", anchor="rm")
        draw.text((middle, margin - 8), _short(classes[i], 6), fill="black", anchor="ms")
        total = max(1, sum(row))
        for j, count in enumerate(row):
            share = count / total
            left, top = margin + j * CELL, margin + i * CELL
            shade = tuple(round(255 + (end - 255) * share**0.5) for end in (8, 48, 107))
            draw.rectangle((left, top, left + CELL - 1, top + CELL - 1), fill=shade)
            if count:
                ink = "white" if share > 0.25 else "black"
                draw.text((left + CELL / 2, top + CELL / 2), str(count), fill=ink, anchor="mm")
    return picture


def images_picture(images: Tensor, titles: list[str]) -> Image.Image:
    """Draw images in a square grid.

    Args:
        images: uint8 `[N, C, H, W]`.
        titles: The text below each image.
    """
    across = max(1, round(len(titles) ** 0.5))
    down = -(-len(titles) // across)
    width = SIDE + 40
    picture = Image.new("RGB", (across * width, down * (SIDE + LINE + 8)), "white")
    draw = ImageDraw.Draw(picture)
    top_value = max(1, int(images.max()))  # digits go up to 16 only
    for k, (image, title) in enumerate(zip(images, titles, strict=True)):
        pixels = (image.float() * (255 / top_value)).round().byte().permute(1, 2, 0).numpy()
        drawn = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels[..., :3])
        left, top = k % across * width, k // across * (SIDE + LINE + 8)
        drawn = drawn.convert("RGB").resize((SIDE, SIDE), Image.Resampling.NEAREST)
        picture.paste(drawn, (left + 20, top + 2))
        draw.text((left + width / 2, top + SIDE + 4), _short(title, 22), fill="black", anchor="ma")
    return picture


def _short(text: str, length: int = 12) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
