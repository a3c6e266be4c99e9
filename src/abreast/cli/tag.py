"""`abreast tag`: words on runs and sweeps, to find them again."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from abreast.errors import RunError
from abreast.report.listing import kind_of
from abreast.runs.tags import read_tags, write_tags
from abreast.runtime.printable import printable


def main(argv: Sequence[str] | None = None) -> int:
    """The command `abreast tag`."""
    parser = ArgumentParser(
        "abreast tag", description="Put words on a run or a sweep, which ls shows; nothing else reads them."
    )
    parser.add_argument("run", type=Path, metavar="DIR", help="a run's or a sweep's directory")
    parser.add_argument("tags", nargs="*", metavar="TAG", help="words to add; without any, those it has")
    parser.add_argument("--remove", nargs="+", default=[], metavar="TAG", help="words to take away")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    args = parser.parse_args(argv)
    if kind_of(args.run) is None:
        raise RunError(f"{args.run}: neither a run's nor a sweep's directory; abreast ls lists them")
    tags = read_tags(args.run)
    missing = [tag for tag in args.remove if tag not in tags]
    if missing:
        raise RunError(f"{args.run}: has no tag {missing[0]}. It has: {', '.join(tags) or 'none'}")
    if args.tags or args.remove:
        tags = write_tags(args.run, {*tags, *args.tags} - {*args.remove})
    text = json.dumps(tags) if args.json else ", ".join(tags) or "no tags"
    Console(highlight=False).print(Text(printable(text)), soft_wrap=True)
    return 0
