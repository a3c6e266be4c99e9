"""Marks of footnotes behind the numbers of a table, in Markdown, HTML and LaTeX."""

from __future__ import annotations

import re

MOST_NESTED = 8  # commands of LaTeX inside one another
RAISED = re.compile(  # behind a number: a footnote, or its exponent
    r"(?P<before>(?P<number>(?<![\d.,])[.,]?\d[\d.,]*)[\s$%\\*{}]*)"
    r"(?:(?:<sup\b[^<>]*>|\\textsuperscript\{)(?P<mark>[^<>{}]*)(?:</sup\s*>|\}|$)|"
    r"(?:\^\s?\{(?P<braced>[^<>{}]*)\}|\^\s?(?P<command>\\[a-z]+)|\^(?P<letter>[*†‡§¶a-z](?![a-z]))|"
    r"(?P<dagger>\\dd?ag(?:ger)?(?![a-z])))(?P<after>\s?\$)?)",
    re.IGNORECASE,
)
LOWERED = re.compile(r"</?su[bp]\b[^<>]*>", re.IGNORECASE)
_SYMBOL = re.compile(r"\\(?:dd?ag(?:ger)?|ast|star|bullet|diamond|circ|sharp|S|P)(?![A-Za-z])")
_INDEX = re.compile(r"(?<=[a-zA-Z])<sub\b[^<>]*>\s?(\d)\s?</sub\s{0,9}>", re.IGNORECASE)
_EXPONENT = re.compile(r"[+\-\u2212]?\d{1,2}")
_DEVIATION = re.compile(r"[+\-\u2212]\s?\.?\d[\d.]*|\d+\.\d+")  # or a negative exponent


def without_footnote(match: re.Match[str]) -> str:
    """The number without its footnote; with a power of 2 or 10, and with a deviation, as text."""
    text = _without_caret(match) if match["mark"] is None else _without_mark(match)
    return f"{text} " if match.string[match.end() : match.end() + 1].isdigit() and text != match[0] else text


def _without_mark(match: re.Match[str]) -> str:
    mark = match["mark"].strip()
    if mark.startswith(("±", "+-", "+/-")):
        return f"{match['before']} {mark}"
    is_power = match["number"] in ("2", "10") and _EXPONENT.fullmatch(mark)
    if is_power or _DEVIATION.fullmatch(mark):
        return f"{match['number']}^{mark}"
    return match["before"]


def _without_caret(match: re.Match[str]) -> str:
    """The number without its footnote in mathematics: `0.9$^{*}$`; letters and digits may be exponents."""
    mark = match["braced"] or match["command"] or match["dagger"] or match["letter"] or ""
    number, rest = match["number"], match["before"][len(match["number"]) :]
    is_symbol = re.search(r"[^\W_]|[+\-\u2212±=]", _SYMBOL.sub("", mark)) is None
    is_exponent = number in ("2", "10") or "$" not in rest
    if not is_symbol and (is_exponent or re.search(r"[+\-\u2212±=.\\]", mark)):
        return match[0]
    if match["after"] and "$" in rest:
        return number + rest.replace("$", "", 1)
    return match["before"] + (match["after"] or "")


def without_raised(cell: str) -> str:
    """A cell of HTML or Markdown: of `0.9<sup>a</sup>` the number, of `F<sub>1</sub>` the text `F1`."""
    cell = re.sub(r"<sub\b[^<>]*>", " ", _INDEX.sub(r"\1", cell), flags=re.IGNORECASE)
    for _ in range(MOST_NESTED):
        cell = RAISED.sub(without_footnote, cell)
    return re.sub(r"</?sup\b[^<>]*>", "", cell, flags=re.IGNORECASE)
