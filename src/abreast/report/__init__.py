"""Reports on sweeps: tables, statistics, figures and one HTML page, from run directories alone. No torch.

`abreast.report(DIR)` writes one: the package can be called, as it has the name of that function.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *directories: Any, **options: Any) -> Any:
        return importlib.import_module("abreast.api.report").report(*directories, **options)


sys.modules[__name__].__class__ = _Callable
