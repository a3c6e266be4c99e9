"""Which runs of a sweep have the same settings, by their configuration, their data and their custom code."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from abreast.config.identity import FOLD, SPLIT_SEED, Scalar
from abreast.config.override_keys import key_of
from abreast.report.columns import Distinct, shown_settings
from abreast.report.run import Run, block_of
from abreast.report.settings import RunSettings
from abreast.runs.schema import data_digest

DIGEST = "data.digest"
SHOWN_DIGITS = 8  # of a digest


def identify(runs: Sequence[Run]) -> tuple[str, ...]:
    """Give every run with a configuration its `key`, and its `settings` to be shown.

    Runs have equal keys if their settings are equal (`abreast.config.identity`), and the digests of their
    data and of the files that define custom classes. A run without these records, because it failed or an
    older release trained it, has those of the runs with the same configuration, where they agree. The split
    seed and the fold are part of the key only where the same settings are never trained on several of them.

    Returns:
        The columns that are shown.
    """
    known = [(run, run.identified) for run in runs if run.identified is not None]
    digests = _filled(
        known,
        lambda run: data_digest(run.result),
        lambda settings: (settings.identity.data, settings.identity.paths),
    )
    sources = _filled(known, _sources, lambda settings: settings.identity.settings)
    keys: dict[int, tuple[Hashable, ...]] = {}
    for run, settings in known:
        paths = settings.identity.paths if digests[id(run)] is None else ""
        keys[id(run)] = (settings.identity.settings, digests[id(run)], paths, sources[id(run)])
    parts = {id(run): (settings.identity.split_seed, settings.identity.fold) for run, settings in known}
    is_block = len({(keys[id(run)], parts[id(run)]) for run, _ in known}) > len({*keys.values()})
    for run, _ in known:
        run.key = keys[id(run)] if is_block else (*keys[id(run)], parts[id(run)])
        run.repeat = block_of(run) if is_block else run.seed
    return _show(known, digests, sources, is_block=is_block)


def _show(
    known: Sequence[tuple[Run, RunSettings]],
    digests: Mapping[int, Hashable],
    sources: Mapping[int, Hashable],
    *,
    is_block: bool,
) -> tuple[str, ...]:
    by_key: dict[Hashable, list[tuple[Run, RunSettings]]] = {}
    for run, settings in known:
        by_key.setdefault(run.key, []).append((run, settings))
    distinct = []
    for key, members in by_key.items():
        run, settings = members[0]
        derived: dict[str, Scalar] = {}
        digest, code = digests[id(run)], sources[id(run)]
        if digest is not None:
            derived[DIGEST] = str(digest)[:SHOWN_DIGITS]
        for target, source in code if isinstance(code, tuple) else ():
            derived[f"sources.{target}"] = str(source)[:SHOWN_DIGITS]
        if not is_block:
            derived |= {SPLIT_SEED: settings.identity.split_seed, FOLD: settings.identity.fold}
        identified = settings.identified(with_paths=digest is None)
        overridden = {key_of(line) for member, _ in members for line in member.overrides}
        distinct.append(Distinct(key, settings.flat, identified, derived, overridden or None))
    rows = shown_settings(distinct)
    for row, members in zip(rows, by_key.values(), strict=True):
        for run, _ in members:
            run.settings = row
    return tuple(rows[0]) if rows else ()


def _filled(
    known: Iterable[tuple[Run, RunSettings]],
    record: Callable[[Run], Hashable],
    same: Callable[[RunSettings], Hashable],
) -> dict[int, Hashable]:
    """The record of each run; one without has that of its like, where these have one and no other."""
    pairs = [(run, same(settings), record(run)) for run, settings in known]
    recorded: dict[Hashable, set[Hashable]] = {}
    for _, like, value in pairs:
        if value is not None:
            recorded.setdefault(like, set()).add(value)
    only = {like: next(iter(values)) for like, values in recorded.items() if len(values) == 1}
    return {id(run): only.get(like) if value is None else value for run, like, value in pairs}


def _sources(run: Run) -> Hashable:
    sources = run.result.get("sources")
    return None if sources is None else tuple(sorted(sources.items()))
