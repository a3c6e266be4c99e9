"""The errors of `abreast decide` by simulation, at a reduced size; the script has the whole tables."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest

from support.helpers import ROOT

SIMULATIONS = 300
# 5 % and two standard errors of a share of 5 % of the simulations.
MOST = 0.05 + 2 * (0.05 * 0.95 / SIMULATIONS) ** 0.5


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("calibrate", ROOT / "scripts" / "calibrate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SCRIPT = _script()


@pytest.mark.parametrize("collapsing", [0.0, 0.1])
@pytest.mark.parametrize("name", SCRIPT.PAIRS)
def test_errors_are_rare_at_no_difference_and_at_the_margin(name: str, collapsing: float) -> None:
    noise, margin = SCRIPT.PAIRS[name], SCRIPT.MARGIN
    options = {"simulations": SIMULATIONS, "budget": 41, "collapsing": collapsing}
    null = SCRIPT.simulate_decisions(noise, 0.0, **options)
    assert null.share("better", "worse") <= MOST
    assert null.covered >= (1 - MOST) * SIMULATIONS
    assert SCRIPT.simulate_decisions(noise, margin, **options).share("equivalent", "worse") <= MOST
    assert SCRIPT.simulate_decisions(noise, -margin, **options).share("equivalent", "better") <= MOST


@pytest.mark.parametrize(
    ("true", "margin", "due", "power", "most_seeds"),
    [(1.0, 0.1, "better", 0.98, 24), (-2.0, 0.1, "worse", 0.99, 14), (0.0, 1.0, "equivalent", 0.98, 30)],
)
def test_a_verdict_comes_soon(true: float, margin: float, due: str, power: float, most_seeds: float) -> None:
    cell = SCRIPT.simulate_decisions(SCRIPT.PAIRS["normal"], true, margin=margin, simulations=SIMULATIONS)
    assert cell.share(due) >= power
    assert cell.seeds / SIMULATIONS <= most_seeds


def test_errors_are_found_where_the_level_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulation can fail: with Student's critical values for a single look it does."""
    from scipy import stats

    from abreast.statistics import sequential

    monkeypatch.setattr(sequential, "critical_value", lambda n: float(stats.t.isf(0.025, n - 1)))
    null = SCRIPT.simulate_decisions(SCRIPT.PAIRS["normal"], 0.0, margin=0.01, simulations=SIMULATIONS)
    assert null.share("better", "worse") > 2 * MOST


def test_seeds_of_a_single_look_are_those_of_the_books() -> None:
    """Paired t test, effect 0.5, power 80 %: 34 pairs (G*Power 3.1; Cohen 1988). TOST by simulation."""
    import math

    import numpy as np

    assert math.ceil(SCRIPT.fixed_n_difference(0.5, 0.8)) == 34
    n = round(SCRIPT.fixed_n_equivalence(0.5, 0.8))
    values = np.random.default_rng(0).standard_normal((20_000, n))
    from scipy import stats

    half = stats.t.isf(0.05, n - 1) * values.std(axis=1, ddof=1) / math.sqrt(n)
    power = ((np.abs(values.mean(axis=1)) + half) < 0.5).mean()
    assert power == pytest.approx(0.8, abs=0.02)
