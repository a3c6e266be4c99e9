"""`pip install`, as one moving line in a terminal and a line every ten seconds elsewhere: quiet, but alive.

`python scripts/install.py ARGUMENTS` is `python -m pip install ARGUMENTS`; its output is printed if it fails.
"""

from __future__ import annotations

import queue
import shutil
import subprocess
import sys
import threading
import time
from typing import IO

INTERVALS = (0.25, 10.0)  # seconds between two lines, in a terminal and elsewhere
CLEAR = "\r\x1b[K"


def main(arguments: list[str]) -> int:
    """Install; pip's exit code."""
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    process = subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    assert process.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    said = list(_shown(lines))
    code = process.wait()
    if code:
        print("".join(said), end="", file=sys.stderr)
    return code


def _read(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _shown(lines: queue.Queue[str | None]) -> list[str]:
    """All lines, once there are no more; meanwhile the last one is shown, with the time so far."""
    live = sys.stdout.isatty()
    interval = INTERVALS[not live]
    said: list[str] = []
    packages, began = 0, time.monotonic()
    due = began + (0 if live else interval)
    while True:
        try:
            line = lines.get(timeout=interval)
        except queue.Empty:
            line = ""
        if line is None:
            break
        if line:
            said.append(line)
            packages += line.startswith("Collecting ")
        if time.monotonic() >= due and said:
            due = time.monotonic() + interval
            text = f"{time.monotonic() - began:4.0f} s  {packages} packages  {said[-1].strip()}"
            if live:
                print(f"{CLEAR}{text[: shutil.get_terminal_size().columns - 1]}", end="", flush=True)
            else:
                print(text, flush=True)
    if live:
        print(CLEAR, end="", flush=True)
    return said


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
