"""What is known of a change to a library or to this process; all are in `abreast.runtime.patches`. No torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patch:
    """One change, and how to tell whether it still fits its library.

    Attributes:
        name: what `is_on` is asked for.
        home: the module that applies it.
        library: the distribution that it changes or whose private names it uses; `python` or `glibc`.
        tested: the first and the last version that it was tested with, as `major.minor`; None for any.
        what: what it does.
        without: what happens without it.
        private: what it relies on and no documentation promises, as `module:attribute`: without it, off.
        required: it restores state that the library gives no public way to restore, so it cannot be off.
    """

    name: str
    home: str
    library: str
    tested: tuple[str, str] | None
    what: str
    without: str
    private: tuple[str, ...] = ()
    required: bool = False
