"""`abreast predict`: classes and probabilities of files."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor

from abreast.cli.arguments import parse
from abreast.inference.load import rebuild, reopened
from abreast.inference.predict import predict, read_inputs
from abreast.runtime.printable import printable


def main(argv: Sequence[str] | None = None) -> int:
    """The command `abreast predict`."""
    args = parse("predict", argv)
    with reopened(args.run, trust=args.trust, reads_data=False) as (directory, config):
        learner = rebuild(directory, config, args.checkpoint or config["checkpoint"])
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("file")
    table.add_column("prediction")
    for path in args.files:
        outputs = predict(learner, read_inputs(path, learner, args.invert))
        for number, row in enumerate(outputs, start=1):
            name = str(path) if len(outputs) == 1 else f"{path}, row {number}"
            description = _describe(row, learner.classes, args.top)
            table.add_row(Text(printable(name)), Text(printable(description)))
    Console().print(table)
    return 0


def _describe(row: Tensor, classes: tuple[str, ...], top: int) -> str:
    if not classes:
        return "  ".join(f"{value:.4g}" for value in row.tolist())
    best = row.topk(max(1, min(top, len(classes))))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return "  ".join(f"{classes[index]} {chance:.3f}" for index, chance in pairs)
