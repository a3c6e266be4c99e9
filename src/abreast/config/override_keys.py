"""The key and the value of an override, as it is written on the command line. Imports nothing."""

from __future__ import annotations


def key_of(override: str) -> str:
    """The key that an override sets, without the signs before it.

    >>> key_of("+model.width=2"), key_of("~callbacks.progress")
    ('model.width', 'callbacks.progress')
    """
    return override.partition("=")[0].lstrip("+~")


def value_of(override: str) -> str:
    """The text of the value that an override sets.

    >>> value_of("optim.lr=0.1,0.2")
    '0.1,0.2'
    """
    return override.partition("=")[2]


def is_of_hydra(override: str) -> bool:
    """Whether an override sets a key of Hydra's own part, or chooses an option of it."""
    return key_of(override).startswith(("hydra.", "hydra/"))


def resumes(override: str) -> bool:
    """Whether an argument of the command line names a run to resume."""
    return override.lstrip("+").startswith("resume=")
