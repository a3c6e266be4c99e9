"""Arguments of the commands that open a run, and files that these name. No torch."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from abreast.errors import DataError, RunError
from abreast.runs.directory import RunDirectory
from abreast.runtime import module_path

FORMATS = ("torch", "onnx")
FITS = ("crop", "stretch")


def parse(command: str, argv: Sequence[str] | None) -> Namespace:
    """The arguments of `evaluate`, `predict` or `export`.

    Raises:
        RunError: If there is no run.
        SystemExit: For other mistakes, as argparse does.
    """
    parser = PARSERS[command]()
    parser.add_argument("run", type=Path, help="the run's directory")
    parser.add_argument(
        "--checkpoint", help="best, last or a path (default: the one the run was tested with)"
    )
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="a custom package that the run uses, or a folder with its data",
    )
    if command == "predict":
        parser.add_argument(
            "files", nargs="+", type=Path, help="images; .npy or .csv for a network of features; raw tables"
        )
        args = parser.parse_args(argv)
        if args.out is not None and len(args.files) > 1:
            parser.error("--out takes the predictions of one table; give one file")
    else:
        parser.add_argument("overrides", nargs="*", default=[], help="other data: data=NAME, data.KEY=VALUE")
        args = parser.parse_intermixed_args(argv)
    module_path.leave_out_working_directory(args.trust)
    RunDirectory(args.run).read_config()
    for path in args.files if command == "predict" else ():
        if not path.exists():
            raise DataError(f"{path}: no such file")
    return args


@contextmanager
def writing(flag: str, path: Path | None) -> Iterator[None]:
    """Tell of the flag that names a file which is written inside, and cannot be.

    Raises:
        RunError: The message names the flag and the file.
    """
    try:
        yield
    except OSError as error:
        if path is None or error.filename != str(path):
            raise
        raise RunError(f"{flag} {path}: cannot be written ({error.strerror})") from None


def check(command: str, argv: Sequence[str]) -> int:
    """Find mistakes in the arguments before anything heavy is imported."""
    parse(command, argv)
    return 0


def _evaluate() -> ArgumentParser:
    parser = ArgumentParser("abreast evaluate", description="Test a run again, on its data or on other data.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the metrics there as well")
    parser.add_argument(
        "--examples", type=Path, metavar="FILE", help="write there which test examples the run gets right"
    )
    return parser


def _predict() -> ArgumentParser:
    parser = ArgumentParser("abreast predict", description="Classes and probabilities of files.")
    parser.add_argument("--top", type=_count, default=3, help="how many classes to show (default: 3)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="for a table: write its predictions there, as CSV"
    )
    parser.add_argument("--invert", action="store_true", help="the images are dark on light, as on paper")
    parser.add_argument(
        "--fit", choices=FITS, help="for an image of another shape: crop its longer side, or stretch it"
    )
    parser.add_argument(
        "--background", metavar="COLOUR", help="behind transparent pixels: white, #808080, ..."
    )
    parser.add_argument(
        "--show", type=Path, metavar="FILE", help="write there, as a PNG, what the network sees"
    )
    return parser


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ArgumentTypeError(f"must be at least 1, got {count}")
    return count


def _export() -> ArgumentParser:
    parser = ArgumentParser("abreast export", description="ONNX and torch.export, both checked on examples.")
    parser.add_argument("--format", choices=FORMATS, action="append", help="default: both")
    parser.add_argument("--to", type=Path, help="the folder to write to (default: RUN/export)")
    return parser


PARSERS = {"evaluate": _evaluate, "predict": _predict, "export": _export}
