"""How often verdicts claim a difference where there is none, and what intervals cover, by simulation.

python scripts/calibrate.py            # 10,000 simulations a cell, half an hour on one core
python scripts/calibrate.py --quick    # 1,000
python scripts/calibrate.py --json     # the same numbers for programs
python scripts/calibrate.py --only decide    # or sweeps: one half of the tables

Calls the functions that ship. Those that `abreast report` and studies decide with: `contrasts` (of which
`compare` is the case of a single data set) and `intervals`, with their defaults, two-sided. All groups of a
data set have one mean, so every claim is false. docs/statistics.md has these tables.

Those of `abreast decide`: errors, the coverage of its intervals, and the seeds it takes. Differences are in
units of their standard deviation; the margin is half of it unless said otherwise, the budget 100 seeds.
docs/decide.md has these tables.
"""

from __future__ import annotations

import argparse
import json
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from abreast.statistics.collapse import chance_limit
from abreast.statistics.contrast import contrasts
from abreast.statistics.interval import intervals
from abreast.statistics.sequential import Verdict, sequential_interval, sequential_verdict, wave_ends

Array = NDArray[np.float64]
Random = np.random.Generator
Draw = Callable[[Random, tuple[int, ...]], Array]
Noise = Callable[[Random, tuple[int, int]], tuple[Array, Array]]  # of two settings, by world and seed

GROUPS, SEEDS = (2, 6, 12), (3, 5, 10)
EXAMPLES = 360
SHARE = 0.97  # accuracy of the counts
CORRELATION = 0.8  # of a run's validation with its test
CHUNK = 1000
ALPHA = 0.05
BUDGET = 100  # seeds of a decision
MARGIN = 0.5  # of a decision, in standard deviations
COLLAPSING = 0.1  # of the runs of a decision


def _normal(random: Random, shape: tuple[int, ...]) -> Array:
    return random.standard_normal(shape)


def _lognormal(random: Random, shape: tuple[int, ...]) -> Array:
    values = np.exp(random.normal(size=shape)) - math.exp(0.5)
    return np.asarray(values / math.sqrt((math.e - 1) * math.e))


def _half_lognormal(random: Random, shape: tuple[int, ...]) -> Array:
    half = shape[1] // 2
    rest = random.normal(size=(shape[0], shape[1] - half, shape[2]))
    return np.concatenate([rest, _lognormal(random, (shape[0], half, shape[2]))], axis=1)


def _spread(random: Random, shape: tuple[int, ...]) -> Array:
    return np.asarray(random.normal(size=shape) * np.geomspace(1, 10, shape[1])[None, :, None])


def _correlated(random: Random, shape: tuple[int, ...], share: float = 0.7) -> Array:
    common = random.normal(size=(shape[0], 1, shape[2]))
    return np.asarray(math.sqrt(share) * common + math.sqrt(1 - share) * random.normal(size=shape))


def _counts(random: Random, shape: tuple[int, ...]) -> Array:
    return random.binomial(EXAMPLES, SHARE, size=shape) / EXAMPLES - SHARE


def _collapsing(random: Random, shape: tuple[int, ...]) -> Array:
    """One run in ten guesses one of ten classes; what collapsed follows from chance and examples alone."""
    accuracy = 0.9 + 0.01 * random.normal(size=shape)
    guesses = random.binomial(EXAMPLES, 0.1, size=shape) / EXAMPLES
    accuracy = np.where(random.random(shape) < 0.1, guesses, accuracy)
    return np.where(accuracy <= chance_limit(0.1, EXAMPLES), np.nan, accuracy - 0.9)


def _missing(random: Random, shape: tuple[int, ...]) -> Array:
    return np.where(random.random(shape) < 0.15, np.nan, _correlated(random, shape, 0.5))


def _one_noisy(random: Random, shape: tuple[int, ...]) -> Array:
    values = random.normal(size=shape)
    values[:, 0] *= 10
    return values


NOISE: dict[str, Draw] = {
    "normal": _normal,
    "exponential": lambda random, shape: random.exponential(size=shape) - 1,
    "half lognormal": _half_lognormal,
    "sds spread x10": _spread,
    "seeds correlated 0.7": _correlated,
    "counts of 360": _counts,
    "10 % collapse": _collapsing,
    # Beyond what the requirements name:
    "Student's t, 3 df": lambda random, shape: random.standard_t(3, size=shape),
    "one group x10": _one_noisy,
    "correlated, spread": lambda random, shape: _spread(random, shape) / 5 + _correlated(random, shape),
    "15 % missing": _missing,
}


