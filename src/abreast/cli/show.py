"""`abreast show`: a run's settings and metrics, or what an option such as `loss=hinge` is."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from abreast.config.identity import Scalar, leaves
from abreast.config.options import conf_dir, groups, option
from abreast.config.targets import GROUPS
from abreast.errors import ConfigError, RunError
from abreast.metrics.registry import STAGES, by_priority
from abreast.report.collect import collect
from abreast.report.formatting import format_duration, format_number
from abreast.report.listing import kind_of
from abreast.report.option_text import OptionText, option_text, options_of
from abreast.report.run import Run
from abreast.report.settings import format_setting
from abreast.runs.changes import changes, describe
from abreast.runs.directory import RunDirectory
from abreast.runs.tags import read_tags
from abreast.runtime.printable import printable
from abreast.runtime.user_path import resume_argument

DESCRIPTION = 36  # columns: with fewer beside the names, descriptions begin on a line of their own
_NONE = object()


def main(argv: Sequence[str] | None = None) -> int:
    """The command `abreast show`."""
    parser = ArgumentParser(
        "abreast show",
        description="A run's settings and metrics; what an option such as loss=hinge is; a group's options.",
    )
    parser.add_argument("what", metavar="RUN|GROUP=OPTION|GROUP", help="such as loss=hinge, or loss")
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="a folder with options of your own")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(argv)
    folders = [*([args.config_dir] if args.config_dir else []), conf_dir()]
    group, equals, name = args.what.partition("=")
    console = Console(highlight=False)
    if Path(args.what).is_dir():
        return _show_run(Path(args.what), console, as_json=args.json)
    if equals:
        text = option_text(group.lstrip("+"), name, folders)
        if args.json:
            print(json.dumps(asdict(text), indent=1, default=str))
        else:
            _print_option(text, console)
        return 0
    if group in groups(folders):
        return _show_group(group, folders, console, as_json=args.json)
    raise ConfigError(
        f"{args.what}: neither a run's directory nor a group of options. Write abreast show runs/..., "
        "abreast show loss=hinge or abreast show loss; abreast ls lists the runs"
    )


def _show_run(path: Path, console: Console, *, as_json: bool) -> int:
    kind = kind_of(path)
    if kind is None:
        raise RunError(f"{path}: holds no run; abreast ls {path} lists what is below it")
    if kind != "run":
        raise RunError(f"{path}: holds a {kind}; write abreast report {path}, or abreast ls {path}")
    (run,) = collect([path]).runs
    try:
        changed = changes(RunDirectory(path))
    except RunError:
        changed = []
    if as_json:
        content = {
            "path": str(path),
            "status": run.status,
            "reason": run.reason or None,
            "seed": run.seed,
            "settings": _settings(run),
            "metrics": run.metrics,
            "epochs": _epochs(run),
            "seconds": run.seconds,
            "tags": list(read_tags(path)),
            "changed": changed,
        }
        print(json.dumps(content, indent=1))
        return 0
    tags = "".join(f" #{tag}" for tag in read_tags(path))
    console.print(
        Text(printable(str(path)), style="bold").append(printable(tags), style="cyan"), soft_wrap=True
    )
    time = "" if run.seconds is None else format_duration(run.seconds)
    facts = [run.status, run.reason, f"{_epochs(run)} epochs", time]
    console.print(Text(printable(", ".join(filter(None, facts)))))
    settings = [f"{key}={format_setting(value)}" for key, value in _settings(run).items()]
    seed = [f"seed={run.seed}"] if run.seed is not None else []
    console.print()
    console.print(Text(printable(" ".join([*settings, *seed]))))
    console.print()
    console.print(_metrics_table(run))
    if changed:
        console.print(Text("Warning: ", style="bold").append(printable(describe(changed)), style="not bold"))
    for line in _next(path, run):
        console.print(Text(printable(line), style="dim"), soft_wrap=True)
    return 0


def _settings(run: Run) -> dict[str, Scalar]:
    """The options of the groups, then the keys that are not at their option's default."""
    if run.identified is None:
        return {}
    options = {group: run.config[group] for group in GROUPS if group in run.config}
    usual: dict[str, Scalar] = {}
    for group, name in options.items():
        flat = leaves(option(group, str(name), [conf_dir()]))
        usual |= {f"{group}.{key}": value for key, value in flat.items()}
    keys = {
        key: value
        for key, value in run.identified.identified(with_paths=True).items()
        if key not in options and not key.rpartition(".")[2].startswith("_")
    }
    return {**options, **{key: value for key, value in keys.items() if usual.get(key, _NONE) != value}}


def _epochs(run: Run) -> int:
    return len(next(iter(run.curve.values()), []))


def _metrics_table(run: Run) -> Table:
    """The final metrics by stage; of a run without them those of its last epoch."""
    metrics = run.metrics or {
        name: column[-1] for name, column in run.curve.items() if "/" in name and column[-1] == column[-1]
    }
    stages = [stage for stage in STAGES if any(name.startswith(f"{stage}/") for name in metrics)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("" if run.metrics else "last epoch")
    for stage in stages:
        table.add_column(stage, justify="right")
    titles = {metric.name: metric.title for metric in by_priority()}
    names = [name.partition("/")[2] for name in metrics]
    for name in dict.fromkeys(name for name in names if "/" not in name):  # not those of single classes
        values = [metrics.get(f"{stage}/{name}") for stage in stages]
        table.add_row(
            Text(printable(titles.get(name, name))),
            *("" if value is None else format_number(value) for value in values),
        )
    return table


def _next(path: Path, run: Run) -> list[str]:
    if run.status == "finished":
        return [f"abreast evaluate {path}", f"abreast export {path}"]
    return [f"abreast {resume_argument(path)}"] if run.status in ("interrupted", "failed") else []


def _print_option(text: OptionText, console: Console) -> None:
    console.print(Text(f"{text.group}={text.name}", style="bold"))
    for line in text.comment:
        console.print(Text(printable(line)))
    if text.keys:
        console.print()
        for key, value in text.keys.items():
            console.print(Text(printable(f"  {key}={format_setting(value)}")), soft_wrap=True)
    for target in text.builds:
        console.print(Text(printable(f"builds {target}"), style="dim"))
    console.print(Text(printable(str(text.file)), style="dim"), soft_wrap=True)


def _show_group(group: str, folders: Sequence[Path], console: Console, *, as_json: bool) -> int:
    first = {name: option_text(group, name, folders).first_sentence for name in options_of(group, folders)}
    if as_json:
        print(json.dumps(first, indent=1))
        return 0
    names = [f"{group}={name}" for name in first]
    if console.width - max(map(len, names)) < DESCRIPTION:
        for name, line in zip(names, first.values(), strict=True):
            console.print(Text(printable(name), style="bold"), Padding(Text(printable(line)), (0, 0, 0, 2)))
        return 0
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, line in zip(names, first.values(), strict=True):
        table.add_row(Text(printable(name), style="bold"), Text(printable(line)))
    console.print(table)
    return 0
