"""Text of any origin on the page: in its own order, and without control characters."""

from __future__ import annotations

import json
import re

import pytest

from abreast.report.html.elements import Part, Table, paragraphs
from abreast.report.html.page import page

HOSTILE = "a\u202eb\u2066c\x1b[2Jd\x07\x9be\u200f\\u001bf \\"
SHOWN = "a�b�c�[2Jd��e�\\u001bf \\"


@pytest.mark.parametrize("text", [HOSTILE, "\x1b\x1b\\\x1b", "日本 \u3000 é ±\u2009 👩\u200d🚀\n\t"])
def test_text_of_any_origin(text: str) -> None:
    table = Table("runs", text, (), [[text, {text: 1.0}]])
    html = page(text, text, [Part("p", text, text, paragraphs([text]))], [], [table], text)
    assert not re.search("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200f]", html)
    data = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    [[name, values]] = json.loads(data[1])["tables"]["runs"]["rows"]
    expected = {HOSTILE: SHOWN, "\x1b\x1b\\\x1b": "��\\�"}.get(text, text)
    assert name == expected
    assert [*values] == [expected]
