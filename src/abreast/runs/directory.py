"""The run directory: the contract between what trains and what reads. No torch.

`abreast.runs.files` lists the files.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abreast.config.types import Config, Json
from abreast.errors import DivergedError, Interrupted, RunError, disk_error
from abreast.runs.atomic import naming_file, write_atomically
from abreast.runs.checksums import renewed, with_checksums, without_checksums
from abreast.runs.config_file import RESTORE, dump_config, parse_config
from abreast.runs.files import CHECKPOINTS, CONFIG, EXAMPLES, LOG, METRICS, RESULT, STATUS, WORST
from abreast.runs.format import with_format, without_format
from abreast.runs.json_text import json_text
from abreast.runs.metrics_file import check_header, parse_metrics
from abreast.runs.small_file import MOST_BYTES, MOST_YAML_BYTES, parse_json, read_text
from abreast.runtime.outside_cause import outside_cause

STATUSES = ("running", "finished", "failed", "interrupted", "dropped")


@dataclass(frozen=True)
class RunDirectory:
    """One run's directory. Reading raises RunError, which names the file and what is wrong with it."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """The folder of `best.ckpt` and `last.ckpt`."""
        return self.path / CHECKPOINTS

    def checkpoint(self, name: str) -> Path:
        """The file of the checkpoint `best` or `last`.

        Raises:
            RunError: If it leads out of the run's directory, as a link may.
        """
        file = self.checkpoints / f"{name}.ckpt"
        if not Path(os.path.realpath(file)).is_relative_to(os.path.realpath(self.path)):
            raise RunError(
                f"{file}: leads out of {self.path}, and links are not followed. Put the file itself there, "
                "or name another one with --checkpoint"
            )
        return file

    def write_config(self, config: Config) -> None:
        """Write the resolved configuration."""
        write_atomically(self.path / CONFIG, dump_config(config))

    def read_config(self) -> Config:
        """The resolved configuration."""
        return parse_config(self._text(CONFIG), self.path / CONFIG)

    def write_status(self, status: str, **more: Any) -> None:
        """Record the run's status: `running`, `finished`, `failed`, `interrupted` or `dropped`, and why."""
        self._write_json(STATUS, {"status": status, **more})

    def write_failure(self, error: BaseException) -> None:
        """Record that the run ended early, and why: the step for one that diverged, else the traceback.

        Only a fault of the run's own makes it `failed`; what comes from outside, as a full disk, leaves it
        `interrupted`: it can be resumed. On a full disk the new status overwrites the old one in place.
        """
        if isinstance(error, (Interrupted, KeyboardInterrupt)):
            name = signal.Signals(getattr(error, "signum", signal.SIGINT)).name
            self.write_status("interrupted", reason=f"stopped by {name}")
            return
        if isinstance(error, DivergedError):
            self.write_status("failed", reason=str(error), diverged_at=error.step)
            return
        cause = disk_error(error, self.path) or outside_cause(error, self.path)
        if cause is not None:  # the run can be resumed from what has been written
            self._overwrite_status({"status": "interrupted", "reason": str(cause)})
            return
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.write_status("failed", reason=f"{type(error).__name__}: {error}", traceback=trace)

    def note_failure(self, error: BaseException) -> None:
        """As `write_failure`, unless the run has ended already or the disk cannot be written to."""
        with suppress(OSError, RunError):
            if self.read_status()["status"] == "running":
                self.write_failure(error)

    def _overwrite_status(self, content: Json) -> None:
        with suppress(OSError):
            self._write_json(STATUS, content)
            return
        text = json.dumps(with_format(content), ensure_ascii=False).encode()
        with (self.path / STATUS).open("r+b", buffering=0) as file:
            missing = len(text) - file.seek(0, os.SEEK_END)
            if missing > 0 and file.write(b" " * missing) < missing:  # so that it is JSON at any time
                return
            file.seek(0)
            file.write(text.ljust(len(text) - missing))
            os.fsync(file.fileno())

    def read_status(self) -> Json:
        """What `write_status` wrote."""
        content = self._read_json(STATUS)
        if content.get("status") not in STATUSES:
            raise RunError(f"{self.path / STATUS}: unknown status {str(content.get('status'))[:40]!r}")
        return content

    def write_result(self, result: Json) -> None:
        """Write the final metrics, with checksums of the run's other files, which are complete."""
        self._write_json(RESULT, with_checksums(result, self.path))

    def read_result(self) -> Json:
        """What `write_result` wrote."""
        return without_checksums(self.read_result_with_checksums())

    def read_result_with_checksums(self) -> Json:
        """The result, with what `abreast.runs.checksums` added to it."""
        return self._read_json(RESULT)

    def renew_checksum(self, name: str) -> None:
        """Let the result hold the checksum of a file that was written again, if it holds checksums."""
        self._write_json(RESULT, renewed(self.read_result_with_checksums(), self.path, name))

    def append_metrics(self, row: Mapping[str, float | None]) -> None:
        """Append an epoch's row; the first row's keys are the columns of all."""
        path = self.path / METRICS
        size = None
        try:
            with naming_file(path), path.open("a", newline="", encoding="utf-8") as file:
                size = file.tell()
                writer = csv.writer(file, lineterminator="\n")
                writer.writerows([[*row.values()]] if size else [[*row], [*row.values()]])
        except OSError:
            if size is not None:
                with suppress(OSError):  # leave no half-written row
                    os.truncate(path, size) if size else path.unlink()
            raise

    def read_metrics(self) -> list[dict[str, float]]:
        """One dictionary per epoch, without the cells that are empty."""
        return parse_metrics(self._text(METRICS), self.path / METRICS)

    def keep_metrics(self, epochs: int) -> None:
        """Remove the rows after that many epochs.

        Raises:
            RunError: If some of the rows to keep are missing.
        """
        path = self.path / METRICS
        if not epochs:
            path.unlink(missing_ok=True)
            return
        kept = "".join(self.rows_until(epochs))
        if kept != self._text(METRICS):
            write_atomically(path, kept.encode())

    def rows_until(self, epochs: int) -> list[str]:
        """The header and the rows of that many epochs, as lines.

        Raises:
            RunError: If some are missing or broken.
        """
        if not epochs:
            return []
        header, *rows = self._text(METRICS).splitlines(keepends=True) or [""]
        check_header(header.strip().split(","), self.path / METRICS)
        numbers = {str(epoch) for epoch in range(1, epochs + 1)}
        kept = [row for row in rows if row.endswith("\n") and row.partition(",")[0] in numbers]
        kept = [row for row in kept if row.count(",") == header.count(",") and _are_numbers(row)]
        if len(kept) != epochs:
            path = self.path / METRICS
            raise RunError(f"{path}: holds {len(kept)} of the {epochs} epochs the checkpoint has trained")
        return [header, *kept]

    def _write_json(self, name: str, content: Json) -> None:
        write_atomically(self.path / name, f"{json_text(with_format(content))}\n".encode())

    def _read_json(self, name: str) -> Json:
        content = parse_json(self._text(name), self.path / name)
        if not isinstance(content, dict):
            raise RunError(f"{self.path / name}: holds no JSON object")
        return without_format(content, self.path / name)

    def _runs(self) -> str:
        """What to write in place of the directory of a sweep."""
        runs = sorted(file.parent for file in self.path.glob(f"[!.]*/{CONFIG}")) or sorted(
            file.parent for file in self.path.glob(f"[!.]*/[!.]*/{CONFIG}")
        )
        count = "a run" if len(runs) == 1 else f"{len(runs)} runs"
        return f". It holds {count}: name one of them, such as {runs[0]}" if runs else ""

    def _text(self, name: str) -> str:
        path = self.path / name
        try:
            return read_text(path, MOST_YAML_BYTES if name == CONFIG else MOST_BYTES)
        except FileNotFoundError:
            if not self.path.is_dir():
                raise RunError(f"{self.path}: no such run directory") from None
            raise RunError(
                f"{path}: missing; {self.path} is not a complete run directory{self._runs()}"
            ) from None
        except RunError as error:
            raise RunError(f"{error}. {RESTORE}" if name == CONFIG else str(error)) from None


def check_writable(directory: RunDirectory) -> None:
    """Check that nothing else is in the place of a file that a training writes.

    Raises:
        RunError: For a directory in such a place; the message names it.
    """
    for name in (CONFIG, STATUS, METRICS, RESULT, EXAMPLES, WORST, LOG):
        if (directory.path / name).is_dir() and not (directory.path / name).is_symlink():
            raise RunError(
                f"{directory.path / name}: is a directory, where the run writes a file. Remove or rename it"
            )


def _are_numbers(row: str) -> bool:
    try:
        return all(float(cell) is not None for cell in row.strip().split(",") if cell)
    except ValueError:
        return False
