"""`abreast export`: ONNX and torch.export files of a run's network."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from abreast.build.data import build_data
from abreast.cli.arguments import FORMATS, parse
from abreast.data.columns import encoded_as
from abreast.errors import RunError
from abreast.inference.export import ROWS, WRITERS, Network, interface
from abreast.inference.load import rebuild, reopened
from abreast.runs.atomic import write_atomically
from abreast.runs.links import check_output_folder
from abreast.runtime.printable import printable
from abreast.runtime.wrapping import fitted

T = TypeVar("T")


def main(argv: Sequence[str] | None = None) -> int:
    """The command `abreast export`."""
    args = parse("export", argv)
    with reopened(args.run, args.overrides, args.trust) as (directory, config):
        learner = rebuild(directory, config, args.checkpoint or config["checkpoint"])
        with encoded_as(learner.columns):
            inputs = build_data(config, scale=learner.target_scale).test.inputs[:ROWS]
    folder = args.to or directory.path / "export"
    if args.to is None:
        check_output_folder(folder, directory.path, "--to")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"--to {folder}: cannot be made ({error.strerror})") from None
    network = Network(learner).eval()
    description = json.dumps(interface(learner), indent=2, ensure_ascii=False).encode()
    _write(folder / "model.json", lambda path: write_atomically(path, description))
    for form in args.format or FORMATS:
        write, file = WRITERS[form]
        difference = _write(folder / file, partial(write, network, inputs))
        checked = f"checked on {len(inputs)} test examples, largest difference {difference:.2g}"
        print(fitted(f"{printable(str(folder / file))}: {checked}", sys.stdout))
    return 0


def _write(path: Path, write: Callable[[Path], T]) -> T:
    try:
        return write(path)
    except OSError as error:
        reason = f"cannot be written ({error.strerror}); name another folder with --to"
        raise RunError(f"{path}: {reason}") from error
