"""Predictions of any run's network for files."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from abreast.data.picture import Fit, read_picture
from abreast.data.target_scale import restored
from abreast.errors import DataError, first_line
from abreast.learner.evaluator import Evaluator
from abreast.runtime.half import to_float32


def read_inputs(
    path: Path,
    learner: Evaluator,
    invert: bool = False,
    *,
    fit: Fit | None = None,
    background: str | None = None,
) -> Tensor:
    """Read a file's examples in the form in which the network's data are stored.

    Args:
        path: For a network of images a picture (`abreast.data.picture`), which is turned upright, scaled
            to the network's size and converted to grey or RGB; for a network of features a .npy or .csv file
            with one example per row.
        learner: The network.
        invert: Whether to invert the picture: MNIST-style data sets have light strokes on a dark ground.
        fit: What to do with a picture of another aspect ratio, `crop` or `stretch`; None to refuse it.
        background: The colour behind transparent pixels; None to refuse them.

    Returns:
        `[N, *in_shape]`.

    Raises:
        DataError: The file is missing, or cannot be read rightly; the message names it.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if not takes_pictures(learner):
        return _read_rows(path, learner)
    channels, height, width = learner.in_shape
    if channels not in (1, 3):
        raise DataError(f"{path}: the network takes images of {channels} channels; a picture has 1 or 3")
    picture = read_picture(path, channels, (height, width), fit=fit, background=background)
    pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)
    if invert:
        pixels = 255 - pixels
    peak = 255 if learner.peak is None else learner.peak
    return (pixels.float() * (peak / 255)).round().to(torch.uint8)[None]


def takes_pictures(learner: Evaluator) -> bool:
    """Whether the network's data are stored as images: uint8 `[C, H, W]`."""
    return learner.peak is not None and len(learner.in_shape) == 3


def _read_rows(path: Path, learner: Evaluator) -> Tensor:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty file is told below
            if path.suffix == ".npy":
                rows = np.load(path, allow_pickle=False)
            else:
                rows = np.loadtxt(path, delimiter=",", dtype=np.float64, ndmin=2)
    except (ValueError, OSError, UnicodeDecodeError, EOFError) as error:
        reason = first_line(error)
        raise DataError(f"{path}: not a .npy or .csv file of numbers ({reason})") from None
    return checked_rows(rows, learner, str(path))


def checked_rows(rows: np.ndarray, learner: Evaluator, name: str) -> Tensor:
    """Examples in the form in which the network's data are stored.

    Args:
        rows: `[N, *in_shape]`, or one example.
        learner: The network.
        name: What the examples are called in messages.

    Returns:
        `[N, *in_shape]`.

    Raises:
        DataError: The examples do not fit the network, or hold a value that its data cannot.
    """
    if rows.dtype.kind not in "biuf":
        raise DataError(f"{name}: holds {rows.dtype}, not numbers")
    if rows.shape == learner.in_shape:
        rows = rows[None]
    if rows.shape[1:] != learner.in_shape:
        raise DataError(f"{name}: rows of shape {rows.shape[1:]}, but the network takes {learner.in_shape}")
    if not len(rows):
        raise DataError(f"{name}: holds no rows")
    if learner.peak is None:
        with np.errstate(over="ignore"):
            rows = rows.astype(np.float32)
    _check(name, ~np.isfinite(rows), rows, "a number that float32 can hold")
    if learner.peak is None:
        return torch.from_numpy(rows)
    wrong = (rows < 0) | (rows > 255) | (rows != np.floor(rows))
    _check(name, wrong, rows, "a whole number from 0 to 255, as the network's data are")
    return torch.from_numpy(rows.astype(np.uint8))


def _check(name: str, wrong: np.ndarray, rows: np.ndarray, expected: str) -> None:
    """Raise DataError where a value is wrong, with the first one's place."""
    places = np.argwhere(wrong)
    if len(places):
        row, *column = places[0].tolist()
        position = f"row {row + 1}, value {column[0] + 1 if len(column) == 1 else column}"
        raise DataError(f"{name}: {position} is {rows[tuple(places[0])]}: expected {expected}")


def predict(learner: Evaluator, inputs: Tensor) -> Tensor:
    """Predict.

    Args:
        learner: The network.
        inputs: `[N, *in_shape]`, as stored.

    Returns:
        Probabilities `[N, C]`, by softmax of the raw scores; for regression the scores `[N, D]`.
    """
    with torch.inference_mode():
        scores = to_float32(learner(inputs))  # as NumPy and the softmax's sum need them
    return torch.softmax(scores, 1) if learner.classes else restored(scores, learner.target_scale)
