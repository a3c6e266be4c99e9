"""Simulate `abreast decide`: its errors, the coverage of its intervals, and the seeds it takes.

python scripts/calibrate_decide.py            # 10,000 simulations a cell, some minutes
python scripts/calibrate_decide.py --quick    # 1,000

It calls the functions that ship. Differences are in units of their standard deviation; the margin is half of
it unless said otherwise, the budget 100 seeds. A share of 5 % has a standard error of 0.2 points (0.7 with
`--quick`). The tables are those of docs/decide.md.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from abreast.statistics.sequential import Verdict, sequential_interval, sequential_verdict, wave_ends

Values = NDArray[np.float64]  # [simulations, seeds]
Noise = Callable[[np.random.Generator, tuple[int, int]], tuple[Values, Values]]

BUDGET = 100
MARGIN = 0.5
EXAMPLES = 360
LOGNORMAL_SD = float(np.sqrt((np.e - 1) * np.e))
COLLAPSING = 0.1  # of the runs


def _normal(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Values, Values]:
    return rng.standard_normal(shape), rng.standard_normal(shape)


def _correlated(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Values, Values]:
    common, rho = rng.standard_normal(shape), 0.7
    first, second = _normal(rng, shape)
    scaled = [rho**0.5 * common + (1 - rho) ** 0.5 * values for values in (first, second)]
    return scaled[0], scaled[1]


def _spread(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Values, Values]:
    first, second = _normal(rng, shape)
    return first, 10 * second


def _exponential(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Values, Values]:
    return rng.exponential(size=shape), rng.exponential(size=shape)


def _lognormal(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    values: Values = (rng.lognormal(0, 1, shape) - np.exp(0.5)) / LOGNORMAL_SD
    return values


def _lognormal_both(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Values, Values]:
    return _lognormal(rng, shape), _lognormal(rng, shape)


def _lognormal_one(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Values, Values]:
    return rng.standard_normal(shape), _lognormal(rng, shape)


def _exponential_alone(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Values, Values]:
    return np.zeros(shape), rng.exponential(size=shape) - 1


def _lognormal_alone(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Values, Values]:
    return np.zeros(shape), _lognormal(rng, shape)


def _counts(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Values, Values]:
    first, second = (rng.binomial(EXAMPLES, 0.97, shape) / EXAMPLES for _ in range(2))
    return first, second


def _few_counts(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Values, Values]:
    """Accuracies that differ by an example on one seed of ten: nearly all differences are equal."""
    first, second = (rng.binomial(1, 0.1, shape) / EXAMPLES for _ in range(2))
    return first, second


NOISES: Mapping[str, Noise] = {
    "normal": _normal,
    "normal, correlated over seeds (0.7)": _correlated,
    "normal, one standard deviation ten times the other": _spread,
    "exponential": _exponential,
    "lognormal (sigma 1)": _lognormal_both,
    "lognormal against normal": _lognormal_one,
    "counts of 360 examples, 97 % right": _counts,
    "counts of 360, nine seeds in ten equal": _few_counts,
    "exponential against constant": _exponential_alone,
    "lognormal against constant": _lognormal_alone,
}


@dataclass
class Cell:
    """What came of the simulations of a cell.

    Attributes:
        verdicts: How many ended with each verdict.
        seeds: The sum of the seeds that they took.
        covered: How many had intervals that covered the true difference after every wave up to the end.
    """

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    seeds: int = 0
    covered: int = 0

    @property
    def simulations(self) -> int:
        """Number of simulations."""
        return sum(self.verdicts.values())

    def share(self, *verdicts: Verdict) -> float:
        """Share of the simulations with one of these verdicts."""
        return sum(self.verdicts[verdict] for verdict in verdicts) / self.simulations


def simulate(
    noise: Noise,
    true: float,
    *,
    margin: float = MARGIN,
    simulations: int = 1000,
    budget: int = BUDGET,
    collapsing: float = 0.0,
    seed: int = 0,
) -> Cell:
    """Decide in many simulated worlds.

    Args:
        noise: Draws the values of both settings with equal means.
        true: The true difference, in standard deviations of the difference.
        margin: The margin, in the same unit.
        simulations: Number of worlds.
        budget: The most seeds.
        collapsing: The share of runs that collapse.
        seed: Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    first, second = noise(rng, (simulations, budget))
    unit = float((second - first).std())
    resolution = 1 / EXAMPLES / unit if noise in (_counts, _few_counts) else 0.0
    differences = (second - first) / unit + true
    dropped = rng.random((2, simulations, budget)) < collapsing
    cell = Cell()
    for world in range(simulations):
        _decide(cell, differences[world], dropped[:, world], true, margin, resolution, wave_ends(budget))
    return cell


