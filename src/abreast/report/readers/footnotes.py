"""Marks of footnotes behind the numbers of a table, in Markdown, HTML and LaTeX."""

from __future__ import annotations

import re

MOST_NESTED = 8  # commands of LaTeX inside one another
RAISED = re.compile(  # behind a number: a footnote, or its exponent
    r"(?P<before>(?P<number>(?<![\d.,])[.,]?\d[\d.,]*)[\s$%\\*]*)"
    r"(?:(?:<sup\b[^<>]*>|\\textsuperscript\{)(?P<mark>[^<>{}]*)(?:</sup\s*>|\}))",
    re.IGNORECASE,
)


def without_footnote(match: re.Match[str]) -> str:
    """The number without its footnote; with a power of 2 or 10 as text."""
    is_power = match["number"] in ("2", "10") and re.fullmatch(r"[+\-\u2212]?\d{1,2}", match["mark"])
    return f"{match['number']}^{match['mark']}" if is_power else match["before"]