@dataclass
class Cell:
    """Shares over the simulations of one kind of noise, number of groups and number of seeds.

    Attributes:
        validation: Data sets with a false claim against the group that validation chose.
        tested: The same against the group with the best tested mean.
        study: The same against a reference that other data chose.
        coverage: Intervals of a group's mean that hold the true one.
        least: The same for the group for which they do least often.
        winner: Intervals of the mean of the group that validation chose that hold the true one.
        best: The same for the group with the best tested mean.
        difference: Intervals of a difference to the validated group that hold the true one.
        width: Median width, in widths of Student's interval.
    """

    noise: str
    groups: int
    seeds: int
    simulations: int
    validation: float = 0.0
    tested: float = 0.0
    study: float = 0.0
    coverage: float = 0.0
    least: float = 0.0
    winner: float = 0.0
    best: float = 0.0
    difference: float = 0.0
    width: float = 0.0


def calibrate(noise: str, groups: int, seeds: int, simulations: int) -> Cell:
    """Simulate one cell, reproducibly."""
    random = np.random.default_rng([zlib.crc32(noise.encode()), groups, seeds])
    parts: list[dict[str, tuple[float, float]]] = []
    ratios, covered = [], np.zeros((2, groups))
    for start in range(0, simulations, CHUNK):
        size = min(CHUNK, simulations - start)
        part, ratio, hits = _simulate(random, noise, (size, groups, seeds))
        parts.append(part)
        ratios.append(ratio)
        covered += hits
    cell = Cell(noise, groups, seeds, simulations)
    for name in parts[0]:
        setattr(cell, name, sum(part[name][0] for part in parts) / sum(part[name][1] for part in parts))
    cell.coverage = float(covered[0].sum() / covered[1].sum())
    cell.least = float((covered[0] / covered[1]).min())
    cell.width = float(np.median(np.concatenate(ratios)))
    return cell


def _simulate(
    random: Random, noise: str, shape: tuple[int, int, int]
) -> tuple[dict[str, tuple[float, float]], Array, Array]:
    values = NOISE[noise](random, shape)
    bounds = (-SHARE, 1 - SHARE) if noise.startswith("counts") else (None, None)
    step = 1 / EXAMPLES if noise.startswith("counts") else None
    rows = np.arange(shape[0])
    n = np.isfinite(values).sum(2)
    mean = np.where(n >= 2, np.nansum(values, 2) / np.maximum(n, 1), -np.inf)
    spread = np.nanstd(values, axis=(0, 2), keepdims=True)
    beside = CORRELATION * values + math.sqrt(1 - CORRELATION**2) * spread * random.normal(size=shape)
    validated = np.where(n >= 2, np.nansum(beside, 2) / np.maximum(n, 1), -np.inf)
    elsewhere = np.where(n >= 2, random.normal(size=shape[:2]), -np.inf)
    lost = (n == 0).any(1)  # "collapsed": a claim, too
    shares: dict[str, tuple[float, float]] = {}
    chosen = {"validation": validated.argmax(1), "tested": mean.argmax(1), "study": elsewhere.argmax(1)}
    for name, reference in chosen.items():
        family = "reference" if name == "study" else "pairs"
        found = contrasts(values, reference, family, alpha=ALPHA, step=step)  # type: ignore[arg-type]
        claims = found.significant.any(1) | (lost if "collapse" in noise else False)
        shares[name] = (float(claims.sum()), shape[0])
        if name == "validation":
            inside = found.tested & ~found.significant
            shares["difference"] = (float(inside.sum()), float(found.tested.sum()))
    known = n >= 2
    hits = np.zeros((2, shape[1]))
    for name, key in (("winner", "validation"), ("best", "tested")):
        winner = chosen[key]
        low, high = intervals(values, bounds=bounds, step=step, winner=winner)
        inside = (low <= 0) & (high >= 0)
        shares[name] = (float(inside[rows, winner].sum()), float(known[rows, winner].sum()))
        hits += [(inside & known).sum(0) / 2, known.sum(0) / 2]
    sd = np.sqrt(np.nansum((values - mean[..., None]) ** 2, 2)[known] / (n[known] - 1))
    student = 2 * stats.t.isf(0.025, n[known] - 1) * sd / np.sqrt(n[known])
    return shares, (high - low)[known] / np.maximum(student, 1e-12), hits


