"""Lines of progress: none for what is quick, the first after a second."""

from __future__ import annotations

import logging

import pytest

from abreast.runtime import job_progress
from abreast.runtime.job_progress import reported


def test_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    clock = iter([0.0, 0.5, 1.2, 1.3, 2.0, 6.5, 6.6])
    monkeypatch.setattr("abreast.runtime.job_progress.time.monotonic", lambda: next(clock))
    with caplog.at_level(logging.INFO):
        assert list(reported(range(4), "Checked", "cells")) == [0, 1, 2, 3]
    assert caplog.messages == ["Checked 1 of 4 cells", "Checked 3 of 4 cells"]


def test_nothing_for_what_is_quick_and_no_total_where_none_is_known(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert list(reported(range(1000), "Checked")) == list(range(1000))
        assert caplog.messages == []
        monkeypatch.setattr(job_progress, "FIRST", 0.0)
        list(reported(iter("ab"), "Composed", "values"))
        list(reported(iter("ab"), "Wrote", "results", 2))
    assert caplog.messages == ["Composed 0 values", "Wrote 0 of 2 results"]
