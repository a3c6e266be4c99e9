"""Predictions of any run's network for files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from abreast.data.target_scale import restored
from abreast.errors import DataError
from abreast.learner.evaluator import Evaluator


def read_inputs(path: Path, learner: Evaluator, invert: bool = False) -> Tensor:
    """Read a file's examples in the form in which the network's data are stored.

    Args:
        path: For a network of images a picture in any format that Pillow reads, which is scaled to the
            network's size and converted to grey or RGB; for a network of features a .npy or .csv file with
            one example per row.
        learner: The network.
        invert: Whether to invert the picture: MNIST-style data sets have light strokes on a dark ground.

    Returns:
        `[N, *in_shape]`.

    Raises:
        DataError: The file is missing or cannot be read; the message names it.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if learner.peak is None:
        return _read_rows(path, learner.in_shape)
    channels, height, width = learner.in_shape
    if channels not in (1, 3):
        raise DataError(f"{path}: the network takes images of {channels} channels; a picture has 1 or 3")
    try:
        with Image.open(path) as image:
            picture = image.convert("L" if channels == 1 else "RGB").resize((width, height))
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a picture that can be read ({error})") from None
    pixels = torch.from_numpy(np.array(picture)).reshape(height, width, channels).permute(2, 0, 1)
    if invert:
        pixels = 255 - pixels
    return (pixels.float() * (learner.peak / 255)).round().to(torch.uint8)[None]


def _read_rows(path: Path, in_shape: tuple[int, ...]) -> Tensor:
    try:
        if path.suffix == ".npy":
            rows = np.load(path, allow_pickle=False).astype(np.float32)
        else:
            rows = np.loadtxt(path, delimiter=",", dtype=np.float32, ndmin=2)
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a .npy or .csv file of numbers ({error})") from None
    rows = np.atleast_2d(rows)
    if rows.shape[1:] != in_shape:
        raise DataError(f"{path}: rows of shape {rows.shape[1:]}, but the network takes {in_shape}")
    return torch.from_numpy(rows)


def predict(learner: Evaluator, inputs: Tensor) -> Tensor:
    """Predict.

    Args:
        learner: The network.
        inputs: `[N, *in_shape]`, as stored.

    Returns:
        Probabilities `[N, C]`, by softmax of the raw scores; for regression the values `[N, D]`.
    """
    with torch.inference_mode():
        scores: Tensor = learner(inputs)
    return torch.softmax(scores, 1) if learner.classes else restored(scores, learner.target_scale)