def power(simulations: int) -> dict[str, float]:
    """Return how often differences are found, each a share of the simulations."""
    random = np.random.default_rng(1)
    result = {}
    for title, share in (("", 0.0), (", seeds correlated 0.5", 0.5)):
        values = _correlated(random, (simulations, 12, 5), share)
        values[:, 11] -= 3
        noise = random.normal(size=values.shape)
        beside = (CORRELATION * values + math.sqrt(1 - CORRELATION**2) * noise).mean(2)
        other = random.normal(size=(simulations, 12)) - 3 * (np.arange(12) == 11)
        for name, scores, family in (
            ("reference by validation", beside, "pairs"),
            ("reference by the tested values", values.mean(2), "pairs"),
            ("study", other, "reference"),
        ):
            found = contrasts(values, scores.argmax(1), family)  # type: ignore[arg-type]
            worse = found.significant[:, 11] & (found.difference[:, 11] < 0)
            result[f"12 groups x 5 seeds, one 3 sds worse{title}; {name}"] = float(worse.mean())
    two = _correlated(random, (simulations, 2, 5), 0.5)
    two[:, 1] -= 2
    zero = np.zeros(simulations, dtype=np.intp)
    result["2 groups x 5 seeds, correlated 0.5, one 2 sds worse"] = _found(two, zero)
    paired = stats.ttest_rel(two[:, 0], two[:, 1], axis=1).pvalue <= ALPHA
    result["the same, by the paired t test"] = float(paired.mean())
    partly = np.full((simulations, 2, 6), np.nan)
    partly[:, 0, :4], partly[:, 1, 2:] = random.normal(size=(2, simulations, 4))
    partly[:, 1] -= 5
    result["two of four seeds in common, one 5 sds worse"] = _found(partly, zero)
    for sd in (0.005, 0.02, 0.05):
        many = 0.97 + 0.005 * random.normal(size=(min(simulations, 2000), 36, 3))
        many[:, 35] = 0.22 + sd * random.normal(size=many.shape[::2])
        best = many.mean(2).argmax(1)
        result[f"36 groups x 3 seeds of sd 0.005, one 0.75 worse with sd {sd}"] = _found(many, best)
    counts = random.binomial(EXAMPLES, SHARE, size=(simulations, 2, 5)) / EXAMPLES
    counts[:, 1] = counts[:, 0] - 30 / EXAMPLES
    result["2 x 5 seeds, each exactly 30 of 360 examples worse"] = _found(counts, zero, 1 / EXAMPLES)
    return result


def splits(simulations: int) -> list[dict[str, float]]:
    """Return false claims and coverage where blocks are splits that share training examples.

    Nadeau & Bengio (2003) take the correlation between splits as n_test / (n_test + n_train). Here it is
    exactly that. Without the correction the errors are those in `uncorrected`.
    """
    random = np.random.default_rng(2)
    rows = []
    for groups in GROUPS:
        for count in (5, 10):
            for overlap in (0.25, 0.1):
                share = overlap / (1 + overlap)
                shape = (simulations, groups, count)
                common = random.normal(size=(*shape[:2], 1))
                values = math.sqrt(share) * common + math.sqrt(1 - share) * random.normal(size=shape)
                best = values.mean(2).argmax(1)
                low, high = intervals(values, overlap=overlap)
                claims = {
                    corrected: contrasts(values, best, "pairs", alpha=ALPHA, overlap=corrected)
                    for corrected in (overlap, 0.0)
                }
                rows.append(
                    {
                        "groups": groups,
                        "splits": count,
                        "overlap": overlap,
                        "false claims": float(claims[overlap].significant.any(1).mean()),
                        "uncorrected": float(claims[0.0].significant.any(1).mean()),
                        "coverage": float(((low <= 0) & (high >= 0)).mean()),
                    }
                )
    return rows


SPLIT_NOISE = (
    "normal",
    "exponential",
    "half lognormal",
    "sds spread x10",
    "seeds correlated 0.7",
    "15 % missing",
)
OVERLAP = 0.25  # test examples per training example of five folds


