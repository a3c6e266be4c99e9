"""Stand-ins for compiled packages that a bare machine lacks, as far as `gpu.py` needs them.

Abreast imports Pillow wherever it may read a picture, and writes the images of a run's worst predictions by
it. Of scikit-learn it only reads the digits, whose shape, values and number of classes are made here. Of
scipy it takes at a run's end the accuracy that chance reaches, from the binomial distribution; the table at
a sweep's end, for which it takes more, says that it cannot be made.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

PILLOW = """
import struct
import zlib


class _Missing:
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Missing()

    def __call__(self, *arguments, **options):
        raise ImportError("Pillow is not installed")


class _Array:
    def __init__(self, array):
        self.array = array

    def save(self, file, format):
        height, width = self.array.shape[:2]
        rows = b"".join(b"\\0" + row.tobytes() for row in self.array)
        kind = 2 if self.array.ndim == 3 else 0  # of a PNG: colours, shades of grey
        header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
        file.write(b"\\x89PNG\\r\\n\\x1a\\n")
        for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
            file.write(struct.pack(">I", len(data)) + name + data)
            file.write(struct.pack(">I", zlib.crc32(name + data)))


class _Image(_Missing):
    @staticmethod
    def fromarray(array):
        return _Array(array)


Image = _Image()


def __getattr__(name):
    return getattr(_Missing(), name)
"""

SCIPY = """
import importlib.abc
import importlib.machinery
import itertools
import math
import sys


def bdtrc(k, n, p):
    \"\"\"The chance of more than k successes among n.\"\"\"
    logs = (
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
        + i * math.log(p) + (n - i) * math.log1p(-p)
        for i in range(max(0, int(k) + 1), int(n) + 1)
    )
    return math.fsum(map(math.exp, logs))


def bdtrik(y, n, p):
    \"\"\"The least number of successes that so large a share of the draws does not exceed.\"\"\"
    return next(k for k in itertools.count() if 1 - bdtrc(k, n, p) >= y or k >= n)


def _attribute(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def missing(*arguments, **options):
        raise OSError("scipy is not installed")

    return {"bdtrc": bdtrc, "bdtrik": bdtrik}.get(name, missing)


class _Modules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        is_part = name.startswith("scipy.")  # any: other packages import some
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if is_part else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        module.__getattr__ = _attribute


sys.meta_path.append(_Modules())
"""


def write(site: Path) -> list[str]:
    """Write a stand-in for each package that this Python lacks, and give their names.

    Args:
        site: The folder to write into, for `sys.path`.
    """
    written = []
    if find_spec("PIL") is None:
        (site / "PIL").mkdir()
        (site / "PIL" / "__init__.py").write_text(PILLOW)
        written.append("Pillow")
    if find_spec("scipy") is None:
        (site / "scipy").mkdir()
        (site / "scipy" / "__init__.py").write_text(SCIPY)
        written.append("scipy")
    if find_spec("sklearn") is None:
        data = site / "sklearn" / "datasets" / "data"
        data.mkdir(parents=True)
        (site / "sklearn" / "__init__.py").write_text('"""Stands in for scikit-learn: has only digits."""\n')
        np.savetxt(data / "digits.csv.gz", digits(), fmt="%d", delimiter=",")
        written.append("scikit-learn")
    return written


def digits() -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Noisy copies of a random 8 x 8 image for each of ten classes: values 0 to 16, then the class."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 1797)
    images = random.uniform(2, 14, (10, 64))[labels] + random.normal(0, 3, (1797, 64))
    return np.column_stack([images.round().clip(0, 16), labels]).astype(np.int64)
