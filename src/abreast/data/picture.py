"""Pictures as the network's data are stored: upright, of one known brightness, and of the network's shape.

What a file leaves open (what is behind transparent pixels, which value is white) is refused, never guessed.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageCms, ImageColor, ImageOps
from torch import Tensor

from abreast.errors import DataError, first_line

Fit = Literal["crop", "stretch"]
# Others start programs (EPS) or hold several pictures by nature.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM")
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
SRGB_GAMMA = 1 / 2.2
SHOWN = 96  # pixels that a shown picture is high at least


def read_picture(
    path: Path,
    channels: int,
    size: tuple[int, int],
    *,
    fit: Fit | None = None,
    background: str | None = None,
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Read a picture.

    Args:
        path: A file in one of `FORMATS`.
        channels: 1 for grey, 3 for RGB.
        size: Height and width of the result.
        fit: What to do with a picture of another aspect ratio: `crop` its longer side, or `stretch` the
            shorter one; None to refuse it.
        background: The colour behind transparent pixels, such as `white`; None to refuse them.

    Returns:
        uint8 `[height, width, channels]`, 255 for white.

    Raises:
        DataError: The file cannot be read, or does not say what is to be seen; the message names it.
    """
    try:
        with warnings.catch_warnings(), Image.open(path, formats=FORMATS) as image:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image.load()
            picture = _plain(path, image, background)
    except DataError:
        raise
    except Exception as error:  # Pillow's readers raise anything for a broken file
        reason = first_line(error).replace(repr(str(path)), "it")
        names = ", ".join(FORMATS)
        raise DataError(f"{path}: not a picture that can be read ({reason}); formats are {names}") from None
    picture = picture.convert("L" if channels == 1 else "RGB")
    scaled = _scaled(path, picture, size, fit)
    return np.asarray(scaled, dtype=np.uint8).reshape(*size, channels)


def _plain(path: Path, image: Image.Image, background: str | None) -> Image.Image:
    """The picture as it is to be seen, in mode L or RGB."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a photo with a preview
        raise DataError(
            f"{path}: holds {frames} frames or pages; save the one to look at as a file of its own"
        )
    upright = ImageOps.exif_transpose(image)
    info, mode = {**image.info, **upright.info}, upright.mode
    if mode in SIXTEEN_BITS or (mode == "I" and image.format in ("PNG", "PPM")):
        if "transparency" in info:
            raise DataError(f"{path}: has 16 bits and a transparent value; save it with 8 bits")
        levels = np.asarray(upright).astype(np.float64) / 65535
        grey = Image.fromarray((levels * 255).round().clip(0, 255).astype(np.uint8))
        return _corrected(path, grey, info)
    if mode in ("I", "F"):
        raise DataError(
            f"{path}: its pixels are 32-bit numbers (mode {mode}), which do not say what is white; "
            "save it with 8 or 16 bits"
        )
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in info:
        upright = _on_background(path, upright, background)
    elif mode not in ("1", "L", "P", "RGB"):
        raise DataError(f"{path}: has the colours of a printer or a camera (mode {mode}); save it as RGB")
    grey_modes = ("1", "L")
    return _corrected(path, upright.convert("L" if upright.mode in grey_modes else "RGB"), info)


def _on_background(path: Path, image: Image.Image, background: str | None) -> Image.Image:
    coloured = image.convert("RGBA")
    if coloured.getchannel("A").getextrema() != (255, 255):
        if background is None:
            raise DataError(
                f"{path}: has transparent pixels, and what is behind them is not said; "
                "write --background white or --background black"
            )
        try:
            behind = Image.new("RGBA", coloured.size, ImageColor.getrgb(background))
        except ValueError:
            raise DataError(
                f"--background {background}: not a colour; write white, black or #808080"
            ) from None
        coloured = Image.alpha_composite(behind, coloured)
    return coloured.convert("RGB")


def _corrected(path: Path, image: Image.Image, info: dict[Any, Any]) -> Image.Image:
    """The picture in the colours and the brightness of sRGB, which pictures without a profile have."""
    profile = info.get("icc_profile")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "srgb" in ImageCms.getProfileDescription(source).lower():
                return image
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            raise DataError(
                f"{path}: its colour profile does not fit its pixels; save it as sRGB, without a profile"
            ) from None
        assert converted is not None
        return converted
    gamma = info.get("gamma")
    if gamma is None or "srgb" in info or abs(gamma - SRGB_GAMMA) < 0.01:
        return image
    if not 0.05 < gamma <= 10:
        raise DataError(f"{path}: says that its gamma is {gamma:g}, which no picture has; save it without")
    table = [round(255 * (level / 255) ** (SRGB_GAMMA / gamma)) for level in range(256)]
    return image.point(table * len(image.getbands()))


def _scaled(path: Path, image: Image.Image, size: tuple[int, int], fit: Fit | None) -> Image.Image:
    height, width = size
    if fit == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    same_height = abs(image.width * height / image.height - width) < 1
    same_width = abs(image.height * width / image.width - height) < 1
    if fit is None and not (same_height and same_width):
        raise DataError(
            f"{path}: is {image.width} x {image.height} pixels, and the network sees {width} x {height}: "
            "crop it to that shape, or write --fit crop (its longer side) or --fit stretch"
        )
    return image.resize((width, height), Image.Resampling.BICUBIC)


def shown(images: Tensor, peak: int) -> bytes:
    """A PNG of the images side by side, enlarged by a whole number.

    Args:
        images: uint8 `[N, C, H, W]` as stored, C 1 or 3.
        peak: The stored value of white.
    """
    pixels = (images.float() * (255 / max(1, peak))).round().clamp(0, 255).byte()
    strip = pixels.permute(2, 0, 3, 1).flatten(1, 2).numpy()  # [H, N * W, C]
    picture = Image.fromarray(strip if strip.shape[2] == 3 else strip[..., 0])
    factor = max(1, -(-SHOWN // images.shape[2]))
    file = io.BytesIO()
    enlarged = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    enlarged.save(file, "PNG")
    return file.getvalue()
