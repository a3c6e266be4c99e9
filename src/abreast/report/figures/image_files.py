"""Figures as PNG, SVG and PDF files, drawn by a headless Chrome or Chromium."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from abreast.config.types import Json
from abreast.errors import RunError
from abreast.report.figures.base import Figure

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SIZE = {"width": 900, "height": 480}  # pixels


def find_browser() -> str:
    """Find the browser to draw with: that of $BROWSER_PATH, else the first one of `BROWSERS` on the PATH.

    Raises:
        RunError: If there is none.
    """
    configured = os.environ.get("BROWSER_PATH")
    path = configured or next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if not path or not Path(path).exists():
        searched = f"BROWSER_PATH={configured}" if configured else ", ".join(BROWSERS)
        raise RunError(
            f"--figures requires Chrome or Chromium, and none was found ({searched}). Install one (Debian: "
            "apt-get install chromium), or use the PNG and SVG buttons of the page"
        )
    return path


def export(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """Write every variant of every figure as PNG, SVG and PDF on a white background.

    Args:
        figures: The figures of a report.
        folder: The directory to write to; created if it is missing.

    Returns:
        The paths of the files.

    Raises:
        RunError: If there is no browser.
    """
    browser = find_browser()
    import kaleido

    folder.mkdir(parents=True, exist_ok=True)
    specs: list[Json] = []
    files: list[Path] = []
    for figure in figures:
        for key, variant in figure.variants.items():
            name = "-".join([figure.id, *(re.sub(r"\W+", "_", part) for part in key)])
            layout = {**variant["layout"], "paper_bgcolor": "#fff", "plot_bgcolor": "#fff"}
            size = {**SIZE, "height": layout.get("height", SIZE["height"])}
            for suffix in ("png", "svg", "pdf"):
                file = folder / f"{name}.{suffix}"
                specs.append(
                    {
                        "fig": {"data": variant["data"], "layout": layout},
                        "path": str(file),
                        "opts": {"format": suffix, "scale": 2 if suffix == "png" else 1, **size},
                    }
                )
                files.append(file)
    kaleido.write_fig_from_object_sync(
        specs,
        # Chromium refuses to run its sandbox as root.
        kopts={"path": browser, "enable_sandbox": os.geteuid() != 0},
    )
    return files
