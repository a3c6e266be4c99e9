"""Small pictures of a test: confusion matrices and grids of images, as PNG files of at most 256 colors.

A sweep draws thousands of them. What repeats (frames, words) is drawn once, and files with a palette are
encoded in a fifth of the time that those of RGB take.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from abreast.loggers.tensorboard import Picture

CELL = 32  # pixels of a cell of the confusion matrix
MARGIN = 90  # pixels for the class names
SIDE = 64  # pixels of an image in a grid
LINE = 14  # pixels of a line of text
WIDTH = SIDE + 60  # pixels of an image in a grid with the text below it
GAP = 3  # pixels between words
DARK = (8, 48, 107)  # of a cell that holds all of its row


def confusion_picture(confusion: Sequence[Sequence[int]], classes: tuple[str, ...]) -> Picture:
    """Draw a confusion matrix: a row for each true class, darker cells for larger shares of the row.

    Args:
        confusion: `confusion[label][prediction]`, counts.
        classes: Class names in the order of the labels.
    """
    picture = _frame(classes).copy()
    for i, row in enumerate(confusion):
        total = max(1, sum(row))
        for j, count in enumerate(row):
            if not count:
                continue
            share = count / total
            left, top = MARGIN + j * CELL, MARGIN + i * CELL
            box = (left, top, left + CELL, top + CELL)
            picture.paste(round(255 * (1 - share**0.5)), box)
            picture.paste(255 if share > 0.25 else 0, box, _cell_text(str(count)))
    picture.putpalette(_blues())
    return _encoded(picture)


def images_picture(images: Tensor, titles: Sequence[tuple[str, str]]) -> Picture:
    """Draw images in a square grid.

    Args:
        images: uint8 `[N, C, H, W]`.
        titles: The two parts of the text below each image.
    """
    across = max(1, round(len(titles) ** 0.5))
    down = -(-len(titles) // across)
    height = SIDE + LINE + 8
    top_value = max(1, int(images.max()))  # digits go up to 16 only
    rows, columns = (np.arange(SIDE) * size // SIDE for size in images.shape[2:])
    scaled = np.round(images.numpy() * np.float32(255 / top_value)).astype(np.uint8)
    pixels = scaled[:, :3].transpose(0, 2, 3, 1)[:, rows][:, :, columns]
    picture = Image.new("RGB" if pixels.shape[3] == 3 else "L", (across * WIDTH, down * height), "white")
    for k, (image, title) in enumerate(zip(pixels, titles, strict=True)):
        left, top = k % across * WIDTH, k // across * height
        drawn = Image.fromarray(image if picture.mode == "RGB" else image[..., 0])
        picture.paste(drawn, (left + (WIDTH - SIDE) // 2, top + 2))
        box = (left, top + SIDE + 4, left + WIDTH, top + SIDE + 4 + LINE)
        picture.paste("black", box, _title(*title))
    if picture.mode == "L":
        picture.putpalette(bytes(value for value in range(256) for _ in range(3)))
    return _encoded(picture)


def _encoded(picture: Image.Image) -> Picture:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=3)
    return Picture(*picture.size, file.getvalue())


@lru_cache(maxsize=1)
def _blues() -> bytes:
    """From the color of a full cell to white."""
    return bytes(round(end + (255 - end) * value / 255) for value in range(256) for end in DARK)


@lru_cache(maxsize=16)
def _frame(classes: tuple[str, ...]) -> Image.Image:
    """A confusion matrix without its cells."""
    side = MARGIN + len(classes) * CELL + 10
    picture = Image.new("L", (side, side), 255)
    draw = ImageDraw.Draw(picture)
    draw.text((6, 6), "rows: true class, columns: prediction", fill=0)
    for i, name in enumerate(classes):
        middle = MARGIN + i * CELL + CELL / 2
        draw.text((MARGIN - 6, middle), _short(name, 12), fill=0, anchor="rm")
        draw.text((middle, MARGIN - 8), _short(name, 5), fill=0, anchor="ms")
    return picture


@lru_cache(maxsize=4096)
def _cell_text(text: str) -> Image.Image:
    return _mask(text, (CELL, CELL), (CELL / 2, CELL / 2), "mm")


@lru_cache(maxsize=8192)
def _title(name: str, value: str) -> Image.Image:
    """The text below an image: `name`, then `value`, put together from words that are drawn once."""
    words = [_word(_short(name, 17)), _word(value)]
    mask = Image.new("L", (WIDTH, LINE), 0)
    left = (WIDTH - sum(word.width for word in words) - GAP) // 2
    for word in words:
        mask.paste(word, (left, 0))
        left += word.width + GAP
    return mask


@lru_cache(maxsize=4096)
def _word(text: str) -> Image.Image:
    width = ImageDraw.Draw(Image.new("L", (1, 1))).textlength(text)
    return _mask(text, (round(width), LINE), (0, 0), "la")


def _mask(text: str, size: tuple[int, int], at: tuple[float, float], anchor: str) -> Image.Image:
    """Where a text covers a picture of that size."""
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).text(at, text, fill=255, anchor=anchor)
    return mask


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
