"""Abreast: which loss, which optimizer, and is the difference real?

`abreast.train`, `sweep`, `decide`, `resume`, `load` and `report` do what the commands do, in the process that
calls them. Importing abreast imports nothing else; torch comes with the first call.
"""

import os
import sys

# `python -m abreast` puts the working directory first, where a stranger's `typing.py` would stand in for
# Python's. While Python imports the package of its `-m`, this is what its arguments begin with.
if getattr(sys, "argv", [])[:1] == ["-m"]:
    try:
        if sys.path[:1] == [os.getcwd()]:  # noqa: PTH109  as `pathlib.py`
            sys.path.append(sys.path.pop(0))
    except OSError:  # it was removed, and so holds nothing
        pass

# isort: split
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abreast.api.decision import Decision
    from abreast.api.functions import decide, load, resume, sweep, train
    from abreast.api.report import report
    from abreast.api.run import Run
    from abreast.api.sweep import Report, Sweep

__version__ = "0.1.0.dev0"

_HOMES = {
    "decide": "functions",
    "load": "functions",
    "resume": "functions",
    "sweep": "functions",
    "train": "functions",
    "Decision": "decision",
    "Report": "sweep",
    "Run": "run",
    "Sweep": "sweep",
}
__all__ = [
    "Decision",
    "Report",
    "Run",
    "Sweep",
    "__version__",
    "decide",
    "load",
    "report",
    "resume",
    "sweep",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in ("report", "errors"):
        return importlib.import_module(f"abreast.{name}")  # the package `report` can be called
    if name in _HOMES:
        return getattr(importlib.import_module(f"abreast.api.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'abreast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "errors"})
