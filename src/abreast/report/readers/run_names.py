"""The settings that the name of a run, a file or a folder tells."""

from __future__ import annotations

import re

from abreast.config.identity import Scalar
from abreast.report.readers.foreign_run import as_scalar

_PAIR = re.compile(r"([A-Za-z][\w.]*?)=([^\s_,/]+)")
_BEFORE_PAIR = re.compile(r"[_/,\s](?=[A-Za-z][\w.]*?=)")
SEED_IN_NAME = re.compile(r"(?:^|[\s_\-./])(seed|rng)[_\-]?(\d+)", re.IGNORECASE)


def settings_of_name(name: str) -> dict[str, Scalar]:
    """The settings that a name tells: `lr=0.1_seed=3`, `adam_seed3`, `adam/3`; what is left of it is `run`.

    >>> settings_of_name("adam_lr=0.1_seed3"), settings_of_name("adam/3")
    ({'run': 'adam', 'lr': 0.1, 'seed': 3}, {'run': 'adam', 'rep': 3})
    """
    above, _, last = name.rpartition("/")
    if above and re.fullmatch(r"\d{1,15}", last):
        return {**settings_of_name(above), "rep": int(last)}
    spaced = _BEFORE_PAIR.sub(" ", name)
    settings = {key: as_scalar(value) for key, value in _PAIR.findall(spaced)}
    rest = _PAIR.sub(" ", spaced)
    for key, value in SEED_IN_NAME.findall(rest):
        settings[key.lower()] = int(value[:15])
    rest = re.sub(r"version_\d+|[\s/_,\-]+", " ", SEED_IN_NAME.sub(" ", rest)).strip()
    return {**({"run": rest} if rest else {}), **settings}