def splits_of_other_noise(simulations: int) -> Iterator[dict[str, float | str]]:
    """Yield false claims and coverage of splits whose noise, or whose correlation, is another one.

    `real` is the correlation between splits in units of the one that the correction takes it to be.
    """
    cases = [(noise, 1.0, groups) for noise in SPLIT_NOISE for groups in (2, 6, 12)]
    cases += [("normal", real, groups) for real in (0.0, 0.5, 1.5, 2.0, 3.0) for groups in (2, 6, 12)]
    for noise, real, groups in cases:
        for count in (3, 5, 10):
            cell: dict[str, float | str] = {"noise": noise, "real": real, "groups": groups, "splits": count}
            cell.update(_split_cell(noise, real, (simulations, groups, count)))
            yield cell


def _split_cell(noise: str, real: float, shape: tuple[int, int, int]) -> dict[str, float]:
    random = np.random.default_rng([4, zlib.crc32(noise.encode()), int(10 * real), *shape[1:]])
    share = real * OVERLAP / (1 + OVERLAP)
    # What splits share is measured by what is left of the noise once blocks are taken out.
    left = {"seeds correlated 0.7": 0.3, "15 % missing": 0.5}.get(noise, 1.0)
    sd = np.geomspace(1, 10, shape[1]) if noise == "sds spread x10" else np.full(shape[1], math.sqrt(left))
    sums = Counter[str]()
    held, counted = np.zeros(shape[1]), np.zeros(shape[1])
    for start in range(0, shape[0], CHUNK):
        size = min(CHUNK, shape[0] - start)
        common = random.normal(size=(size, shape[1], 1)) * sd[None, :, None]
        values = math.sqrt(share) * common
        values = values + math.sqrt(1 - share) * NOISE[noise](random, (size, *shape[1:]))
        filled = np.where(np.isnan(values).all(2), -np.inf, np.nansum(values, axis=2))
        best = (filled / np.maximum((~np.isnan(values)).sum(2), 1)).argmax(1)
        steadiest = np.zeros(size, dtype=np.intp)
        low, high = intervals(values, overlap=OVERLAP)
        held += ((low <= 0) & (high >= 0)).sum(0)
        counted += (~np.isnan(low)).sum(0)
        for name, reference, family in (("sweep", best, "pairs"), ("study", steadiest, "reference")):
            claims = contrasts(values, reference, family, alpha=ALPHA, overlap=OVERLAP)  # type: ignore[arg-type]
            sums[name] += int(claims.significant.any(1).sum())
    shares = {name: sums[name] / shape[0] for name in ("sweep", "study")}
    coverage = held / counted
    return shares | {"coverage": float(coverage.mean()), "least": float(coverage.min())}


def unequal(simulations: int) -> list[dict[str, float | str]]:
    """Return false claims of studies whose reference is the steadiest of groups of very unequal noise."""
    random = np.random.default_rng(3)
    rows: list[dict[str, float | str]] = []
    for groups in (6, 12, 36):
        half = np.arange(groups) < groups // 2
        spreads = {
            "half with ten times the sd": np.where(half, 1.0, 10.0),
            "half with thirty times the sd": np.where(half, 1.0, 30.0),
            "sds spread x100": np.geomspace(1, 100, groups),
        }
        for name, sd in spreads.items():
            for seeds in SEEDS:
                claims, done = 0, 0
                while done < simulations:
                    size = min(CHUNK, simulations - done)
                    values = random.normal(size=(size, groups, seeds)) * sd[None, :, None]
                    found = contrasts(values, np.zeros(size, dtype=np.intp), "reference", alpha=ALPHA)
                    claims, done = claims + int(found.significant.any(1).sum()), done + size
                rows.append({"noise": name, "groups": groups, "seeds": seeds, "study": claims / simulations})
    return rows


def _found(values: Array, reference: NDArray[np.intp], step: float | None = None) -> float:
    found = contrasts(values, reference, "pairs", step=step)
    return float((found.significant[:, -1] & (found.difference[:, -1] < 0)).mean())


def cells(simulations: int) -> Iterator[Cell]:
    """Simulate every cell of the table."""
    for noise in NOISE:
        for groups in GROUPS:
            for seeds in SEEDS:
                yield calibrate(noise, groups, seeds, simulations)


