"""`abreast decide`: trains two settings until the difference between them is known."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from abreast.cli import train
from abreast.config.options import conf_dir, groups, top_level
from abreast.errors import ConfigError
from abreast.suggestions import did_you_mean, listed

SWEEPER = "hydra/sweeper=abreast_decide"
OWN = ("margin", "max_seeds", "first_seed", "metric")  # keys of the sweeper
HELP = """
  abreast decide loss=cross_entropy,mse optim=adam data=digits margin=0.005 max_seeds=100

Exactly one key has two values; the verdict is of the second compared with the first, on the test metric:

  better      exit code 0
  worse       exit code 3
  equivalent  exit code 4   the difference is smaller than the margin
  undecided   exit code 5   within the budget

It stops as soon as the answer is known. The same command again resumes it; with a larger max_seeds it
goes on.
"""


def main(argv: Sequence[str]) -> int:
    """The command `abreast decide`.

    Raises:
        ConfigError: For mistakes in the command.
    """
    arguments = list(argv)
    if {"-h", "--help"} & {*arguments}:
        _parser().print_help()
        return 0
    as_json = "--json" in arguments
    sys.argv[1:] = multirun_arguments([item for item in arguments if item != "--json"])
    if not as_json:
        return train.main()
    with _stdout_for_json() as stdout:
        code = train.main()
        decision = train.latest_decision()
        if decision is None:
            raise ConfigError("--json: nothing was decided; it goes with no other flag")
        text = json.dumps(decision.content(), ensure_ascii=False, allow_nan=False)
        os.write(stdout, f"{text}\n".encode())
    return code


def multirun_arguments(arguments: Sequence[str]) -> list[str]:
    """The arguments of the multirun that decides.

    Args:
        arguments: Those of `abreast decide`.

    Raises:
        ConfigError: For a key that is nearly one of its own.
    """
    return ["-m", SWEEPER, *map(_of_sweeper, arguments)]


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "abreast decide",
        usage="abreast decide KEY=FIRST,SECOND [KEY=VALUE ...] margin=M [max_seeds=N] [--json]",
        description=HELP,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "margin=M", nargs="?", help="the smallest difference that matters, in the metric's unit"
    )
    parser.add_argument("max_seeds=N", nargs="?", help="the most seeds of each of the two (default: 100)")
    parser.add_argument("first_seed=S", nargs="?", help="the first seed (default: 0)")
    parser.add_argument(
        "metric=NAME", nargs="?", help="what is compared (default: accuracy; for regression r2)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the decision as JSON, and all else to stderr"
    )
    return parser


def _of_sweeper(argument: str) -> str:
    """The override of the sweeper for one of its own keys; any other argument as it is.

    Raises:
        ConfigError: For a key that is nothing else, but nearly one of them.
    """
    key = argument.partition("=")[0]
    if key in OWN:
        return f"hydra.sweeper.{argument}"
    near = did_you_mean(key, OWN) if key.isidentifier() else ""
    if near and key not in {*groups([conf_dir()]), *top_level([conf_dir()])}:
        raise ConfigError(f"{key}: no such key. decide has {listed(OWN)}{near}")
    return argument


@contextmanager
def _stdout_for_json() -> Iterator[int]:
    """Let everything that is printed go to stderr, by this process and by those it starts.

    Yields:
        A file descriptor of the original standard output.
    """
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        yield stdout
    finally:
        sys.stdout.flush()
        os.dup2(stdout, 1)
        os.close(stdout)
