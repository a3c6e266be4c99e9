"""Versions of what is installed. No torch."""

from __future__ import annotations


def installed_version(library: str) -> str | None:
    """The version of a distribution, of `python` or of `glibc`; None where it is not installed."""
    import platform  # with the next one slow to import, and needed for messages alone
    from importlib.metadata import PackageNotFoundError, version

    if library == "python":
        return platform.python_version()
    if library == "glibc":
        name, release = platform.libc_ver()
        return release if name == "glibc" else None
    try:
        return version(library)
    except PackageNotFoundError:
        return None