def _independent(first: Draw, second: Draw) -> Noise:
    """Two settings whose values have nothing in common."""
    return lambda random, shape: (first(random, shape), second(random, shape))


def _correlated_pair(random: Random, shape: tuple[int, int]) -> tuple[Array, Array]:
    common, rho = random.standard_normal(shape), 0.7
    first, second = NORMAL_PAIR(random, shape)
    return rho**0.5 * common + (1 - rho) ** 0.5 * first, rho**0.5 * common + (1 - rho) ** 0.5 * second


def _accuracies(random: Random, shape: tuple[int, ...]) -> Array:
    return random.binomial(EXAMPLES, SHARE, shape) / EXAMPLES


def _nearly_equal(random: Random, shape: tuple[int, ...]) -> Array:
    """Accuracies that differ by an example on one seed of ten: nearly all differences are equal."""
    return random.binomial(1, 0.1, shape) / EXAMPLES


def _constant(random: Random, shape: tuple[int, ...]) -> Array:
    return np.zeros(shape)


NORMAL_PAIR = _independent(_normal, _normal)
COUNTS = (_independent(_accuracies, _accuracies), _independent(_nearly_equal, _nearly_equal))
PAIRS: Mapping[str, Noise] = {
    "normal": NORMAL_PAIR,
    "normal, correlated over seeds (0.7)": _correlated_pair,
    "normal, one standard deviation ten times the other": _independent(
        _normal, lambda random, shape: 10 * _normal(random, shape)
    ),
    "exponential": _independent(NOISE["exponential"], NOISE["exponential"]),
    "lognormal (sigma 1)": _independent(_lognormal, _lognormal),
    "lognormal against normal": _independent(_normal, _lognormal),
    "counts of 360 examples, 97 % right": COUNTS[0],
    "counts of 360, nine seeds in ten equal": COUNTS[1],
    "exponential against constant": _independent(_constant, NOISE["exponential"]),
    "lognormal against constant": _independent(_constant, _lognormal),
}


@dataclass
class Decisions:
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


def simulate_decisions(
    noise: Noise,
    true: float,
    *,
    margin: float = MARGIN,
    simulations: int = 1000,
    budget: int = BUDGET,
    collapsing: float = 0.0,
    seed: int = 0,
) -> Decisions:
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
    resolution = 1 / EXAMPLES / unit if noise in COUNTS else 0.0
    differences = (second - first) / unit + true
    dropped = rng.random((2, simulations, budget)) < collapsing
    cell = Decisions()
    for world in range(simulations):
        _decide(cell, differences[world], dropped[:, world], true, margin, resolution, wave_ends(budget))
    return cell


def _decide(
    cell: Decisions,
    differences: Array,
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


def decision_errors(simulations: int) -> Iterator[dict[str, float | str]]:
    """Errors and coverage of decisions for each kind of noise."""
    rows = [(name, noise, 0.0) for name, noise in PAIRS.items()]
    rows.append(("normal, 10 % of the runs collapse", NORMAL_PAIR, COLLAPSING))
    for name, noise, collapsing in rows:
        null, above, below = (
            simulate_decisions(noise, true, simulations=simulations, collapsing=collapsing)
            for true in (0.0, MARGIN, -MARGIN)
        )
        yield {
            "noise": name,
            "false": null.share("better", "worse"),
            "at the margin": max(above.share("equivalent", "worse"), below.share("equivalent", "better")),
            "covered": null.covered / simulations,
        }


def decision_seeds(simulations: int) -> Iterator[dict[str, float | str]]:
    """Power and seeds of decisions, and the seeds of tests with a fixed number of them."""
    cases: list[tuple[float, float, Verdict]] = [
        *((effect, 0.1, "better") for effect in (0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)),
        *((0.0, margin, "equivalent") for margin in (0.4, 0.5, 0.75, 1.0, 1.5)),
    ]
    for true, margin, due in cases:
        cell = simulate_decisions(NORMAL_PAIR, true, margin=margin, simulations=simulations)
        power = cell.share(due)
        capped = min(power, 0.999)
        fixed = fixed_n_difference(true, capped) if due == "better" else fixed_n_equivalence(margin, capped)
        mean = cell.seeds / simulations
        yield {"true": true, "margin": margin, "due": due, "given": power, "seeds": mean, "fixed": fixed}


def _error_table(simulations: int) -> Iterator[str]:
    yield (
        "| noise | true difference 0: better or worse | at the margin: equivalent or opposite | "
        "covered after all waves |"
    )
    yield "|---|---|---|---|"
    for row in decision_errors(simulations):
        shown = " | ".join(f"{row[name]:.1%}" for name in ("false", "at the margin", "covered"))
        yield f"| {row['noise']} | {shown} |"


def _seed_table(simulations: int) -> Iterator[str]:
    yield "| true difference | margin | verdict due | given | mean seeds | fixed number, same power |"
    yield "|---|---|---|---|---|---|"
    for row in decision_seeds(simulations):
        shown = f"{row['given']:.1%} | {row['seeds']:.0f} | {np.ceil(row['fixed']):.0f}"
        yield f"| {row['true']:g} | {row['margin']:g} | {row['due']} | {shown} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1,000 simulations a cell instead of 10,000")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", choices=("sweeps", "decide"), help="one half of the tables")
    parser.add_argument("--simulations", type=int, help="another number of simulations a cell")
    arguments = parser.parse_args()
    simulations = arguments.simulations or (1_000 if arguments.quick else 10_000)
    if arguments.json:
        print(json.dumps(_numbers(simulations, arguments.only), indent=1))
        return
    if arguments.only != "decide":
        _print_sweeps(simulations)
    if arguments.only != "sweeps":
        print(f"\nabreast decide: {simulations:,} simulations a cell, budget {BUDGET}, margin {MARGIN:g}.\n")
        for line in (*_error_table(simulations), "", *_seed_table(simulations)):
            print(line, flush=True)


