"""Mistakes in the texts of overrides that Hydra takes without a word, or answers with a traceback."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# What Hydra records; setting it changes the record, not what happens.
RECORDS = (
    "hydra.runtime.",
    "hydra.overrides.",
    "hydra.job.num",
    "hydra.job.id",
    "hydra.job.override_dirname",
    "hydra.job.config_name",
)
# Groups of which a run has one option; Hydra merges several, which none of them is made for.
OF_ONE_OPTION = ("data", "model", "loss", "optim", "schedule", "trainer")
_NUMBER = re.compile(r"(?<![\w.+-])[+-]?(?:\d[\d_]*\.?\d*|\.\d+)[eE][+-]?\d+(?![\w.])")


def check_texts(overrides: Sequence[str]) -> Iterator[str]:
    """A message for each override that cannot mean what it says.

    Args:
        overrides: The overrides as they were written, without Hydra's flags.
    """
    for text in overrides:
        key, equals, value = text.partition("=")
        key = key.lstrip("+~").strip()
        if equals and not key.partition("@")[0]:
            yield f"{text}: has no key before the =; write key=value"
        elif key == "hydra.verbose" and re.fullmatch(r"[-+]?\d+(\.\d*)?", value.strip()):
            yield f"{text}: must be true, false, the name of a logger, or a list of names"
        elif key.startswith(RECORDS):
            yield f"{text}: is what Hydra records, not what it does; a directory is hydra.run.dir=DIR"
        elif key in OF_ONE_OPTION and value.lstrip().startswith("["):
            options = value.strip(" []")
            yield f"{text}: a run has one {key}; for a run with each: python train.py -m {key}={options}"
        for number in _lost(value):
            yield f"{key}: {number} is too small for a number; write 0 if that is meant"


def _lost(value: str) -> list[str]:
    """The numbers in a text that are not 0 and become 0, as Python's and YAML's floats do."""
    numbers = [match[0] for match in _NUMBER.finditer(value)]
    return [text for text in numbers if float(text) == 0 and re.search(r"[1-9]", re.split("[eE]", text)[0])]
