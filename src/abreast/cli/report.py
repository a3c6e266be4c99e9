"""`abreast report`: tables, statistics and one page on the runs of sweeps."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from rich.console import Console

from abreast.errors import ConfigError
from abreast.metrics.margin import read_margin
from abreast.report.figures.image_files import find_browser
from abreast.report.markup import tables
from abreast.report.readers.folds import read_folds
from abreast.report.readers.settings import Choices
from abreast.report.terminal import print_analysis
from abreast.report.watch import watch
from abreast.report.write import write_report
from abreast.runtime.printable import printable
from abreast.runtime.wrapping import fitted


def arguments(argv: Sequence[str] | None) -> Namespace:
    """The command's arguments; leaves the process for a mistake in them, as argparse does."""
    parser = ArgumentParser(
        "abreast report", description="Tables, statistics and one page on the runs of one sweep or several."
    )
    parser.add_argument(
        "directories",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="a sweep's or a run's directory; or runs that others trained: a folder of TensorBoard, MLflow, "
        "W&B, CSV or JSON files, a table, an MLflow database",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write (default: report in the first DIR)"
    )
    parser.add_argument(
        "--metric", help="what to compare by, such as val/loss (default: test/accuracy, or test/r2)"
    )
    parser.add_argument(
        "--margin",
        metavar="DIFFERENCE",
        help="the largest difference that does not matter, such as 0.002: groups within it are equivalent",
    )
    parser.add_argument(
        "--target", type=float, metavar="LEVEL", help="the validation level of time to target, such as 0.97"
    )
    parser.add_argument(
        "--figures", action="store_true", help="each figure as PNG, SVG and PDF too (needs Chromium)"
    )
    parser.add_argument(
        "--format",
        choices=("markdown", "latex"),
        help="print only the table of groups, to copy into a text (both are in table.md and table.tex too)",
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="make it again while the sweep runs, until it ends or Ctrl-C; the page loads itself again",
    )
    others = parser.add_argument_group("runs that others trained", "what is not given is found, and said")
    others.add_argument("--seed", metavar="KEY", help="the setting or column that is the seed")
    others.add_argument("--settings", metavar="KEY,KEY", help="the settings or columns to compare")
    others.add_argument("--mode", choices=("max", "min"), help="which way the metric is better")
    others.add_argument("--folds", metavar="NUMBER", help="of how many folds a cross-validation is")
    args = parser.parse_args(argv)
    for path in args.directories:
        key, is_override, value = str(path).partition("=")
        if is_override and key in vars(args) and not path.exists():
            raise ConfigError(f"{path}: no such directory; write --{key} {value}")
    return args


def _say(line: str) -> None:
    """Print a line with the time; not to stdout, which holds the report alone."""
    print(f"{datetime.now():%H:%M:%S}  {printable(line)}", file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """The command `abreast report`."""
    args = arguments(argv)
    make = partial(
        write_report,
        args.directories,
        args.out,
        metric=args.metric,
        margin=None if args.margin is None else read_margin("--margin", args.margin),
        target=args.target,
        choices=Choices(
            seed=args.seed,
            settings=None if args.settings is None else tuple(args.settings.split(",")),
            mode=args.mode,
            folds=None if args.folds is None else read_folds(args.folds),
        ),
    )
    if args.figures:
        find_browser()  # raises before a sweep is watched to its end
    report = None
    if args.watch:
        try:
            report = watch(args.directories, lambda reload: make(reload=reload), _say)
        except KeyboardInterrupt:
            print("Stopped watching.", file=sys.stderr)
    if report is None or args.figures:
        report = make(figures=args.figures)
    if args.format is not None:
        print(tables(report.analysis, args.format), end="")
        return 0
    console = Console(highlight=False)
    print_analysis(report.analysis, console)
    drawn = sum(file.suffix in (".png", ".svg", ".pdf") for file in report.files)
    more = f", and {drawn} figures in {report.page.parent / 'figures'}" if drawn else ""
    line = f"{report.page} (with runs.csv, summary.csv, table.md and table.tex beside it{more})"
    print(fitted(printable(line), sys.stdout))
    return 0
