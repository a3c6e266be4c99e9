"""Images of a test for TensorBoard: the confusion matrix and the worst-classified images."""

from __future__ import annotations

from typing import Annotated, cast

import torch
from annotated_types import Ge
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from abreast.callbacks.pictures import confusion_picture, images_picture
from abreast.learner.module import Learner
from abreast.learner.worst_examples import worst_examples
from abreast.loggers.tensorboard import Picture, add_picture

MOST_CLASSES = 60  # beyond, a matrix of cells is too large to look at


class TestImages(Callback):
    """At the test's end, shows the confusion matrix and the worst-classified images.

    Args:
        worst: The number of images, those whose true class is least probable.
    """

    def __init__(self, worst: Annotated[int, Ge(0)] = 25) -> None:
        self.worst = worst

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the images, for data with classes and a TensorBoard logger."""
        learner = cast(Learner, pl_module)
        boards = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        if not boards or learner.confusion is None or not trainer.is_global_zero:
            return
        pictures: dict[str, Picture] = {}
        if len(learner.classes) <= MOST_CLASSES:
            pictures["test/confusion"] = confusion_picture(learner.confusion, learner.classes)
        split = trainer.datamodule.test  # type: ignore[attr-defined]
        if split.inputs.dtype == torch.uint8 and split.inputs.ndim == 4:
            rows, _, predictions, probabilities = worst_examples(learner, split).rows(self.worst)
            titles = [
                (learner.classes[label], learner.classes[prediction], f"{probability:.2f}")
                for label, prediction, probability in zip(
                    split.targets[rows].tolist(), predictions, probabilities, strict=True
                )
            ]
            if titles:
                pictures["test/worst"] = images_picture(split.inputs[rows].cpu(), titles)
        for board in boards:
            for name, picture in pictures.items():
                add_picture(board, name, picture, trainer.global_step)
