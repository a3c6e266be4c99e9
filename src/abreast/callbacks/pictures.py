"""Small pictures of a test: confusion matrices and grids of images, as PNG files of at most 256 colors.

TensorBoard shows every picture about 350 pixels wide: they have about that width, at which the text can be
read. A sweep draws thousands of them. What repeats (frames, words, cells) is drawn once and then copied; most
rows repeat the row above, so that files are encoded in a third of the time that those of RGB take.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from abreast.loggers.tensorboard import Picture

WIDTH = 360  # pixels of a picture
FONT = 14  # pixels
LINE = 17  # pixels of a line of text
HEAD = LINE + 5  # pixels of the line at the top
MOST_CELL = 68  # pixels of a cell of a matrix of few classes
LEAST_CELL = 26  # pixels, for three digits; a matrix of more classes is wider
NAMES = 90  # pixels of the longest class name
MOST_SIDE = 120  # pixels of an image
GAP = 3  # pixels between a text and what it belongs to
DARK = (8, 48, 107)  # of a cell that holds all of its row

Pixels: TypeAlias = NDArray[np.uint8]  # [H, W], or [H, W, 3] for RGB


def confusion_picture(confusion: Sequence[Sequence[int]], classes: tuple[str, ...]) -> Picture:
    """Draw a confusion matrix: a row for each true class, darker cells for larger shares of the row.

    Args:
        confusion: `confusion[label][prediction]`, counts.
        classes: Class names in the order of the labels.
    """
    frame, left, top, side = _frame(classes)
    pixels = frame.copy()
    for i, row in enumerate(confusion):
        total = max(1, sum(row))
        y = top + i * side
        for j, count in enumerate(row):
            if count:
                x = left + j * side
                pixels[y : y + side, x : x + side] = _cell(count, total, side)
    return _encoded(pixels, _blues())


def images_picture(images: Tensor, titles: Sequence[tuple[str, str, str]]) -> Picture:
    """Draw images in a square grid, under a line that says what the texts below them are.

    Args:
        images: uint8 `[N, C, H, W]`.
        titles: The true class, the predicted one and the probability of the true one, as texts.
    """
    across = max(1, round(len(titles) ** 0.5))
    down = -(-len(titles) // across)
    width = max(WIDTH // across, 54)
    side = min(width - 2 * GAP, MOST_SIDE)
    lines = [_lines(*title, width) for title in titles]
    height = side + LINE * max(map(len, lines)) + 3 * GAP
    top_value = max(1, int(images.max()))  # digits go up to 16 only
    rows, columns = (np.arange(side) * size // side for size in images.shape[2:])
    scaled = np.round(images.numpy() * np.float32(255 / top_value)).astype(np.uint8)
    colors = (3,) if images.shape[1] >= 3 else ()
    scaled = scaled[:, :3].transpose(0, 2, 3, 1) if colors else scaled[:, 0]
    picture = np.full((HEAD + down * height, max(across * width, WIDTH), *colors), 255, np.uint8)
    _write(picture, "true as predicted, probability of the true class", WIDTH, GAP, GAP)
    for k, (image, texts) in enumerate(zip(scaled, lines, strict=True)):
        left, top = k % across * width, HEAD + k // across * height + GAP
        begin = left + (width - side) // 2
        picture[top : top + side, begin : begin + side] = image[rows][:, columns]
        for number, text in enumerate(texts):
            _write(picture, text, width - GAP, left, top + side + number * LINE, center=width)
    return _encoded(picture)


def _write(picture: Pixels, text: str, most: int, left: int, top: int, center: int = 0) -> None:
    """Write a line of at most so many pixels on white, centered if the pixels to center it in are given."""
    word = _word(text, most)
    left += max(0, center - word.shape[1]) // 2
    part = picture[top : top + word.shape[0], left : left + word.shape[1]]
    part[:] = word if picture.ndim == 2 else word[..., None]


def _encoded(pixels: Pixels, palette: bytes = b"") -> Picture:
    """A PNG file of grey values, of colors of a palette, or of RGB (https://www.w3.org/TR/png-3/)."""
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    filtered = np.full((height, rows.shape[1] + 1), 2, np.uint8)  # each row less the one above it
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    color = 3 if palette else (2 if pixels.ndim == 3 else 0)
    file = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, color, 0, 0, 0))
    if palette:
        file += _chunk(b"PLTE", palette)
    file += _chunk(b"IDAT", zlib.compress(filtered.data, 1)) + _chunk(b"IEND", b"")
    return Picture(width, height, file)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@lru_cache(maxsize=1)
