"""The settings that the name of a run, a file or a folder tells."""

from __future__ import annotations

import re

from abreast.config.identity import Scalar
from abreast.report.readers.foreign_run import as_scalar

_KEY = r"[A-Za-z][\w.]{0,99}?"  # bounded: a text without `=` is looked through in linear time
_PAIR = re.compile(rf"({_KEY})=([^\s_,/]+)")
_BEFORE_PAIR = re.compile(rf"[_/,\s](?={_KEY}=)")
_DATE = r"(?:19|20)\d\d[-_]?(?:0[1-9]|1[0-2])[-_]?(?:[0-2]\d|3[01])"
_CLOCK = r"(?:[01]\d|2[0-3])[-_:h]?[0-5]\d(?:[-_:m]?[0-5]\d)?(?:[-_.]\d{3,6})?"
_TIME = re.compile(  # `2020-08-26-09-00-03`, `20250602_134056`, `1729642919`
    rf"(?<!\d){_DATE}(?:[-_T ]?{_CLOCK})?(?!\d)|(?<!\d)1[4-9]\d{{8}}(?:\.\d+)?(?!\d)"
)
_GYM = re.compile(r"(?:^|(?<=[/_\s]))[A-Z][A-Za-z0-9]*-v\d+(?=$|[/_\s-])")
SEED_IN_NAME = re.compile(r"(?:^|[\s_\-./])(seed|rng)[_\-]?(\d+)", re.IGNORECASE)


def settings_of_name(name: str) -> dict[str, Scalar]:
    """The settings that a name tells: `lr=0.1_seed=3`, `adam_seed3`, `adam/3`; what is left of it is `run`.

    >>> settings_of_name("adam_lr=0.1_seed3"), settings_of_name("adam/3")
    ({'run': 'adam', 'lr': 0.1, 'seed': 3}, {'run': 'adam', 'rep': 3})
    >>> settings_of_name("Hopper-v4__ppo__3__1700000000"), settings_of_name("ppo/Hopper-v4_2024-01-31")
    ({'env': 'Hopper-v4', 'run': 'ppo', 'seed': 3}, {'run': 'ppo', 'env': 'Hopper-v4'})
    """
    cleanrl = name.rpartition("/")[2].rsplit("__", 3)
    if len(cleanrl) == 4 and all(cleanrl) and re.fullmatch(r"\d{1,9} \d{10}", " ".join(cleanrl[2:])):
        return {"env": cleanrl[0], "run": cleanrl[1], "seed": int(cleanrl[2])}
    parts = _TIME.sub(" ", name).split("/")
    numbers: list[str] = []
    while (len(parts) > 2 or (len(parts) == 2 and parts[0])) and re.fullmatch(r"\d{1,15}", parts[-1]):
        numbers.append(parts.pop())
    repeat = {"rep": int(numbers[0])} if numbers else {}
    return {**_of_text("/".join(parts)), **repeat}


def _of_text(name: str) -> dict[str, Scalar]:
    spaced = _BEFORE_PAIR.sub(" ", name)
    settings = {key: as_scalar(value) for key, value in _PAIR.findall(spaced)}
    rest = _PAIR.sub(" ", spaced)
    environments = {*_GYM.findall(rest)}
    if len(environments) == 1:  # of Gymnasium
        settings["env"] = environments.pop()
        rest = _GYM.sub(" ", rest)
    for key, value in SEED_IN_NAME.findall(rest):
        settings[key.lower()] = int(value[:15])
    rest = re.sub(r"version_\d+|[\s/_,\-]+", " ", SEED_IN_NAME.sub(" ", rest)).strip()
    return {**({"run": rest} if rest else {}), **settings}
