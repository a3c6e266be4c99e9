"""Prove and measure abreast on a GPU, with one command and without a network.

    python scripts/gpu.py                      # `make gpu`: at most eight minutes
    python scripts/gpu.py --device cpu         # the same on a CPU, with tiny sizes: a rehearsal
    python scripts/gpu.py --parts tests        # some of the parts only

Uses this Python's packages, and unpacks what it lacks from the wheels that `make gpu-wheels` has collected.
Every part is a process of its own, with a limit of time. `gpu.json` and `gpu.md` are rewritten after each
measurement, so that what was measured is kept if the command is cut. What fails or is missing is said there.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gpu_report
import gpu_stand_ins
import gpu_wheels

ROOT = Path(__file__).resolve().parents[1]
TOTAL_SECONDS = 470  # of eight minutes
TEST_SECONDS = 90  # of one test: one that hangs leaves time for the others
TESTS = "tests/system/test_gpu.py"  # others may import what a bare machine lacks
SLOWER = 4  # a CPU than a GPU, in which it rehearses
RESULT = re.compile(r"^(tests/\S+::.+?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL)(?: \((.+)\))?(?: +\[ *\d+%\])?$")
# Waits until the command ends, which holds its input open; then kills what is left of the part.
GUARD = "import os, sys; sys.stdin.read(); os.killpg(int(sys.argv[1]), 9)"


class Part(NamedTuple):
    """A part of the command, and its seconds; it may take those, too, that parts before it have left."""

    name: str
    seconds: float


PARTS = (
    Part("machine", 30),
    Part("tests", 180),
    Part("roofline", 20),
    Part("steps", 120),
    Part("others", 60),
    Part("sweep", 60),
)


def command(part: str, device: str, data: Path) -> list[str]:
    """The command of a part's process."""
    if part != "tests":
        script = str(ROOT / "scripts" / "gpu_speed.py")
        return [sys.executable, "-u", script, part, "--device", device, "--data", str(data)]
    options = [
        "-o",
        "addopts=--import-mode=importlib",
        "-o",
        "filterwarnings=default",
        "-p",
        "no:cacheprovider",
        "-o",
        f"timeout={TEST_SECONDS * (SLOWER if device == 'cpu' else 1)}",
    ]
    return [sys.executable, "-u", "-m", "pytest", "-v", "--tb=short", "-m", "gpu", *options, TESTS]


def environment(device: str, site: Path) -> dict[str, str]:
    """The environment of the parts' processes."""
    paths = [ROOT / "src", ROOT / "scripts"]
    path = [*map(str, paths), *filter(None, [os.environ.get("PYTHONPATH")]), str(site)]
    more = {"PYTHONPATH": os.pathsep.join(path), "ABREAST_GPU_TESTS": device, "COLUMNS": "200"}
    more["ABREAST_CACHE"] = str(site.parent / "cache")  # what an earlier command has chosen is not told
    more["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # JAX takes most of a card's memory otherwise
    return {**os.environ, **more}


def lines(arguments: list[str], environ: dict[str, str], seconds: float) -> Iterator[str]:
    """The lines that a process prints; a last one says how it ended, unless well.

    It is killed, with all that it has started, when its time is over, or this command is killed.
    """
    process = subprocess.Popen(
        arguments,
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    guard = subprocess.Popen(
        [sys.executable, "-S", "-c", GUARD, str(process.pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    is_late = threading.Event()

    def kill() -> None:
        is_late.set()
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(seconds, kill)
    timer.start()
    assert process.stdout is not None
    try:
        yield from process.stdout
        code = process.wait()
    finally:
        timer.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
        guard.kill()
        guard.communicate()
    if is_late.is_set():
        yield json.dumps({"part": "ended", "note": f"cut after {seconds:.0f} s"})
    elif code:
        yield json.dumps({"part": "ended", "note": f"ended with code {code}"})


def parsed(part: str, line: str) -> dict[str, Any] | None:
    """What a line of a part's output says: a measurement, a test's result, or nothing."""
    if line.startswith("{"):
        try:
            row = json.loads(line)
        except ValueError:
            return None
        return {"part": part, **row} if isinstance(row, dict) else None
    result = RESULT.match(line.rstrip()) if part == "tests" else None
    if result is None:
        return None
    reason = {"reason": result[3]} if result[3] else {}
    return {"part": "tests", "test": result[1], "outcome": result[2].lower(), **reason}


def main() -> int:
    """Run the parts; 1 if a test failed or a part ended badly."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--parts", nargs="+", choices=[part.name for part in PARTS])
    parser.add_argument("--wheels", type=Path, default=gpu_wheels.FOLDER)
    parser.add_argument("--out", type=Path, default=Path("gpu-results"))
    parser.add_argument("--seconds", type=float, help="for everything")
    options = parser.parse_args()
    most = options.seconds or TOTAL_SECONDS * (SLOWER if options.device == "cpu" else 1)
    chosen = [part for part in PARTS if not options.parts or part.name in options.parts]
    options.out.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    began = time.monotonic()
    report = gpu_report.Report(options.out)
    try:
        measure(chosen, options, report, began + most)
    finally:
        print((options.out / "gpu.md").read_text())
        took = f"{time.monotonic() - began:.0f} s"
        print(f"{took}; {options.out}/gpu.json, gpu.md and gpu.log", file=sys.stderr)
    return 1 if report.failures() else 0


def limit(parts: Sequence[Part], left: float, most: float) -> float:
    """The most seconds that the first of the parts may take, so that the others have theirs.

    Args:
        parts: The part, and those that come after it.
        left: Seconds that are left for all of them.
        most: Seconds of the whole command, which may be fewer or more than those of all parts.
    """
    share = min(1.0, most / sum(part.seconds for part in PARTS))
    return left - share * sum(part.seconds for part in parts[1:])


def measure(
    parts: Sequence[Part], options: argparse.Namespace, report: gpu_report.Report, end: float
) -> None:
    """Run the parts, each in its own process, and report what they print."""
    most = end - time.monotonic()
    with tempfile.TemporaryDirectory() as name, (options.out / "gpu.log").open("w") as log:
        site = Path(name) / "site"
        site.mkdir()
        unpacked, stand_ins = gpu_wheels.unpack(options.wheels, site), gpu_stand_ins.write(site)
        report.add({"part": "machine", "unpacked": unpacked, "stand-ins": stand_ins})
        environ = environment(options.device, site)
        for number, part in enumerate(parts):
            seconds = limit(parts[number:], end - time.monotonic(), most)
            if seconds <= 5:
                report.add({"part": part.name, "note": "left out: no time"})
                continue
            for line in lines(command(part.name, options.device, Path(name)), environ, seconds):
                log.write(line if line.endswith("\n") else f"{line}\n")
                log.flush()
                row = parsed(part.name, line)
                if row is not None:
                    report.add({**row, "part": part.name})


if __name__ == "__main__":
    sys.exit(main())
