"""The worst-classified images of a run, as a list for the page."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path

from abreast.config.types import Json
from abreast.report.files import read_json
from abreast.report.html.elements import escaped
from abreast.runs.files import WORST
from abreast.runs.schema import WorstFile, fits

MOST_PIXELS = 4096  # of an image's width and height


def worst_images(run: Path) -> str:
    """Make an HTML list of the images with true and predicted classes.

    Args:
        run: The run's directory.

    Returns:
        The list; empty if the run stored no valid images.
    """
    content = read_json(run / WORST)
    if not fits(content, WorstFile):
        return ""
    try:
        return _image_list(content)
    except (ValueError, IndexError, binascii.Error):  # no PNG, or a class that there is not
        return ""


def _image_list(content: Json) -> str:
    images, classes = content["images"], [str(name) for name in content["classes"]]
    height, width = int(content["height"]), int(content["width"])
    png = str(content["png"])  # all images side by side
    if not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", png) or not base64.b64decode(png).startswith(b"\x89PNG"):
        raise ValueError("not a PNG image")
    if not 0 < height <= MOST_PIXELS or not 0 < width <= MOST_PIXELS:
        raise ValueError(f"not an image: {width=}, {height=}")
    items = []
    for index, image in enumerate(images):
        label, prediction = classes[int(image["label"])], classes[int(image["prediction"])]
        probability, confidence = float(image["probability"]), float(image["confidence"])
        description = escaped(
            f"test example {int(image['example'])}: true class {label} (probability {probability:.2g}), "
            f"predicted {prediction} ({confidence:.2g})"
        )
        offset = 100 * index / max(1, len(images) - 1)
        wrong = "" if label == prediction else ' class="wrong"'
        items.append(
            f'<li><span class="image" role="img" aria-label="{description}" title="{description}" '
            f'style="background-position:{offset:.4f}% 0;background-size:{len(images) * 100}% 100%"></span>'
            f"{escaped(label)} → <span{wrong}>{escaped(prediction)}</span></li>"
        )
    style = f"background-image:url(data:image/png;base64,{png});--shape:{width}/{height}"
    return f'<style>.images .image{{{style}}}</style><ul class="images">{"".join(items)}</ul>'
