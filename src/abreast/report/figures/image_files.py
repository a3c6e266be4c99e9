"""Figures as PNG and SVG files, drawn by a headless Chrome or Chromium."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from abreast.errors import RunError
from abreast.report.figures.base import Figure

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SIZE = {"width": 900, "height": 480}


def browser() -> str:
    """The browser to draw with: that of $BROWSER_PATH, else the first that is installed. Raises RunError."""
    named = os.environ.get("BROWSER_PATH")
    found = named or next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if not found or not Path(found).exists():
        looked = f"BROWSER_PATH={named}" if named else ", ".join(BROWSERS)
        raise RunError(
            f"--figures draws with Chrome or Chromium, and there is none ({looked}): install one (Debian: "
            "apt-get install chromium), or use the page's own PNG and SVG buttons"
        )
    return found


def export(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """Write every variant of every figure as PNG and SVG on white; the files."""
    path = browser()
    import kaleido

    folder.mkdir(parents=True, exist_ok=True)
    specs: list[dict[str, Any]] = []
    files: list[Path] = []
    for figure in figures:
        for key, variant in figure.variants.items():
            name = "-".join([figure.id, *(re.sub(r"\W+", "_", part) for part in key)])
            layout = {**variant["layout"], "paper_bgcolor": "#fff", "plot_bgcolor": "#fff"}
            size = {**SIZE, "height": layout.get("height", SIZE["height"])}
            for suffix in ("png", "svg"):
                file = folder / f"{name}.{suffix}"
                specs.append(
                    {
                        "fig": {"data": variant["data"], "layout": layout},
                        "path": str(file),
                        "opts": {"format": suffix, "scale": 2 if suffix == "png" else 1, **size},
                    }
                )
                files.append(file)
    kaleido.write_fig_from_object_sync(specs, kopts={"path": path, "enable_sandbox": os.geteuid() != 0})
    return files
