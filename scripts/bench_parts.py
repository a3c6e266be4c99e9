"""Start-up times and memory for `bench_run.py`, in separate processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TRAIN = str(Path(__file__).parents[1] / "train.py")

TORCH_ONLY = """
import sys
from pathlib import Path
import numpy as np
import torch
folder = Path(sys.argv[1]) / "MNIST" / "raw"
x = torch.from_numpy(np.fromfile(folder / "train-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 784))
y = torch.from_numpy(np.fromfile(folder / "train-labels-idx1-ubyte", np.uint8)[8:].astype(np.int64))
net = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
optimizer = torch.optim.Adam(net.parameters(), fused=True)
loss = torch.nn.functional.cross_entropy(net(x[:128].float() / 255), y[:128])
loss.backward()
optimizer.step()
"""
# The same first step by the real command line, which ends with it.
FIRST_STEP = """
import os, runpy, sys
from abreast.runtime import fast_import
import torch
step = torch.optim.Adam.step
def last(self, *args, **kwargs):
    step(self, *args, **kwargs)
    os._exit(0)
torch.optim.Adam.step = last
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# Counted by Linux: `ru_maxrss` begins with what the process that started this one had.
PEAK = """
from pathlib import Path
print(int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024)
"""
BASE = f"""
import sys
from pathlib import Path
import numpy as np
import torch
import lightning.pytorch
folder = Path(sys.argv[1]) / "MNIST" / "raw"
kept = [torch.from_numpy(np.fromfile(path, np.uint8)) for path in sorted(folder.glob("*-ubyte"))]
net = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
optimizer = torch.optim.Adam(net.parameters(), fused=True)
net(torch.zeros(128, 784)).sum().backward()
optimizer.step()
{PEAK}
"""
OURS = f"""
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit:
    pass
{PEAK}
"""


def _run(folder: str, *command: str) -> tuple[float, str]:
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
    return time.perf_counter() - began, done.stdout


def startup_ratios(data: str, turns: int, *, warm: bool = True) -> dict[str, dict[str, float]]:
    """Seconds of processes in turn, and the ratio of their medians to that of `import torch`.

    With `warm` a turn before the first is left out.
    """
    data = str(Path(data).absolute())
    run = ["data=mnist", f"data.dir={data}", "trainer=cpu"]
    commands = {
        "import torch": ["-c", "import torch"],
        "import lightning": ["-c", "import lightning.pytorch"],
        "torch only, first step": ["-c", TORCH_ONLY, data],
        "abreast, first step": ["-c", FIRST_STEP, TRAIN, *run],
        "abreast, --help": [TRAIN, "--help"],
        "abreast, --cfg job": [TRAIN, "--cfg", "job"],
        "abreast, a mistake": [TRAIN, "optim=adamm"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(-warm, turns):
            for name, command in commands.items():
                took, _ = _run(folder, *command)
                if turn >= 0:
                    seconds[name].append(took)
    base = statistics.median(seconds["import torch"])
    return {
        name: {"ratio": statistics.median(took) / base, "low": min(took), "high": max(took)}
        for name, took in seconds.items()
    }


def memory_above(data: str) -> float:
    """Peak MiB of a run on MNIST above that of torch, lightning, the data as stored, and one step of Adam."""
    data = str(Path(data).absolute())
    with tempfile.TemporaryDirectory() as folder:
        _, base = _run(folder, "-c", BASE, data)
        run = ["data=mnist", f"data.dir={data}", "trainer=cpu", "trainer.max_epochs=2"]
        _, ours = _run(folder, "-c", OURS, TRAIN, *run)
    return float(ours.splitlines()[-1]) - float(base)
