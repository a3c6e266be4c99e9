"""A folder of pure-Python wheels, for a machine that has torch but no network.

    python scripts/gpu_wheels.py            # fills wheels/ ; `make gpu-wheels` runs it
    python scripts/gpu_wheels.py --check    # only says what the folder holds

Only wheels that no compiler has touched, in the versions of `constraints.txt`: they fit every platform, and
`scripts/gpu.py` unpacks those that its machine lacks.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "wheels"
PYTHON = "3.12"
MOST_BYTES = 60 * 2**20
# What abreast and its tests import, and what that imports in turn, as far as it is pure Python.
PACKAGES = (
    "absl-py",
    "annotated-types",
    "choreographer",
    "execnet",
    "fsspec",
    "hydra-core",
    "iniconfig",
    "kaleido",
    "lightning",
    "lightning-utilities",
    "logistro",
    "markdown-it-py",
    "mdurl",
    "narwhals",
    "omegaconf",
    "packaging",
    "platformdirs",
    "plotly",
    "protobuf",
    "pluggy",
    "pygments",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "pytorch-lightning",
    "pytorch-optimizer",
    "rich",
    "schedulefree",
    "tensorboard",
    "torchmetrics",
    "tqdm",
    "typing-extensions",
)
# Compiled for speed alone: only their Python files are unpacked, which fit every platform.
WITH_FALLBACK = ("pyyaml",)


def fill(folder: Path) -> list[str]:
    """Download the wheels that the folder lacks; gives the packages of which there is no pure wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    for name in (*PACKAGES, *WITH_FALLBACK):
        command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--python-version", PYTHON, "-c", str(ROOT / "constraints.txt")]
        if name in WITH_FALLBACK:
            command += ["--platform", "manylinux2014_x86_64"]
        else:
            command += ["--implementation", "py", "--abi", "none", "--platform", "any"]
        done = subprocess.run([*command, "-d", str(folder), name], capture_output=True, text=True)
        if done.returncode:
            missing.append(name)
    return missing


def unpack(folder: Path, site: Path) -> list[str]:
    """Unpack the wheels of packages that this Python lacks, and give their names.

    Args:
        folder: Where the wheels are; it need not exist.
        site: The folder to unpack into, for `sys.path`.
    """
    unpacked = []
    for wheel in sorted(folder.glob("*.whl")):
        name = re.sub(r"[-_.]+", "-", wheel.name.split("-")[0]).lower()
        is_pure = wheel.name.endswith("-none-any.whl")
        if not is_pure and name not in WITH_FALLBACK:
            continue
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            with zipfile.ZipFile(wheel) as archive:
                compiled = [] if is_pure else [n for n in archive.namelist() if n.endswith((".so", ".pyd"))]
                archive.extractall(site, [n for n in archive.namelist() if n not in compiled])
            unpacked.append(name)
    return unpacked


def main() -> int:
    """Fill the folder, and say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--check", action="store_true", help="download nothing")
    options = parser.parse_args()
    missing = [] if options.check else fill(options.folder)
    wheels = sorted(options.folder.glob("*.whl"))
    size = sum(wheel.stat().st_size for wheel in wheels)
    print(f"{options.folder}: {len(wheels)} wheels, {size / 2**20:.1f} MiB")
    if missing:
        print(f"no pure-Python wheel of {', '.join(missing)}", file=sys.stderr)
    if size > MOST_BYTES:
        print(f"more than {MOST_BYTES // 2**20} MiB: leave out some of PACKAGES", file=sys.stderr)
        return 1
    return 1 if missing or not wheels else 0


if __name__ == "__main__":
    sys.exit(main())
