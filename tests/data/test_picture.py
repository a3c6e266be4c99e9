"""Pictures that lie about their pixels are read rightly or refused."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from abreast.data.picture import read_picture
from abreast.errors import DataError
from abreast.inference.predict import read_inputs
from abreast.learner.evaluator import Evaluator

SIDE = 12
# Dark and light quarters, all different, so that each turn and mirror of it is another picture.
PIXELS = np.kron(np.array([[0, 60], [130, 255]], np.uint8), np.ones((SIDE // 2, SIDE // 2), np.uint8))
WHITE = np.full((SIDE, SIDE), 255, np.uint8)


def read(path: Path, channels: int = 1, **more: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    pixels = read_picture(path, channels, (SIDE, SIDE), **more)
    return pixels[..., 0] if channels == 1 else pixels


def unprotected(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The twin without protection: what Pillow gives whoever asks for grey."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((SIDE, SIDE)))


# How a picture was turned, by the number that says how to turn it back (TIFF 6.0, Orientation).
TURNS: dict[int, Callable[[Any], Any]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a),
    7: lambda a: np.rot90(a, 2).T,
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
@pytest.mark.parametrize("orientation", TURNS)
def test_orientation(orientation: int, suffix: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned.{suffix}"
    turned = Image.fromarray(np.ascontiguousarray(TURNS[orientation](PIXELS)))
    options = {"lossless": True} if suffix == "webp" else {"quality": 100} if suffix == "jpg" else {}
    turned.save(path, exif=exif, **options)
    assert np.abs(read(path).astype(int) - PIXELS).max() <= 3
    if orientation not in (1,) and suffix != "tiff":  # Pillow turns a TIFF itself
        assert np.abs(unprotected(path).astype(int) - PIXELS).max() > 50


def tiff(array: np.ndarray[Any, Any], path: Path) -> None:
    Image.fromarray(array).save(path, "TIFF")


def sixteen_bit_png(path: Path) -> None:
    """By hand: Pillow has had different modes for it."""
    rows = (PIXELS.astype(np.uint16) * 257).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    content = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def linear_png(path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", struct.pack(">I", 100000))
    Image.fromarray(((PIXELS / 255) ** 2.2 * 255).round().astype(np.uint8)).save(path, "PNG", pnginfo=info)


def palette_png(path: Path) -> None:
    """Indices that say nothing of brightness: the palette does."""
    levels = [0, 60, 130, 255]
    order = [3, 1, 0, 2]
    indices = np.select([levels[i] == PIXELS for i in order], range(4)).astype(np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.flatten().tolist())
    image.putpalette([levels[i] for i in order for _ in range(3)])
    image.save(path, "PNG")


READ: dict[str, Callable[[Path], object]] = {
    "grey": lambda path: Image.fromarray(PIXELS).save(path, "PNG"),
    "rgb": lambda path: Image.fromarray(PIXELS).convert("RGB").save(path, "BMP"),
    "opaque LA": lambda path: Image.fromarray(PIXELS).convert("LA").save(path, "PNG"),
    "opaque RGBA": lambda path: Image.fromarray(PIXELS).convert("RGBA").save(path, "PNG"),
    "palette": palette_png,
    "16-bit PNG": sixteen_bit_png,
    "16-bit TIFF": lambda path: tiff(PIXELS.astype(np.uint16) * 257, path),
    "16-bit PGM": lambda path: path.write_bytes(
        b"P5 %d %d 65535\n" % (SIDE, SIDE) + (PIXELS.astype(np.uint16) * 257).astype(">u2").tobytes()
    ),
    "linear gamma": linear_png,
    "white is zero": lambda path: Image.fromarray(255 - PIXELS).save(path, "TIFF", tiffinfo={262: 0}),
}


@pytest.mark.parametrize("kind", READ)
def test_modes_and_depths_are_read(kind: str, tmp_path: Path) -> None:
    READ[kind](tmp_path / "picture")
    expected: np.ndarray[Any, Any] = PIXELS
    if kind == "white is zero":  # whatever Pillow wrote, what it shows counts
        expected = unprotected(tmp_path / "picture")
    assert np.abs(read(tmp_path / "picture").astype(int) - expected).max() <= 2
    assert read(tmp_path / "picture", channels=3).shape == (SIDE, SIDE, 3)
    if kind in ("16-bit TIFF", "16-bit PNG", "16-bit PGM", "linear gamma"):
        assert np.abs(unprotected(tmp_path / "picture").astype(int) - expected).max() > 20


def transparent(mode: str) -> Callable[[Path], None]:
    def save(path: Path) -> None:
        image = Image.fromarray(WHITE).convert("RGBA")
        image.putalpha(Image.fromarray(PIXELS))
        if mode == "P":
            palette = Image.fromarray(PIXELS).convert("P")
            palette.save(path, "PNG", transparency=0)
        elif mode == "tRNS":
            Image.fromarray(PIXELS).save(path, "PNG", transparency=0)
        else:
            image.convert(mode).save(path, "PNG")

    return save


def frames(kind: str) -> Callable[[Path], None]:
    def save(path: Path) -> None:
        first, second = Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)
        first.save(path, kind, save_all=True, append_images=[second])

    return save


def truncated(path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90), np.uint8)).save(file, "PNG")
    path.write_bytes(file.getvalue()[:-2000])


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "transparent RGBA": (transparent("RGBA"), "--background"),
    "transparent LA": (transparent("LA"), "--background"),
    "transparent palette": (transparent("P"), "--background"),
    "transparent grey": (transparent("tRNS"), "--background"),
    "float TIFF": (lambda path: tiff((PIXELS / 255).astype(np.float32), path), "what is white"),
    "32-bit TIFF": (lambda path: tiff(PIXELS.astype(np.int32) * 1000, path), "what is white"),
    "CMYK": (lambda path: Image.fromarray(PIXELS).convert("CMYK").save(path, "JPEG"), "save it as RGB"),
    "LAB": (lambda path: Image.new("LAB", (SIDE, SIDE)).save(path, "TIFF"), "save it as RGB"),
    "animated GIF": (frames("GIF"), "2 frames"),
    "animated PNG": (frames("PNG"), "2 frames"),
    "animated WebP": (frames("WEBP"), "2 frames"),
    "TIFF of two pages": (frames("TIFF"), "2 frames"),
    "truncated": (truncated, "not a picture that can be read"),
    "aspect ratio": (lambda path: Image.new("L", (64, 48)).save(path, "PNG"), "--fit crop"),
    "PostScript": (lambda path: Image.fromarray(PIXELS).save(path, "EPS"), "not a picture"),
    "broken profile": (
        lambda path: Image.fromarray(PIXELS).save(path, "PNG", icc_profile=b"no profile"),
        "colour profile",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_said_is_refused(kind: str, tmp_path: Path) -> None:
    save, reason = REFUSED[kind]
    save(tmp_path / "picture")
    with pytest.raises(DataError, match=reason) as error:
        read(tmp_path / "picture")
    assert "\n" not in str(error.value)


def test_the_background_and_the_fit_are_chosen(tmp_path: Path) -> None:
    transparent("RGBA")(tmp_path / "a.png")
    assert np.abs(read(tmp_path / "a.png", background="black").astype(int) - PIXELS).max() <= 1
    assert (read(tmp_path / "a.png", background="white") == 255).all()
    wide = np.hstack([WHITE[:, :6], PIXELS, WHITE[:, :6]])
    Image.fromarray(wide).save(tmp_path / "b.png")
    assert np.array_equal(read(tmp_path / "b.png", fit="crop"), PIXELS)
    assert not np.array_equal(read(tmp_path / "b.png", fit="stretch"), PIXELS)


def test_a_colour_profile_is_applied(tmp_path: Path) -> None:
    """Grey of the linear profile's XYZ is not sRGB's; a picture that names sRGB keeps its pixels."""
    named = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.fromarray(PIXELS).convert("RGB")
    picture.save(tmp_path / "a.png", icc_profile=named)
    assert np.array_equal(read(tmp_path / "a.png"), PIXELS)


def network(peak: int | None, *in_shape: int) -> Evaluator:
    return cast(Evaluator, SimpleNamespace(peak=peak, in_shape=in_shape))


BAD_ROWS: dict[str, tuple[np.ndarray[Any, Any], int | None, str]] = {
    "nan": (np.array([[1.0, 2.0], [3.0, np.nan]]), None, "row 2, value 2 is nan"),
    "infinite": (np.array([[np.inf, 2.0]]), None, "row 1, value 1 is inf"),
    "too large for float32": (np.array([[1e300, 2.0]]), None, "float32"),
    "complex": (np.array([[1j, 2.0]]), None, "not numbers"),
    "text": (np.array([["a", "b"]]), None, "not numbers"),
    "no rows": (np.zeros((0, 2)), None, "no rows"),
    "fractions for uint8": (np.array([[0.5, 2.0]]), 16, "whole number"),
    "above 255": (np.array([[256, 2]]), 16, "whole number"),
    "nan for uint8": (np.array([[np.nan, 2]]), 16, "nan"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_rows_that_are_refused(kind: str, tmp_path: Path) -> None:
    rows, peak, reason = BAD_ROWS[kind]
    np.save(tmp_path / "rows.npy", rows)
    with pytest.raises(DataError, match=reason):
        read_inputs(tmp_path / "rows.npy", network(peak, 2))


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float64", "bool"])
def test_rows_of_uint8_features(dtype: str, tmp_path: Path) -> None:
    rows = np.array([[1, 0], [0, 1]]).astype(dtype)
    np.save(tmp_path / "rows.npy", rows)
    inputs = read_inputs(tmp_path / "rows.npy", network(16, 2))
    assert inputs.dtype.is_floating_point is False
    assert inputs.tolist() == [[1, 0], [0, 1]]
    assert read_inputs(tmp_path / "rows.npy", network(None, 2)).tolist() == [[1.0, 0.0], [0.0, 1.0]]
