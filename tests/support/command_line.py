"""Runs the command line for tests: many times in one fresh process, or once as a user would."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

ROOT = Path(__file__).parents[2]

# Each row is run by train.py itself. Training is replaced by a stand-in.
_DRIVER = """
import contextlib, gc, io, json, logging, os, runpy, sys, time, types, warnings

script, training, rows = sys.argv[1:]
for name, source in json.loads(training).items():
    sys.modules[name] = types.ModuleType(name)
    exec(source, vars(sys.modules[name]))
warnings.simplefilter("error")

with open(rows) as file:
    rows = json.load(file)
path = list(sys.path)
outcomes = []
for row in rows:
    os.chdir(row["folder"])
    sys.argv = [script, *row["arguments"]]
    sys.path[:] = path
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        start = time.perf_counter()
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as stop:
            code = stop.code
        except BaseException as error:
            code = repr(error)
        seconds = time.perf_counter() - start
    for handler in logging.root.handlers[:]:
        logging.root.removeHandler(handler)
        handler.close()
    heavy = sorted({"torch", "numpy", "lightning", "sklearn", "torchmetrics"} & set(sys.modules))
    said = {"out": out.getvalue(), "err": err.getvalue()}
    outcomes.append({"code": code, **said, "heavy": heavy, "seconds": seconds})
json.dump(outcomes, sys.stdout)
"""


TRAINING = """
def run(config, run_dir):
    print("TRAINED", type(config).__name__, run_dir)
    return 0.5
"""


@dataclass(frozen=True)
class Outcome:
    """What a command line gave: exit code, output, heavy modules imported (of the driver's process), time."""

    code: int
    out: str
    err: str
    heavy: tuple[str, ...] = ()
    seconds: float = 0.0


def run_all(
    rows: list[tuple[Path, list[str]]], training: str = TRAINING, *, fresh: bool = True, **modules: str
) -> list[Outcome]:
    """The outcome of each (working directory, arguments), all in one process.

    Args:
        rows: What is run.
        training: The source of what stands in for `abreast.training.run`.
        fresh: Whether nothing is imported in that process yet; else the large libraries are, which saves
            two seconds where commands import them.
        modules: The sources of what stands in for other modules.
    """
    sources = {
        "abreast.training.run": training,
        **{f"abreast.{name}": text for name, text in modules.items()},
    }
    text = json.dumps([{"folder": str(folder), "arguments": arguments} for folder, arguments in rows])
    with NamedTemporaryFile("w") as file:
        file.write(text)
        file.flush()
        done = _drive([str(ROOT / "train.py"), json.dumps(sources), file.name], fresh)
    assert done.code == 0, done.err
    return [Outcome(**{**each, "heavy": tuple(each["heavy"])}) for each in json.loads(done.out)]


def _drive(arguments: list[str], fresh: bool) -> Outcome:
    if fresh:
        return run_command([sys.executable, "-c", _DRIVER, *arguments], Path.cwd())
    from support.forks import LIBRARIES, forks

    return forks(LIBRARIES).run(_DRIVER, ["-c", *arguments], Path.cwd())


def run_command(command: list[str], folder: Path, **more: str) -> Outcome:
    """The outcome of a command in a process of its own."""
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**environment(), **more},
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def environment() -> dict[str, str]:
    """This process's, without what Hydra and Lightning have put there."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("HYDRA_", "PL_"))}
