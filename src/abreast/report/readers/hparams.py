"""The hparams.yaml that Lightning's loggers write."""

from __future__ import annotations

import re
from pathlib import Path

from abreast.config.identity import Scalar
from abreast.report.readers.foreign_run import flat
from abreast.runs.small_file import MOST_YAML_BYTES, parse_yaml, read_text

HPARAMS = "hparams.yaml"
# Lightning dumps paths, tuples and namespaces as Python's objects: of these only the content is read.
_PYTHON_TAG = re.compile(r"!!python/[\w.:/]+")


def read_hparams(folder: Path) -> dict[str, Scalar] | None:
    """The settings in a folder's hparams.yaml; None if there is none.

    Raises:
        RunError: It is not YAML of plain values.
    """
    path = folder / HPARAMS
    if not path.exists():
        return None
    content = parse_yaml(_PYTHON_TAG.sub("", read_text(path, MOST_YAML_BYTES)), path)
    return flat(content) if isinstance(content, dict) else {}
