"""Text from outside, as the terminal may show it."""

from __future__ import annotations

import logging

REPLACEMENT = "�"


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


class PrintableFormatter(logging.Formatter):
    """Formats log messages as `printable` lets them."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return printable(super().format(record), keep="\n\t")
