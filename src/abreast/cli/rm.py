"""`abreast rm`: deletes runs, sweeps, studies and decisions. It asks first."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from abreast.errors import RunError
from abreast.report.removal import plan_removal, remove
from abreast.runtime.printable import printable
from abreast.runtime.wrapping import fitted


def main(argv: Sequence[str] | None = None) -> int:
    """The command `abreast rm`."""
    parser = ArgumentParser(
        "abreast rm", description="Delete runs, sweeps, studies or decisions. Asks first."
    )
    parser.add_argument(
        "directories", nargs="+", type=Path, metavar="DIR", help="a run's or a sweep's directory"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--force", action="store_true", help="also what a study's or a decision's result rests on"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON list of what is deleted")
    args = parser.parse_args(argv)
    plans = plan_removal(args.directories)
    for plan in plans:
        print(fitted(printable(plan.text), sys.stderr), file=sys.stderr)
        if plan.consequence:
            print(fitted(printable(f"  {plan.consequence}"), sys.stderr), file=sys.stderr)
    needed = [plan for plan in plans if plan.part_of_kind in ("study", "decision")]
    if needed and not args.force:
        raise RunError(
            f"{needed[0].path}: nothing was deleted, as the {needed[0].part_of_kind} {needed[0].part_of} "
            "needs it. Delete that as a whole, or add --force"
        )
    if not args.yes and not _is_confirmed():
        print("Nothing was deleted.", file=sys.stderr)
        return 1
    for plan in plans:
        remove(plan)
    if args.json:
        print(json.dumps([{"path": str(plan.path), "kind": plan.kind, "bytes": plan.size} for plan in plans]))
    return 0


def _is_confirmed() -> bool:
    if not sys.stdin.isatty():
        raise RunError("Nothing was deleted: there is nobody to ask. Add --yes")
    print("Delete? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
