"""Links inside a directory that may come from a stranger: nothing is written through them. No torch.

A link above the directory (`runs -> /scratch`) is the user's own, and is followed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from abreast.errors import RunError


def refuse_links_out(folder: Path, trusted: Sequence[Path] = (), fix: str = "trust=[{target}]") -> None:
    """Check that no link in a folder or below leads out of it.

    Args:
        folder: The folder; a missing one has no links.
        trusted: Folders outside that may be written to.
        fix: How the user gives their word that the target may be written to.

    Raises:
        RunError: For the first link that leads out, or in a circle; the message names it and the fix.
    """
    places = [os.path.realpath(root) for root in (folder, *trusted)]
    folders = [folder]
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise RunError(f"{folder}: cannot be read ({error.strerror})") from None
        for entry in entries:
            if not entry.is_symlink():
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                continue
            target = Path(os.path.realpath(entry.path))
            if target.is_symlink() or not any(target.is_relative_to(root) for root in places):
                raise RunError(
                    f"{entry.path}: not written through, as it is a link to elsewhere ({target}). Put the "
                    f"file or folder itself there. If you want that: {fix.format(target=target)}"
                )


def check_output_folder(folder: Path, directory: Path, option: str) -> None:
    """Check that a folder to write to by default lies in its directory, and so does all that is in it.

    Args:
        folder: The folder, such as `RUN/export`.
        directory: The directory that the user named.
        option: The option by which another folder can be given.

    Raises:
        RunError: If the folder or something in it is a link that leads out.
    """
    if not Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(directory)):
        raise RunError(
            f"{folder}: not written to, as a link leads from {directory} to {os.path.realpath(folder)}. "
            f"Remove the link, or give another folder with {option}"
        )
    refuse_links_out(folder, fix=f"{option} with that folder")