def _blues() -> bytes:
    """From the color of a full cell to white."""
    return bytes(round(end + (255 - end) * value / 255) for value in range(256) for end in DARK)


@lru_cache(maxsize=16)
def _frame(classes: tuple[str, ...]) -> tuple[Pixels, int, int, int]:
    """A confusion matrix without its cells, where they begin (x, y), and the side of each."""
    names = [_word(name, NAMES) for name in classes]
    longest = max(name.shape[1] for name in names)
    left = longest + 2 * GAP
    cell = min(MOST_CELL, max(LEAST_CELL, (WIDTH - left - GAP) // len(classes)))
    is_upright = longest > cell - GAP
    top = HEAD + (longest if is_upright else LINE) + 2 * GAP
    end = len(classes) * cell
    picture = np.full((top + end + GAP, max(WIDTH, left + end + GAP)), 255, np.uint8)
    _write(picture, "rows: true class, columns: predicted class", WIDTH, GAP, GAP)
    for i, name in enumerate(names):
        y = top + i * cell + (cell - LINE) // 2
        picture[y : y + LINE, left - GAP - name.shape[1] : left - GAP] = name
        above = np.rot90(name) if is_upright else name
        x = left + i * cell + (cell - above.shape[1]) // 2
        picture[top - GAP - above.shape[0] : top - GAP, x : x + above.shape[1]] = above
    for line in range(0, end + 1, cell):
        picture[top : top + end + 1, left + line] = 225
        picture[top + line, left : left + end + 1] = 225
    return picture, left, top, cell


def _number(count: int, cell: int) -> str:
    """A count that fits into a cell, in thousands if it has to.

    >>> _number(987, 26), _number(5923, 26), _number(5923, 45)
    ('987', '5.9k', '5923')
    """
    text = str(count)
    if len(text) * FONT * 0.58 <= cell or count < 1000:
        return text
    return f"{count / 1000:.1f}k" if count < 10_000 else f"{count // 1000}k"


@lru_cache(maxsize=4096)
def _lines(label: str, prediction: str, probability: str, width: int) -> list[str]:
    """The text below an image: two lines where the classes fit into one, else three."""
    classes = f"{label} as {prediction}"
    if _font().getlength(classes) <= width - GAP:
        return [classes, probability]
    return [label, f"as {prediction}", probability]


@lru_cache(maxsize=4096)
def _cell(count: int, total: int, side: int) -> Pixels:
    """A cell of a matrix whose row adds up to a total."""
    share = count / total
    mask = Image.new("L", (side, side), 0)
    text = _number(count, side)
    ImageDraw.Draw(mask).text((side / 2, side / 2), text, fill=255, font=_font(), anchor="mm")
    covered = np.asarray(mask, np.float32) / 255
    shade, ink = 255 * (1 - share**0.5), 255 if share > 0.25 else 0
    cell: Pixels = np.round(shade + (ink - shade) * covered).astype(np.uint8)
    return cell


@lru_cache(maxsize=4096)
def _word(text: str, most: int) -> Pixels:
    """A text in black on white, which is at most so many pixels wide."""
    shown = text
    while _font().getlength(shown) > most and len(shown) > 2:
        shown = shown[:-2] + "…"
    width = min(most, max(1, -int(-_font().getlength(shown))))
    image = Image.new("L", (width, LINE), 255)
    ImageDraw.Draw(image).text((0, LINE / 2), shown, fill=0, font=_font(), anchor="lm")
    return np.asarray(image)


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(FONT)
