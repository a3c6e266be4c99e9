"""The pictures of a test can be read at the size at which TensorBoard shows them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from abreast.callbacks.pictures import FONT, WIDTH, confusion_picture, images_picture
from abreast.loggers.tensorboard import Picture

SHOWN = 345  # pixels: an image in the Images tab of a window of 1400 pixels
READABLE = 12  # pixels of a font


def pixels(picture: Picture) -> np.ndarray:
    image = Image.open(io.BytesIO(picture.png)).convert("L")
    assert image.size == (picture.width, picture.height)
    return np.asarray(image)


@pytest.mark.parametrize("classes", [1, 2, 3, 10])
@pytest.mark.parametrize("name", ["{}", "ankle boot {}", "a name that is far too long {}"])
def test_a_confusion_matrix(classes: int, name: str) -> None:
    names = tuple(name.format(number) for number in range(classes))
    empty = [[0] * classes for _ in names]
    one = [[int(i == j == classes - 1) for j in range(classes)] for i in range(classes)]
    shown = [pixels(confusion_picture(matrix, names)) for matrix in (empty, one)]
    assert shown[0].shape[1] == WIDTH
    assert FONT * SHOWN / WIDTH >= READABLE
    rows, columns = np.nonzero(shown[0] != shown[1])
    side = columns.max() - columns.min() + 1
    assert side == rows.max() - rows.min() + 1 >= FONT
    assert columns.max() < WIDTH - 1  # the last cell is inside


def test_counts_of_any_size_stay_in_their_cells() -> None:
    names = tuple("0123456789")
    small, large = (
        pixels(confusion_picture([[count] * 10 for _ in names], names)) for count in (7, 1_234_567)
    )
    frame = pixels(confusion_picture([[0] * 10 for _ in names], names))
    assert (small != large).any()
    cells = frame != small
    assert not (frame != large)[~cells.any(axis=1)].any()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 25])
def test_every_image_has_its_caption(count: int, channels: int) -> None:
    images = torch.full((count, channels, 8, 8), 255, dtype=torch.uint8)  # white: what is dark is text
    titles = [("cat", "dog", f"0.{number:02}") for number in range(count)]
    longer = [("a large cat of Asia", "small dog", f"0.{number:02}") for number in range(count)]
    short, long = (pixels(images_picture(images, each)) for each in (titles, longer))
    assert short.shape[1] == long.shape[1] == WIDTH
    across = round(count**0.5)
    width = WIDTH // across
    height = (short.shape[0] - (FONT + 9)) // -(-count // across)
    for k in range(count):
        left, bottom = k % across * width, short.shape[0] - (-(-count // across) - 1 - k // across) * height
        assert (short[bottom - height // 2 : bottom, left : left + width] < 128).any()
    assert (short.shape[0] < long.shape[0]) == (count == 25)  # a third line where two are too narrow
