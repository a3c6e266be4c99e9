"""Text from outside reaches no terminal as a command, and no `rich` console as markup."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console
from rich.text import Text

from abreast.runtime.printable import PrintableFormatter, printable

ATTACKS = (
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b2J",
    "\r",
    "\b",
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\ud800",
    "\0",
)


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_what_controls_a_terminal_is_replaced(attack: str) -> None:
    shown = printable(f"a{attack}b", keep="\n\t")
    assert shown.isprintable()
    assert (shown[0], shown[-1]) == ("a", "b")
    record = logging.LogRecord("x", logging.INFO, "", 0, "a%sb", (attack,), None)
    assert PrintableFormatter("%(message)s").format(record).isprintable()


def test_what_people_write_stays() -> None:
    text = "Zürich, 東京 ± 0.5 → [b] \U0001f600"
    assert printable(text) == text
    assert printable("a\nb", keep="\n") == "a\nb"


def test_markup_is_text() -> None:
    console = Console(file=io.StringIO(), width=80)
    from rich.errors import MarkupError

    with pytest.raises(MarkupError):
        console.print("a[/b].png")  # the attack itself works
    console.print(Text(printable("a[/b].png [red]x")))
    assert console.file.getvalue().strip() == "a[/b].png [red]x"  # type: ignore[attr-defined]
