"""The parts of `gpu.py` that measure; prints a line of JSON for each measurement.

python scripts/gpu_speed.py steps --device cuda --data FOLDER
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import gpu_data

PACKAGES = ("torch", "lightning", "torchmetrics", "hydra-core", "numpy", "triton", "jax")
REPEATS = 7
# Network, lanes and precision, the most telling first: what there is no time for is left out.
STEPS = (
    ("784-256-10", 512, "float32"),
    ("784-256-10", 512, "tf32"),
    ("784-256-10", 512, "bf16"),
    ("784-256-10", 1, "float32"),
    ("64-32-10", 512, "float32"),
    ("batch norm", 64, "float32"),
    ("784-256-10", 64, "float32"),
    ("2c2d", 8, "float32"),
    ("64-32-10", 1, "float32"),
    ("64-32-10", 64, "float32"),
    ("784-256-10", 8, "float32"),
    ("batch norm", 512, "float32"),
    ("2c2d", 64, "tf32"),
    ("2c2d", 1, "float32"),
    ("batch norm", 1, "float32"),
    ("784-256-10", 2048, "float32"),
    ("64-32-10", 2048, "float32"),
    ("batch norm", 512, "tf32"),
)
OTHERS = (
    ("graphed loop", "784-256-10", 1, "float32"),
    ("torch.func vmap", "784-256-10", 512, "float32"),
    ("JAX vmap + scan", "784-256-10", 512, "float32"),
    ("idiomatic Lightning", "784-256-10", 1, "float32"),
    ("graphed loop", "784-256-10", 1, "bf16"),
    ("torch.func vmap", "784-256-10", 512, "bf16"),
    ("JAX vmap + scan", "784-256-10", 512, "tf32"),
    ("JAX vmap + scan", "784-256-10", 64, "float32"),
    ("torch.func vmap", "784-256-10", 64, "float32"),
    ("graphed loop", "64-32-10", 1, "float32"),
    ("graphed loop", "2c2d", 1, "float32"),
    ("idiomatic Lightning", "64-32-10", 1, "float32"),
)


def emit(**row: Any) -> None:
    """Print a measurement."""
    print(json.dumps(row), flush=True)


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def timed(action: Callable[[], object], device: str, repeats: int = REPEATS) -> list[float]:
    """Seconds of each of several calls, after one that is not counted."""
    seconds = []
    for repeat in range(repeats + 1):
        synchronize(device)
        began = time.perf_counter()
        action()
        synchronize(device)
        if repeat:
            seconds.append(time.perf_counter() - began)
    return seconds


def version(package: str) -> str | None:
    """The version of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def machine(device: str, data: Path) -> None:
    """The card, the driver and the versions."""
    emit(python=platform.python_version(), system=platform.platform())
    for name in PACKAGES:
        emit(**{name: version(name) or "not there"})
    if device == "cuda":
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        try:
            emit(card=subprocess.run(query, capture_output=True, text=True, timeout=20).stdout.strip())
        except (OSError, subprocess.TimeoutExpired) as error:
            emit(note=f"nvidia-smi: {error}")
        properties = torch.cuda.get_device_properties(0)
        emit(gpu=properties.name, processors=properties.multi_processor_count, cuda=torch.version.cuda)


def roofline(device: str, data: Path) -> None:
    """The bandwidth of a large copy, and the speed of a large product in each precision."""
    values = 1 << 20
    if device == "cuda":  # both arrays in half of the memory that is free
        values = min(1 << 30, torch.cuda.mem_get_info()[0] // 16)
    source = torch.rand(values, device=device)
    target = torch.empty_like(source)
    best = min(timed(partial(target.copy_, source), device))
    emit(peak="copy", per_second=2 * source.nbytes / best)
    del source, target
    side = 8192 if device == "cuda" else 256
    for precision, dtype in (("float32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16)):
        a, b = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
        torch.backends.cuda.matmul.fp32_precision = "tf32" if precision == "tf32" else "ieee"
        emit(peak=precision, per_second=2 * side**3 / min(timed(partial(torch.matmul, a, b), device)))


def sweep(device: str, data: Path) -> None:
    """Whole commands, from the process's start to its end."""
    runs = 512 if device == "cuda" else 8
    for net in ("64-32-10", "784-256-10"):
        rates = ",".join(map(str, gpu_data.RATES))
        command = [sys.executable, "train.py", "-m", *gpu_data.overrides(net, data, device)]
        command += ["logger=none", "callbacks=none", "trainer.max_epochs=3", "loss=cross_entropy"]
        command += [f"seed=range({runs // len(gpu_data.RATES)})", f"optim.lr={rates}"]
        command += [f"hydra.launcher.max_lanes={runs}", f"hydra.sweep.dir={data / 'runs' / net}"]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            emit(note=f"sweep of {net}: {(done.stderr or done.stdout).strip()[-400:]}")
        else:
            emit(sweep=f"{net}, 3 epochs", runs=runs, seconds=time.perf_counter() - began)
        if device == "cpu":
            break


def measure(arm: str, net: str, lanes: int, precision: str, device: str, data: Path) -> None:
    """Time an arm, and say why not where it cannot be."""
    import gpu_arms
    import gpu_setting

    what = f"{arm}, {net}, {lanes} lanes, {precision}"
    began = time.perf_counter()
    try:
        with gpu_setting.precision(precision):
            prepared = gpu_arms.ARMS[arm](net, lanes, precision, device, data)
            prepared.train()  # compiles, captures and fills caches
            prepared.train()
            synchronize(device)
            start = time.perf_counter() - began
            seconds = timed(prepared.train, device, REPEATS if device == "cuda" else 1)
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        emit(note=f"{what}: {type(error).__name__}: {first[:300]}")
        return
    finally:
        if device == "cuda":
            gc.collect()  # trainers and their lanes hold each other
            torch.cuda.empty_cache()
    us = [1e6 * second / prepared.steps / lanes for second in seconds]
    emit(
        arm=arm,
        net=net,
        lanes=lanes,
        precision=precision,
        us=statistics.median(us),
        low=min(us),
        high=max(us),
        start_s=start,
        repeats=len(us),
        flops=prepared.flops,
        parameters=prepared.parameters,
    )


def steps(device: str, data: Path) -> None:
    """A stack's steps, by size and precision."""
    few = (("64-32-10", 2, "float32"),)
    from abreast.stacking.device_products import chosen

    for net, lanes, precision in STEPS if device == "cuda" else few:
        before = chosen()
        measure("abreast", net, lanes, precision, device, data)
        if chosen() != before:
            emit(**chosen())


def others(device: str, data: Path) -> None:
    """What others would write."""
    few = [(arm, "64-32-10", 1, "float32") for arm in dict.fromkeys(arm for arm, *_ in OTHERS)]
    chosen: Sequence[tuple[str, str, int, str]] = OTHERS if device == "cuda" else few
    for arm, net, lanes, precision in chosen:
        measure(arm, net, lanes, precision, device, data)


PARTS: dict[str, Callable[[str, Path], None]] = {
    "machine": machine,
    "roofline": roofline,
    "steps": steps,
    "others": others,
    "sweep": sweep,
}


def main() -> None:
    """Run a part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no CUDA device: --device cpu rehearses on the CPU")
    torch.set_num_threads(1)  # of the CPU
    gpu_data.write(options.data, tiny=options.device == "cpu")
    PARTS[options.part](options.device, options.data)


if __name__ == "__main__":
    main()