def _numbers(simulations: int, only: str | None) -> dict[str, object]:
    numbers: dict[str, object] = {}
    if only != "decide":
        numbers["cells"] = [asdict(cell) for cell in cells(simulations)]
        numbers |= {"power": power(simulations), "splits": splits(simulations)}
        numbers["unequal"] = unequal(simulations)
        numbers["splits of other noise"] = [*splits_of_other_noise(simulations)]
    if only != "sweeps":
        numbers["decide"] = {
            "errors": [*decision_errors(simulations)],
            "seeds": [*decision_seeds(simulations)],
        }
    return numbers


def _print_sweeps(simulations: int) -> None:
    error = 100 * math.sqrt(ALPHA * (1 - ALPHA) / simulations)
    print(f"{simulations} simulations a cell: a share of 5 % has a standard error of {error:.2f} points\n")
    print("| noise | groups, seeds | false claims: validation | tested | study | coverage | least group "
          "| validated | best tested | differences | width |")  # fmt: skip
    print("|---" * 11 + "|")
    for cell in cells(simulations):
        numbers = [*asdict(cell).values()][4:-1]  # the shares, without the width
        shown = " | ".join(f"{100 * number:.1f}" for number in numbers)
        print(f"| {cell.noise} | {cell.groups}, {cell.seeds} | {shown} | {cell.width:.2f} |", flush=True)
    print("\n| groups, splits | test per training example | false claims | uncorrected | coverage |")
    print("|---" * 5 + "|")
    for row in splits(simulations):
        shown = " | ".join(f"{100 * row[name]:.1f}" for name in ("false claims", "uncorrected", "coverage"))
        print(f"| {row['groups']:.0f}, {row['splits']:.0f} | {row['overlap']:g} | {shown} |")
    print(
        "\n| noise | correlation, of the assumed | groups, splits | sweep | study | coverage | least group |"
    )
    print("|---" * 7 + "|")
    for other in splits_of_other_noise(simulations):
        shares = (f"{100 * float(other[name]):.1f}" for name in ("sweep", "study", "coverage", "least"))
        sizes = f"{other['groups']}, {other['splits']}"
        print(f"| {other['noise']} | {other['real']:g} | {sizes} | {' | '.join(shares)} |", flush=True)
    print("\n| the reference is the steadiest group | groups, seeds | study |\n|---|---|---|")
    for case in unequal(simulations):
        print(f"| {case['noise']} | {case['groups']}, {case['seeds']} | {100 * case['study']:.1f} |")
    print("\n| power | found |\n|---|---|")
    for title, share in power(simulations).items():
        spread = 100 * math.sqrt(share * (1 - share) / simulations)
        print(f"| {title} | {100 * share:.1f} ± {spread:.1f} % |")


if __name__ == "__main__":
    main()
