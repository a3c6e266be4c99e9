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
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abreast.errors import DivergedError, RunError

Json = dict[str, Any]


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
        try:
            config = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise RunError(f"{self.path / 'config.yaml'}: not valid YAML ({error})") from None
        if not isinstance(config, dict):
            raise RunError(f"{self.path / 'config.yaml'}: holds no configuration")
        return config

    def write_status(self, status: str, **more: Any) -> None:
        """Say how the run stands: `running`, `finished`, `failed` or `interrupted`, and why."""
        self._write_json("status.json", {"status": status, **more})

    def write_failure(self, error: BaseException) -> None:
        """Say that the run failed, and why: for a run that diverged the step, else the traceback."""
        if isinstance(error, DivergedError):
            self.write_status("failed", reason=str(error), diverged_at=error.step)
            return
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.write_status("failed", reason=f"{type(error).__name__}: {error}", traceback=trace)

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
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if fresh:
                writer.writeheader()
            writer.writerow(row)

    def read_metrics(self) -> list[dict[str, float]]:
        """The rows, an epoch each, without the cells that hold nothing."""
        rows = csv.DictReader(self._text("metrics.csv").splitlines())
        try:
            return [{k: float(v) for k, v in row.items() if v} for row in rows]
        except (TypeError, ValueError) as error:
            raise RunError(f"{self.path / 'metrics.csv'}: a cell is not a number ({error})") from None

    def _write_json(self, name: str, content: Json) -> None:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        # Lists of numbers on one line: a confusion matrix would fill pages. No text holds a raw line break.
        text = re.sub(r"\[\n([^\[\]{}\"]*)\n *\]", lambda found: f"[{' '.join(found[1].split())}]", text)
        write_atomically(self.path / name, text.encode())

    def _read_json(self, name: str) -> Json:
        try:
            content = json.loads(self._text(name))
        except json.JSONDecodeError as error:
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
            raise RunError(f"{path}: cannot be read ({error})") from None


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write the whole file or leave it as it was, whenever the process or the machine stops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
