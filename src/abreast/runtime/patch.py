"""What is known of a change to a library or to this process, of `abreast.runtime.patches`. No torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patch:
    """One change, and how to tell whether it still fits its library.

    Attributes:
        name: What `is_on` is asked for.
        home: The module that applies it.
        library: The distribution that it changes or whose private names it uses; `python` or `glibc`.
        tested: The first and the last version that it was tested with, as `major.minor`; None for any.
        what: What it does.
        without: What happens without it.
        private: What it relies on and no documentation promises, as `module:attribute`: without it, off.
        required: It restores state that the library gives no public way to restore, so it cannot be off.
    """

    name: str
    home: str
    library: str
    tested: tuple[str, str] | None
    what: str
    without: str
    private: tuple[str, ...] = ()
    required: bool = False
