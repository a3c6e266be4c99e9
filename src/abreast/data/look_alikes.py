"""Names that differ in what a reader hardly sees: they stay different, and a line says so."""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

from abreast.runtime.printable import printable

MOST_GROUPS = 5  # that a line names

log = logging.getLogger(__name__)


def look_alikes(names: Iterable[str]) -> list[list[str]]:
    """Groups of names that differ only in case, blanks, invisible characters, Unicode form, or as numbers.

    >>> look_alikes(["Yes", "no", "yes", "1", "1.0"])
    [['Yes', 'yes'], ['1', '1.0']]
    """
    groups: dict[Hashable, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(_look(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def warn_of_look_alikes(where: str, what: str, names: Iterable[str], values: Sequence[str] = ()) -> None:
    """Log one line that names the look-alikes, if there are any.

    Args:
        where: The file and column.
        what: What the names are, in the plural.
        names: The names that are told apart.
        values: The rows' values, to count how often each name occurs.
    """
    groups = look_alikes(names)
    if not groups:
        return
    counts = Counter(values)
    texts = [_named(group, counts) for group in groups[:MOST_GROUPS]]
    more = f", and {len(groups) - MOST_GROUPS} more" if len(groups) > MOST_GROUPS else ""
    log.warning(
        "%s: %s%s look alike and are different %s. If they are the same, write them the same in the file",
        printable(where),
        ", ".join(texts),
        more,
        what,
    )


def _named(group: Sequence[str], counts: Counter[str]) -> str:
    """The names of a group in quotes, with escapes where their letters do not show how they differ."""
    shown = ascii if len({unicodedata.normalize("NFC", name) for name in group}) < len(group) else repr
    return " and ".join(shown(name) + (f" ({counts[name]} rows)" if counts[name] else "") for name in group)


def _look(name: str) -> Hashable:
    text = unicodedata.normalize("NFKC", name).casefold()
    text = "".join(" " if character.isspace() else character for character in text)
    text = "".join(character for character in text if unicodedata.category(character) not in ("Cf", "Cc"))
    text = " ".join(text.split())
    try:
        return float(text) if text[:1] in "+-.0123456789" and "_" not in text else text
    except ValueError:
        return text