def _decide(
    cell: Cell,
    differences: Values,
    dropped: NDArray[np.bool_],
    true: float,
    margin: float,
    resolution: float,
    ends: list[int],
) -> None:
    """One world: look after each wave, by the functions that ship."""
    verdict: Verdict = "undecided"
    taken, covered = ends[-1], True
    for end in ends:
        first, second = dropped[:, :end]
        interval = sequential_interval(differences[:end][~(first | second)].tolist(), resolution=resolution)
        if interval.low is not None and interval.high is not None:
            covered = covered and interval.low <= true <= interval.high
        if verdict == "undecided":
            verdict = sequential_verdict(
                interval,
                margin,
                higher_is_better=True,
                only_first_collapsed=int((first & ~second).sum()),
                only_second_collapsed=int((second & ~first).sum()),
            )
            if verdict != "undecided":
                taken = end
    cell.verdicts[verdict] += 1
    cell.seeds += taken
    cell.covered += covered


def fixed_n_difference(effect: float, power: float) -> float:
    """Seeds of a two-sided paired t test at 5 % with that power, looked at once."""

    def excess(n: float) -> float:
        critical = stats.t.isf(0.025, n - 1)
        return float(stats.nct.sf(critical, n - 1, effect * np.sqrt(n))) - power

    return float(optimize.brentq(excess, 2.01, 2000))


def fixed_n_equivalence(margin: float, power: float) -> float:
    """Seeds of two one-sided t tests at 5 % with that power for a true difference of 0, looked at once."""

    def excess(n: float) -> float:
        critical = stats.t.isf(0.05, n - 1)
        # Given the standard deviation, the mean has to be within margin - critical * sd / sqrt(n).
        spread = stats.chi2.ppf(np.linspace(0.0005, 0.9995, 1000), n - 1)
        room = np.maximum(margin * np.sqrt(n) - critical * np.sqrt(spread / (n - 1)), 0)
        return float((2 * stats.norm.cdf(room) - 1).mean()) - power

    return float(optimize.brentq(excess, 2.01, 5000))


def errors(simulations: int) -> Iterator[str]:
    """The table of errors and coverage."""
    yield (
        "| noise | true difference 0: better or worse | at the margin: equivalent or opposite | "
        "covered after all waves |"
    )
    yield "|---|---|---|---|"
    cells = [(name, noise, 0.0) for name, noise in NOISES.items()]
    cells.append(("normal, 10 % of the runs collapse", _normal, COLLAPSING))
    for name, noise, collapsing in cells:
        options = {"simulations": simulations, "collapsing": collapsing}
        null = simulate(noise, 0.0, **options)  # type: ignore[arg-type]
        above = simulate(noise, MARGIN, **options)  # type: ignore[arg-type]
        below = simulate(noise, -MARGIN, **options)  # type: ignore[arg-type]
        at_margin = max(above.share("equivalent", "worse"), below.share("equivalent", "better"))
        yield (
            f"| {name} | {null.share('better', 'worse'):.1%} | {at_margin:.1%} | "
            f"{null.covered / simulations:.1%} |"
        )


def seeds_taken(simulations: int) -> Iterator[str]:
    """The table of power and seeds, against tests with a fixed number of seeds."""
    yield "| true difference | margin | verdict due | given | mean seeds | fixed number, same power |"
    yield "|---|---|---|---|---|---|"
    cases: list[tuple[float, float, Verdict]] = [
        *((effect, 0.1, "better") for effect in (0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)),
        *((0.0, margin, "equivalent") for margin in (0.4, 0.5, 0.75, 1.0, 1.5)),
    ]
    for true, margin, due in cases:
        cell = simulate(_normal, true, margin=margin, simulations=simulations)
        power = cell.share(due)
        capped = min(power, 0.999)
        fixed = fixed_n_difference(true, capped) if due == "better" else fixed_n_equivalence(margin, capped)
        mean = cell.seeds / simulations
        yield f"| {true:g} | {margin:g} | {due} | {power:.1%} | {mean:.0f} | {np.ceil(fixed):.0f} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Errors, coverage and seeds of abreast decide.")
    parser.add_argument("--quick", action="store_true", help="1,000 simulations a cell instead of 10,000")
    simulations = 1000 if parser.parse_args().quick else 10_000
    print(f"{simulations:,} simulations a cell, budget {BUDGET} seeds, margin {MARGIN:g}.\n")
    for line in (*errors(simulations), "", *seeds_taken(simulations)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
