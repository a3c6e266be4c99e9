"""Make the run directories that every later version must still be able to read.

    python scripts/make_golden_runs.py DIR

They are kept in tests/golden and used by tests/system/test_golden_runs.py. Make new ones only when a format
changes on purpose, beside the old ones: the old ones are the proof that old runs can be read.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from abreast.config.run_id import run_id
from abreast.runs.directory import RunDirectory

ROOT = Path(__file__).resolve().parents[1]
PROJECT = "/project"  # stands for where the project lay, in Hydra's own files

COMMON = (
    "data.size=150 data.test_size=60 data.features=6 data.batch_size=10 model.hidden=[4] trainer=cpu "
    "callbacks=none"
)
CLASSES = "data=random data.classes=3"
RUNS = {
    "finished": f"{CLASSES} model.dropout=0.2 trainer.max_epochs=3 schedule=cosine",
    "regression": "data=random_regression loss=mse optim=sgd trainer.max_epochs=3 logger=none",
    "diverged": f"{CLASSES} optim=sgd optim.lr=1e30 loss=mse trainer.max_epochs=3 logger=none",
}
SWEEP = f"{CLASSES} loss=cross_entropy,mse seed=0,1 trainer.max_epochs=3 logger=none"
# Long enough for a signal to arrive within it; its checkpoint is what a resumed run begins with.
INTERRUPTED = f"{CLASSES} model.dropout=0.2 trainer.max_epochs=150 steps_per_execution=4 logger=none"


def train(folder: Path, *arguments: str, check: bool = True) -> None:
    """Run `train.py` in the folder."""
    subprocess.run([sys.executable, str(ROOT / "train.py"), *arguments], cwd=folder, check=check)


def overrides(text: str) -> list[str]:
    """The overrides of a run: those of all, and its own."""
    return [*COMMON.split(), *text.split()]


def interrupt(folder: Path) -> None:
    """Train `interrupted`, and stop it by SIGTERM once it has saved a checkpoint."""
    command = [sys.executable, str(ROOT / "train.py"), *overrides(INTERRUPTED), "hydra.run.dir=interrupted"]
    process = subprocess.Popen(command, cwd=folder)
    while not (folder / "interrupted" / "checkpoints" / "last.ckpt").exists():
        assert process.poll() is None, "the run ended before it could be stopped"
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM


def neutral(folder: Path, text: str) -> str:
    """The text without this machine's paths."""
    return text.replace(str(ROOT), PROJECT).replace(str(folder), PROJECT)


def main() -> None:
    """Train all runs in a folder of their own, and copy them to where the command line says."""
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="golden-") as made:
        folder = Path(made).resolve()
        for name, text in RUNS.items():
            train(folder, *overrides(text), f"hydra.run.dir={name}", check=name != "diverged")
        train(folder, "-m", *overrides(SWEEP), "hydra.sweep.dir=sweep")
        interrupt(folder)
        train(folder, *overrides(INTERRUPTED), "hydra.run.dir=uninterrupted")
        expected = json.loads((folder / "uninterrupted" / "result.json").read_text())["metrics"]
        shutil.rmtree(folder / "uninterrupted")
        (folder / "interrupted.json").write_text(json.dumps(expected, indent=2) + "\n")
        for path in folder.rglob("*.yaml"):
            path.write_text(neutral(folder, path.read_text()))
        for path in folder.rglob("train.log"):
            path.write_text(neutral(folder, path.read_text()))
        for path in folder.rglob("events.out.tfevents.*"):
            path.rename(path.with_name(".".join((*path.name.split(".")[:4], "host.1.0"))))
        ids = {
            path.parent.relative_to(folder).as_posix(): run_id(RunDirectory(path.parent).read_config())
            for path in sorted(folder.rglob("config.yaml"))
            if path.parent.name != ".hydra"
        }
        (folder / "ids.json").write_text(json.dumps(ids, indent=2) + "\n")
        shutil.copytree(folder, target, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
