"""The worst-classified images of a run, as a list for the page."""

from __future__ import annotations

import base64
import binascii
import html
import re
from pathlib import Path
from typing import Any

from abreast.report.collect import read_json
from abreast.runs.files import WORST

SIDE = 4096  # pixels of a side of an image at most


def worst_images(run: Path) -> str:
    """An HTML list of the images with their classes; empty where the run kept none that are whole."""
    found = read_json(run / WORST)
    try:
        return _list(found) if found else ""
    except (KeyError, TypeError, ValueError, IndexError, binascii.Error):
        return ""


def _list(found: dict[str, Any]) -> str:
    images, classes = found["images"], [str(each) for each in found["classes"]]
    height, width = int(found["height"]), int(found["width"])
    picture = str(found["png"])
    if not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", picture) or not 0 < height <= SIDE or not 0 < width <= SIDE:
        raise ValueError("no picture")
    if not base64.b64decode(picture).startswith(b"\x89PNG"):
        raise ValueError("no PNG")
    items = []
    for place, each in enumerate(images):
        label, guess = classes[int(each["label"])], classes[int(each["guess"])]
        row, chance, sure = int(each["row"]), float(each["chance"]), float(each["confidence"])
        right = label == guess
        said = f"test row {row}: {label} ({chance:.2g}), taken for {guess} ({sure:.2g})"
        at = 100 * place / max(1, len(images) - 1)
        kind = "" if right else ' class="wrong"'
        items.append(
            f'<li><span class="image" role="img" aria-label="{html.escape(said)}" '
            f'title="{html.escape(said)}" '
            f'style="background-position:{at:.4f}% 0;background-size:{len(images) * 100}% 100%"></span>'
            f"{html.escape(label)} as <span{kind}>{html.escape(guess)}</span></li>"
        )
    style = f"background-image:url(data:image/png;base64,{picture});--shape:{width}/{height}"
    return f'<style>.images .image{{{style}}}</style><ul class="images">{"".join(items)}</ul>'
