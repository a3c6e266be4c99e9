"""Text from outside, as the terminal may show it."""

from __future__ import annotations

import logging
import re

REPLACEMENT = "�"
# Control characters but line breaks and tabs, and what changes the order of the letters that follow.
_REORDERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str, keep: str = "") -> str:
    r"""Replace what could control the terminal or hide text: control and format characters, half pairs.

    Args:
        text: Text of unknown origin. For a `rich` console wrap the result in `rich.text.Text`: a plain
            string would be read as markup.
        keep: Characters that stay, such as line breaks.

    >>> printable("a\x1b[2J\u202eb\n"), printable("a\n", keep="\n")
    ('a�[2J�b�', 'a\n')
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in keep else REPLACEMENT for character in text
    )


def in_order(text: str) -> str:
    r"""Replace what shows text in another order than it is in, or controls a terminal that it is copied to.

    For a page, which shows more kinds of spaces and joined characters than a terminal.

    >>> in_order("a\u202eb\x1b[2J\u00a0c")
    'a�b�[2J\xa0c'
    """
    return _REORDERING.sub(REPLACEMENT, text)


class PrintableFormatter(logging.Formatter):
    """Formats log messages as `printable` lets them."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return printable(super().format(record), keep="\n\t")
