"""The forms of products that earlier processes have chosen on this machine, in the user's cache.

Timings of two forms may be close, and forms round differently: without a memory, two sweeps on one card would
not always give the same weights. The file is only a memory. One that is missing, damaged or cannot be
written changes nothing but that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch

from abreast.errors import RunError
from abreast.runs.atomic import write_atomically
from abreast.runs.small_file import parse_json, read_text
from abreast.runtime.cache_folder import cache_folder
from abreast.runtime.directory_lock import locked

FILE = "products.json"
MOST_BYTES = 1 << 22  # MOST_CARDS * MOST_SHAPES lines, each of at most 200 bytes
MOST_SHAPES = 1000  # of a card and version of torch; the oldest are forgotten
MOST_CARDS = 20  # with their versions of torch, likewise
PATIENCE = 2.0  # seconds to wait for other processes, which hold the lock for milliseconds

_Content = dict[str, dict[str, str]]  # forms by card and version, and by shape


class ProductCache:
    """The forms by card, version of torch and shape.

    Args:
        forms: The names of all forms; what was chosen among others is not used.
    """

    def __init__(self, forms: Sequence[str]) -> None:
        self.forms = list(forms)

    def get(self, device: str, shape: str) -> str | None:
        """The form that an earlier process has chosen.

        Args:
            device: The name of the card.
            shape: The product's shape, layout and precision.
        """
        folder = cache_folder()
        return None if folder is None else self._read(folder / FILE).get(_card(device), {}).get(shape)

    def add(self, device: str, shape: str, form: str, *, replaces: str | None = None) -> str:
        """Keep a form, and give the one to use: that of a process that was faster to choose, if any.

        Args:
            device: The name of the card.
            shape: The product's shape, layout and precision.
            form: The form.
            replaces: A form that may be kept, and has turned out to be of no use.
        """
        folder = cache_folder()
        if folder is None:
            return form
        with suppress(OSError, RunError):
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            return self._added(folder, _card(device), shape, form, replaces)
        return form

    def _added(self, folder: Path, card: str, shape: str, form: str, replaces: str | None) -> str:
        with locked(folder, PATIENCE):
            content = self._read(folder / FILE)
            of_card = content.pop(card, {})  # to be the newest
            if of_card.get(shape, replaces) != replaces:
                return of_card[shape]
            of_card.pop(shape, None)
            newest = [*content.items()][1 - MOST_CARDS :]
            kept = {**dict(newest), card: dict([*of_card.items(), (shape, form)][-MOST_SHAPES:])}
            text = json.dumps({"forms": self.forms, "products": kept}, indent=1)
            write_atomically(folder / FILE, text.encode())
        return form

    def _read(self, file: Path) -> _Content:
        """What the file holds and may be used; nothing of one that is missing or damaged."""
        try:
            content = parse_json(read_text(file, MOST_BYTES), file)
        except (OSError, RunError, ValueError):
            return {}
        if not isinstance(content, dict) or content.get("forms") != self.forms:
            return {}
        products = content.get("products")
        return {
            card: {shape: form for shape, form in of_card.items() if form in self.forms}
            for card, of_card in (products.items() if isinstance(products, dict) else ())
            if isinstance(of_card, dict)
        }


def _card(device: str) -> str:
    return f"{device}, torch {torch.__version__}"
