"""Damage the files of a run directory at random, and see what the commands that open it do.

    python scripts/fuzz_run_directory.py [--mutations 300] [--seed 0] [OVERRIDE ...]

Trains a small run, with the overrides if there are any (of images of 8 x 8 pixels), then changes one of its
files at a time (flipped bits, cut off, emptied, doubled, parts swapped or overwritten, removed, replaced by a
directory or by another file, values of other types), and calls evaluate, predict, export, report, resume, and
resume for one more epoch, in this process. Prints a table of what came of it:

    clear error   one message, exit code 2
    said          it works, and says which file has changed or cannot be read
    harmless      the same result as from the untouched directory
    traceback     an exception that is no message
    silent        another result than before, without a word
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OUTCOMES = ("clear error", "said", "harmless", "traceback", "silent")
SMALL = ("model.hidden=[4]", "trainer=cpu", "trainer.max_epochs=2", "data.test_fraction=0.1")
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**25,
    1e999,
    float("nan"),
    "",
    "nunl",
    [],
    {},
    [[1]],
    "\ud800",
)


@dataclass(frozen=True)
class Mutation:
    """One change of one file."""

    file: str
    kind: str
    seed: int

    def apply(self, run: Path) -> None:
        """Change the file."""
        path, rng = run / self.file, random.Random(f"{self.file} {self.kind} {self.seed}")
        content = bytearray(path.read_bytes())
        path.unlink()
        kind = KINDS[self.kind if content or self.kind not in REPEATED else "empty"]
        changed = kind(content, rng, run, path)
        if changed is not None:
            path.write_bytes(changed)


Kind = Callable[[bytearray, random.Random, Path, Path], "bytes | None"]


def _flip(content: bytearray, rng: random.Random, run: Path, path: Path) -> bytes:
    for _ in range(rng.choice([1, 1, 1, 3])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def _cut(content: bytearray, rng: random.Random, run: Path, path: Path) -> bytes:
    return bytes(content[: rng.randrange(len(content))])


def _double(content: bytearray, rng: random.Random, run: Path, path: Path) -> bytes:
    at = rng.randrange(len(content))
    return bytes(content[:at] + content[at:] * 2 if rng.random() < 0.5 else content * 2)


def _swap(content: bytearray, rng: random.Random, run: Path, path: Path) -> bytes:
    ends = sorted(rng.randrange(len(content) + 1) for _ in range(3))
    first, second = content[ends[0] : ends[1]], content[ends[1] : ends[2]]
    return bytes(content[: ends[0]] + second + first + content[ends[2] :])


def _overwrite(content: bytearray, rng: random.Random, run: Path, path: Path) -> bytes:
    at = rng.randrange(len(content))
    length = rng.choice([1, 4, 64])
    content[at : at + length] = rng.choice([bytes(length), b"9" * length, rng.randbytes(length)])
    return bytes(content)


def _directory(content: bytearray, rng: random.Random, run: Path, path: Path) -> None:
    path.mkdir()


def _other(content: bytearray, rng: random.Random, run: Path, path: Path) -> bytes:
    others = [run / name for name in files(run) if run / name != path]
    return rng.choice(others).read_bytes()


def _value(content: bytearray, rng: random.Random, run: Path, path: Path) -> bytes:
    """Another value somewhere in JSON, YAML or CSV."""
    import yaml

    if path.suffix == ".csv":
        rows = list(csv.reader(io.StringIO(content.decode())))
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = rng.choice(
            ["", "nan", "inf", "-1", "1e400", "9" * 400, "x", "0x1", '"']
        )
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue().encode()
    if path.suffix not in (".json", ".yaml"):
        return _overwrite(content, rng, run, path)
    is_json = path.suffix == ".json"
    data = json.loads(content) if is_json else yaml.safe_load(content.decode())
    places = list(_places(data))
    if not places:
        return b"7"
    node, key = rng.choice(places)
    node[key] = rng.choice(VALUES)
    if is_json:
        return json.dumps(data).encode()
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True)).encode("utf-8", "surrogatepass")


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in list(keys):
        yield node, key
        yield from _places(node[key])


KINDS: dict[str, Kind] = {
    "flip": _flip,
    "cut": _cut,
    "double": _double,
    "swap": _swap,
    "overwrite": _overwrite,
    "value": _value,
    "empty": lambda *_: b"",
    "removed": lambda *_: None,
    "directory": _directory,
    "other file": _other,
}
REPEATED = ("flip", "cut", "double", "swap", "overwrite", "value")  # kinds with a place to choose


def files(run: Path) -> list[str]:
    """The files of a run directory, as relative paths."""
    return sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())


def mutations(run: Path, count: int, seed: int) -> list[Mutation]:
    """So many mutations: each kind for each file once, then those that have a place to choose."""
    names = files(run)
    chosen = [Mutation(name, kind, seed) for kind in KINDS for name in names]
    rng = random.Random(seed)
    rng.shuffle(chosen)
    number = 0
    while len(chosen) < count:
        number += 1
        chosen += [Mutation(name, kind, seed + number) for kind in REPEATED for name in names]
    return chosen[:count]


def train(folder: Path, overrides: Sequence[str] = ()) -> Path:
    """Train the run that is damaged: images, with TensorBoard, from the command line."""
    run = folder / "run"
    command = [sys.executable, str(ROOT / "train.py"), *SMALL, *overrides, f"hydra.run.dir={run}"]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    return run


def commands(run: Path, picture: Path) -> dict[str, Callable[[], object]]:
    """Each command on the run: called, it returns what it came to."""
    from abreast.cli import evaluate, export, predict, report, resume

    def longer() -> object:
        code = resume.main([f"resume={run}", "trainer.max_epochs=3"])
        return code, json.loads((run / "result.json").read_text())["metrics"]

    def reported() -> object:
        code = report.main([str(run)])
        return code, *((run / "report" / name).read_text() for name in ("runs.csv", "summary.csv"))

    return {
        "evaluate": lambda: evaluate.main([str(run)]),
        "predict": lambda: predict.main([str(run), str(picture)]),
        "export": lambda: export.main([str(run), "--format", "torch"]),
        "report": reported,
        "resume": lambda: resume.main([f"resume={run}"]),
        "resume longer": longer,
    }


def attempt(command: Callable[[], object]) -> tuple[str, object, str]:
    """What came of a command (`error`, `traceback` or `done`), its result and output, and its warnings."""
    from abreast.errors import AbreastError

    out, err, told = io.StringIO(), io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(told)
    handler.setLevel(logging.WARNING)
    logging.root.addHandler(handler)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            result = command()
    except AbreastError as error:
        text = str(error)
        return ("error" if text and len(text) < 2000 else "traceback"), text, told.getvalue()
    except BaseException:
        return "traceback", traceback.format_exc(), told.getvalue()
    finally:
        logging.root.removeHandler(handler)
    return "done", (result, _timeless(out.getvalue())), told.getvalue() + out.getvalue()


def _timeless(text: str) -> str:
    """What was printed, without the lines that hold times and the names of the file."""
    return "\n".join(
        line for line in text.splitlines() if " s, seed " not in line and "changed since" not in line
    )


def judge(mutation: Mutation, outcome: tuple[str, object, str], expected: object) -> str:
    """The name of the outcome."""
    state, result, told = outcome
    if state == "traceback":
        return "traceback"
    if state == "error":
        return "clear error"
    name = Path(mutation.file).name
    if any(name in line for line in told.splitlines()):
        return "said"
    return "harmless" if result == expected else "silent"


@contextlib.contextmanager
def quick_export() -> Iterator[None]:
    """Let export write the scores in place of a torch.export program, whose making takes seconds."""
    from abreast.inference import export

    kept = dict(export.WRITERS)

    def write(network: Any, inputs: Any, path: Path) -> float:
        scores = network(inputs).tolist()
        path.write_text(json.dumps(scores))
        return float(sum(map(sum, scores)))

    export.WRITERS["torch"] = (write, kept["torch"][1])
    try:
        yield
    finally:
        export.WRITERS.update(kept)


def fuzz(
    folder: Path, count: int, seed: int, show: Callable[[str], None], overrides: Sequence[str] = ()
) -> Counter[tuple[str, str]]:
    """Count the outcomes, by command and name, of so many mutations.

    Args:
        folder: An empty folder to work in.
        count: How many mutations.
        seed: Chooses them.
        show: Called with a description of each outcome that must not be.
        overrides: Of the run that is trained.
    """
    from PIL import Image

    whole = train(folder, overrides) if overrides else train(folder)
    kept = Path(shutil.copytree(whole, folder / "kept"))
    picture = folder / "picture.png"
    Image.new("L", (8, 8), 128).save(picture)
    counts: Counter[tuple[str, str]] = Counter()

    def restore() -> None:
        shutil.rmtree(whole)
        shutil.copytree(kept, whole, copy_function=shutil.copy2)

    with quick_export():
        calls = commands(whole, picture)
        expected = {}
        for name, call in calls.items():
            restore()
            state, expected[name], told = attempt(call)
            assert state == "done", expected[name]
            assert "changed" not in told, told
        for mutation in mutations(kept, count, seed):
            for name, call in calls.items():
                restore()
                mutation.apply(whole)
                outcome = attempt(call)
                judged = judge(mutation, outcome, expected[name])
                counts[name, judged] += 1
                if judged in ("traceback", "silent"):
                    show(f"{judged}: {name}, {mutation}\n{outcome[1]}")
    return counts


def table(counts: Counter[tuple[str, str]]) -> str:
    """The counts, a row for each command."""
    names = list(dict.fromkeys(name for name, _ in counts))
    lines = [f"{'command':<14}" + "".join(f"{outcome:>13}" for outcome in OUTCOMES)]
    for name in [*names, "all"]:
        row = [
            sum(n for (key, judged), n in counts.items() if name in (key, "all") and judged == outcome)
            for outcome in OUTCOMES
        ]
        lines.append(f"{name:<14}" + "".join(f"{number:>13}" for number in row))
    return "\n".join(lines)


def main() -> int:
    """Run the fuzz and print the table. Exit code 1 for a traceback or a silent change."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mutations", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("overrides", nargs="*")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        counts = fuzz(
            Path(folder), args.mutations, args.seed, lambda text: print(text, file=sys.stderr), args.overrides
        )
    print(f"{args.mutations} mutations, seed {args.seed}\n\n{table(counts)}")
    return int(any(judged in ("traceback", "silent") for _, judged in counts))


if __name__ == "__main__":
    sys.exit(main())
