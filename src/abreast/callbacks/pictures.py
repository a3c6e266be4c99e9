"""Small pictures of a test: confusion matrices and grids of images, as PNG files of at most 256 colors.

TensorBoard shows every picture about 350 pixels wide: they have one width, at which the text can still be
read there. A sweep draws thousands of them. What repeats (frames, words) is drawn once, and files with a
palette are encoded in a fifth of the time that those of RGB take.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from abreast.loggers.tensorboard import Picture

WIDTH = 480  # pixels of a picture
FONT = 19  # pixels
LINE = 22  # pixels of a line of text
HEAD = LINE + 6  # pixels of the line at the top
MOST_CELL = 90  # pixels of a cell of a matrix of few classes
LEAST_CELL = 34  # pixels, for three digits; a matrix of more classes is wider
NAMES = 120  # pixels of the longest class name
GAP = 4  # pixels between a text and what it belongs to
DARK = (8, 48, 107)  # of a cell that holds all of its row


def confusion_picture(confusion: Sequence[Sequence[int]], classes: tuple[str, ...]) -> Picture:
    """Draw a confusion matrix: a row for each true class, darker cells for larger shares of the row.

    Args:
        confusion: `confusion[label][prediction]`, counts.
        classes: Class names in the order of the labels.
    """
    frame, left, top, cell = _frame(classes)
    picture = frame.copy()
    for i, row in enumerate(confusion):
        total = max(1, sum(row))
        for j, count in enumerate(row):
            if not count:
                continue
            share = count / total
            x, y = left + j * cell, top + i * cell
            box = (x, y, x + cell, y + cell)
            picture.paste(round(255 * (1 - share**0.5)), box)
            picture.paste(255 if share > 0.25 else 0, box, _cell_text(_number(count, cell), cell))
    picture.putpalette(_blues())
    return _encoded(picture)


def images_picture(images: Tensor, titles: Sequence[tuple[str, str, str]]) -> Picture:
    """Draw images in a square grid, under a line that says what the texts below them are.

    Args:
        images: uint8 `[N, C, H, W]`.
        titles: The true class, the predicted one and the probability of the true one, as texts.
    """
    across = max(1, round(len(titles) ** 0.5))
    down = -(-len(titles) // across)
    width = max(WIDTH // across, 72)
    side = min(width - 2 * GAP, 160)
    lines = [_lines(*title, width) for title in titles]
    height = side + LINE * max(map(len, lines)) + 3 * GAP
    top_value = max(1, int(images.max()))  # digits go up to 16 only
    rows, columns = (np.arange(side) * size // side for size in images.shape[2:])
    scaled = np.round(images.numpy() * np.float32(255 / top_value)).astype(np.uint8)
    pixels = scaled[:, :3].transpose(0, 2, 3, 1)[:, rows][:, :, columns]
    size = (max(across * width, WIDTH), HEAD + down * height)
    picture = Image.new("RGB" if pixels.shape[3] == 3 else "L", size, "white")
    head = _word("true as predicted, probability of the true class", WIDTH)
    picture.paste("black", (GAP, GAP, GAP + head.width, GAP + head.height), head)
    for k, (image, texts) in enumerate(zip(pixels, lines, strict=True)):
        left, top = k % across * width, HEAD + k // across * height
        drawn = Image.fromarray(image if picture.mode == "RGB" else image[..., 0])
        picture.paste(drawn, (left + (width - side) // 2, top + GAP))
        for number, text in enumerate(texts):
            word = _word(text, width - GAP)
            x, y = left + (width - word.width) // 2, top + GAP + side + number * LINE
            picture.paste("black", (x, y, x + word.width, y + word.height), word)
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
def _frame(classes: tuple[str, ...]) -> tuple[Image.Image, int, int, int]:
    """A confusion matrix without its cells, where they begin (x, y), and the side of each."""
    names = [_word(name, NAMES) for name in classes]
    longest = max(name.width for name in names)
    left = longest + 2 * GAP
    cell = min(MOST_CELL, max(LEAST_CELL, (WIDTH - left - GAP) // len(classes)))
    is_upright = longest > cell - GAP
    top = HEAD + (longest if is_upright else LINE) + 2 * GAP
    picture = Image.new(
        "L", (max(WIDTH, left + len(classes) * cell + GAP), top + len(classes) * cell + GAP), 255
    )
    head = _word("rows: true class, columns: predicted class", WIDTH)
    picture.paste(0, (GAP, GAP, GAP + head.width, GAP + head.height), head)
    for i, name in enumerate(names):
        y = top + i * cell + (cell - name.height) // 2
        picture.paste(0, (left - GAP - name.width, y, left - GAP, y + name.height), name)
        above = name.rotate(90, expand=True) if is_upright else name
        x = left + i * cell + (cell - above.width) // 2
        picture.paste(0, (x, top - GAP - above.height, x + above.width, top - GAP), above)
    draw = ImageDraw.Draw(picture)
    for i in range(len(classes) + 1):
        end = len(classes) * cell
        draw.line((left + i * cell, top, left + i * cell, top + end), fill=225)
        draw.line((left, top + i * cell, left + end, top + i * cell), fill=225)
    return picture, left, top, cell


def _number(count: int, cell: int) -> str:
    """A count that fits into a cell, in thousands if it has to.

    >>> _number(987, 34), _number(5923, 34), _number(5923, 60)
    ('987', '5.9k', '5923')
    """
    text = str(count)
    if len(text) * FONT * 0.58 <= cell or count < 1000:
        return text
    return f"{count / 1000:.1f}k" if count < 10_000 else f"{count // 1000}k"


def _lines(label: str, prediction: str, probability: str, width: int) -> list[str]:
    """The text below an image: two lines where the classes fit into one, else three."""
    classes = f"{label} as {prediction}"
    if _font().getlength(classes) <= width - GAP:
        return [classes, probability]
    return [label, f"as {prediction}", probability]


@lru_cache(maxsize=4096)
def _cell_text(text: str, cell: int) -> Image.Image:
    mask = Image.new("L", (cell, cell), 0)
    ImageDraw.Draw(mask).text((cell / 2, cell / 2), text, fill=255, font=_font(), anchor="mm")
    return mask


@lru_cache(maxsize=4096)
def _word(text: str, most: int) -> Image.Image:
    """Where a text covers its picture, which is at most so many pixels wide."""
    shown = text
    while _font().getlength(shown) > most and len(shown) > 2:
        shown = shown[:-2] + "…"
    width = max(1, -int(-_font().getlength(shown)))
    mask = Image.new("L", (width, LINE), 0)
    ImageDraw.Draw(mask).text((0, LINE / 2), shown, fill=255, font=_font(), anchor="lm")
    return mask


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(FONT)
