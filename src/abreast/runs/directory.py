"""The run directory: the contract between what trains and what reads. No torch here.

config.yaml          the resolved configuration, plain data, written before training
status.json          running / finished / failed and why; replaced as a whole
metrics.csv          a row an epoch
result.json          final metrics, seconds, versions
checkpoints/         best.ckpt and last.ckpt
events.out.tfevents* TensorBoard
"""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abreast.config.types import Config, Json
from abreast.errors import DivergedError, Interrupted, RunError, disk_error

COPY = "Put a good copy there: without it the run cannot be rebuilt"
DEPTH = 200  # of lists and keys within each other: loading recurses, and might overrun the stack
GROUPS = ("data", "model", "loss", "trainer")  # what a run is tested from
TRAINED = (*GROUPS, "optim", "schedule", "callbacks", "logger")


@dataclass(frozen=True)
class RunDirectory:
    """One run's directory. Reading raises RunError, which names the file and what is wrong with it."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """The folder of `best.ckpt` and `last.ckpt`."""
        return self.path / "checkpoints"

    def write_config(self, config: Json) -> None:
        """Keep the resolved configuration."""
        import yaml

        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # the same text, six times as fast
        text = yaml.dump(config, Dumper=dumper, sort_keys=False, allow_unicode=True)
        write_atomically(self.path / "config.yaml", text.encode())

    def read_config(self) -> Json:
        """The resolved configuration."""
        import yaml

        text = self._text("config.yaml")
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same data, seven times as fast
        try:
            if max(map(text.count, "[{-?")) > DEPTH and _depth(yaml.parse(text, Loader=loader)) > DEPTH:
                raise RunError(f"{self.path / 'config.yaml'}: is nested too deeply. {COPY}")
            config = yaml.load(text, Loader=loader)
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise RunError(f"{self.path / 'config.yaml'}: not valid YAML ({reason}). {COPY}") from None
        if not isinstance(config, dict):
            raise RunError(f"{self.path / 'config.yaml'}: holds no configuration. {COPY}")
        if "${" in text:  # which might come to be anything
            raise RunError(f"{self.path / 'config.yaml'}: is not resolved: it holds a ${{...}}. {COPY}")
        return config

    def write_status(self, status: str, **more: Any) -> None:
        """Say how the run stands: `running`, `finished`, `failed` or `interrupted`, and why."""
        self._write_json("status.json", {"status": status, **more})

    def write_failure(self, error: BaseException) -> None:
        """Say that the run ended early, and why: for one that diverged the step, else the traceback.

        On a disk that is full, what is said goes where the old status was.
        """
        if isinstance(error, (Interrupted, KeyboardInterrupt)):
            name = signal.Signals(getattr(error, "signum", signal.SIGINT)).name
            self.write_status("interrupted", reason=f"stopped by {name}")
            return
        if isinstance(error, DivergedError):
            self.write_status("failed", reason=str(error), diverged_at=error.step)
            return
        full = disk_error(error, self.path)
        if full is not None:  # what is there can be gone on with
            self._say_in_place({"status": "interrupted", "reason": str(full)})
            return
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.write_status("failed", reason=f"{type(error).__name__}: {error}", traceback=trace)

    def note_failure(self, error: BaseException) -> None:
        """As `write_failure`, unless something else has ended the run before, or the disk takes nothing."""
        with suppress(OSError, RunError):
            if self.read_status()["status"] == "running":
                self.write_failure(error)

    def _say_in_place(self, content: Json) -> None:
        with suppress(OSError):
            self._write_json("status.json", content)
            return
        text = json.dumps(content, ensure_ascii=False).encode()
        with (self.path / "status.json").open("r+b", buffering=0) as file:
            missing = len(text) - file.seek(0, os.SEEK_END)
            if missing > 0 and file.write(b" " * missing) < missing:  # so that it is JSON at any time
                return
            file.seek(0)
            file.write(text.ljust(len(text) - missing))
            os.fsync(file.fileno())

    def read_status(self) -> Json:
        """What `write_status` wrote."""
        return self._read_json("status.json")

    def write_result(self, result: Json) -> None:
        """Keep the final metrics."""
        self._write_json("result.json", result)

    def read_result(self) -> Json:
        """What `write_result` wrote."""
        return self._read_json("result.json")

    def append_metrics(self, row: Mapping[str, float | None]) -> None:
        """Add an epoch's row; the first row's keys are the columns of all."""
        path = self.path / "metrics.csv"
        fresh = not path.exists()
        whole = 0 if fresh else path.stat().st_size
        try:
            with naming(path), path.open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(row), lineterminator="\n")
                if fresh:
                    writer.writeheader()
                writer.writerow(row)
        except OSError:
            with suppress(OSError):  # no half row
                path.unlink() if fresh else os.truncate(path, whole)
            raise

    def read_metrics(self) -> list[dict[str, float]]:
        """The rows, an epoch each, without the cells that hold nothing."""
        rows = csv.DictReader(self._text("metrics.csv").splitlines())
        try:
            return [{k: float(v) for k, v in row.items() if v} for row in rows]
        except (TypeError, ValueError) as error:
            raise RunError(f"{self.path / 'metrics.csv'}: a cell is not a number ({error})") from None

    def keep_metrics(self, epochs: int) -> None:
        """Forget the rows after that many epochs. Raises RunError where some of those before are missing."""
        path = self.path / "metrics.csv"
        if not epochs:
            path.unlink(missing_ok=True)
            return
        kept = "".join(self.rows_until(epochs))
        if kept != self._text("metrics.csv"):
            write_atomically(path, kept.encode())

    def rows_until(self, epochs: int) -> list[str]:
        """The header and the rows of that many epochs. Raises RunError where some are missing or broken."""
        if not epochs:
            return []
        header, *rows = self._text("metrics.csv").splitlines(keepends=True) or [""]
        wanted = {str(epoch) for epoch in range(1, epochs + 1)}
        kept = [row for row in rows if row.endswith("\n") and row.partition(",")[0] in wanted]
        kept = [row for row in kept if row.count(",") == header.count(",") and _are_numbers(row)]
        if len(kept) != epochs:
            path = self.path / "metrics.csv"
            raise RunError(
                f"{path}: holds {len(kept)} of the {epochs} epochs that the checkpoint has behind it"
            )
        return [header, *kept]

    def _write_json(self, name: str, content: Json) -> None:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        # Lists of numbers on one line: a confusion matrix would fill pages. No text holds a raw line break.
        text = re.sub(r"\[\n([^\[\]{}\"]*)\n *\]", lambda found: f"[{' '.join(found[1].split())}]", text)
        write_atomically(self.path / name, text.encode())

    def _read_json(self, name: str) -> Json:
        try:
            content = json.loads(self._text(name))
        except (json.JSONDecodeError, RecursionError) as error:
            raise RunError(f"{self.path / name}: not valid JSON ({error})") from None
        if not isinstance(content, dict):
            raise RunError(f"{self.path / name}: holds no JSON object")
        return content

    def _text(self, name: str) -> str:
        path = self.path / name
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            if not self.path.is_dir():
                raise RunError(f"{self.path}: no such run directory") from None
            raise RunError(f"{path}: missing; {self.path} is no whole run directory") from None
        except (OSError, UnicodeDecodeError) as error:
            more = f". {COPY}" if name == "config.yaml" else ""
            raise RunError(f"{path}: cannot be read ({error}){more}") from None


def check_shape(config: Mapping[str, Any], file: Path, groups: Sequence[str] = GROUPS) -> None:
    """That the configuration of `file` has what a run is made of. Raises RunError."""
    kinds: Config = {**dict.fromkeys(groups, dict), "seed": int, "checkpoint": str}
    found = {"monitor": "", **{key: value for key, value in config.items() if value is not None}}
    for key, kind in {**kinds, "monitor": str}.items():
        if key not in found:
            raise RunError(f"{file}: has no `{key}`. {COPY}")
        if not isinstance(found[key], kind):
            raise RunError(f"{file}: {key}={found[key]!r} cannot be. {COPY}")


def _depth(events: Iterable[Any]) -> int:
    """How deeply the collections of a YAML text lie within each other."""
    depth = most = 0
    for event in events:
        name = type(event).__name__
        depth += name.endswith("StartEvent") - name.endswith("EndEvent")
        most = max(most, depth)
        if most > DEPTH:
            break
    return most


def _are_numbers(row: str) -> bool:
    try:
        return all(float(cell) is not None for cell in row.strip().split(",") if cell)
    except ValueError:
        return False


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write the whole file or leave it as it was, whenever the process or the machine stops."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error of the disk name the file, which that of a full one does not."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
