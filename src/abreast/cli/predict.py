"""`abreast predict`: classes and probabilities of files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor

from abreast.cli.arguments import parse, writing
from abreast.data.picture import shown
from abreast.errors import ConfigError
from abreast.inference.load import rebuild, reopened
from abreast.inference.predict import predict, read_inputs, takes_pictures
from abreast.inference.predict_rows import predict_rows
from abreast.report.tables import CsvTable
from abreast.runs.atomic import write_atomically
from abreast.runtime.console import UNLIMITED
from abreast.runtime.printable import printable
from abreast.runtime.wrapping import terminal_width


def main(argv: Sequence[str] | None = None) -> int:
    """The command `abreast predict`."""
    args = parse("predict", argv)
    with reopened(args.run, trust=args.trust, reads_data=False) as (directory, config):
        learner = rebuild(directory, config, args.checkpoint or config["checkpoint"])
    if learner.columns and all(path.suffix != ".npy" for path in args.files):
        for path in args.files:
            _write(predict_rows(path, learner, config["data"]), args.out)
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("file", overflow="fold")
    table.add_column("prediction", overflow="fold")
    if args.show is not None and not takes_pictures(learner):
        raise ConfigError("--show: this run's network takes features; only pictures can be shown")
    inputs = [
        read_inputs(path, learner, args.invert, fit=args.fit, background=args.background)
        for path in args.files
    ]
    if args.show is not None:
        with writing("--show", args.show):
            write_atomically(args.show, shown(torch.cat(inputs), learner.peak or 255))
    for path, examples in zip(args.files, inputs, strict=True):
        outputs = predict(learner, examples)
        for number, row in enumerate(outputs, start=1):
            name = str(path) if len(outputs) == 1 else f"{path}, row {number}"
            description = _describe(row, learner.classes, args.top)
            table.add_row(Text(printable(name)), Text(printable(description)))
    Console(width=terminal_width(sys.stdout) or UNLIMITED).print(table)
    return 0


def _write(table: CsvTable, path: Path | None) -> None:
    if path is None:
        print(table.text(), end="")
        return
    with writing("--out", path):
        table.write(path)
    print(f"{printable(str(path))}: {len(table.rows)} predictions")


def _describe(row: Tensor, classes: tuple[str, ...], top: int) -> str:
    if not classes:
        return "  ".join(f"{value:.4g}" for value in row.tolist())
    best = row.topk(max(1, min(top, len(classes))))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return "  ".join(f"{classes[index]} {chance:.3f}" for index, chance in pairs)
