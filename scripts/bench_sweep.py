"""How much faster a sweep is as a stack: the same runs in several ways, side by side.

    python scripts/bench_sweep.py                      # all nets, K = 1, 8, 32, 128 (an hour)
    python scripts/bench_sweep.py --nets digits --lanes 32
    python scripts/bench_sweep.py --quick --json bench.json

The ways take turns, so that a machine that slows down does so for all of them. Times are seconds a run,
from the config to result.json, medians with the lowest and highest; imports and Hydra's composing are not
counted. Real MNIST is read from the folder in ABREAST_DATA; without it, random data of its shape.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WHITELIST = ["torch.*", "abreast.*", "lightning.*"]
RATES = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01)

NETS: dict[str, tuple[str, ...]] = {
    "digits": ("data=digits", "model.hidden=[32]", "data.batch_size=32"),
    "mnist": ("model.hidden=[256]", "data.batch_size=128"),
    "batch_norm": ("model.hidden=[64,128,64]", "model.norm=batch", "data.batch_size=128"),
    "wide": ("model.hidden=[800]", "data.batch_size=64"),
}
EPOCHS = {"digits": 20, "mnist": 2, "batch_norm": 2, "wide": 1}

# (net, lanes, ratio, at least or at most): what the stack is held to on two cores.
TARGETS: tuple[tuple[str, int, str, float], ...] = (
    ("mnist", 32, "idiomatic / stack", 5.5),
    ("mnist", 32, "two processes / stack", 1.5),
    ("digits", 32, "idiomatic / stack", 40.0),
    ("digits", 32, "plain / stack", 8.0),
)
TRAINER = 1.05  # the Trainer around a lane-step, to the same loop without it
PRODUCTS = 1.4  # a lane-step of batch_norm, to its matrix products alone


def configs(net: str, lanes: int, epochs: int) -> list[dict[str, Any]]:
    """A sweep of 8 learning rates, and as many seeds as it takes."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    overrides = ["trainer=cpu", "logger=csv", "callbacks=none", f"trainer.max_epochs={epochs}", *NETS[net]]
    if net != "digits":
        folder = os.environ.get("ABREAST_DATA")
        shaped = ["data=random", "data.size=60000", "data.features=784"]
        overrides += ["data=mnist", f"data.dir={folder}"] if folder else shaped
    with initialize_config_dir(str(ROOT / "conf")):
        base = OmegaConf.to_container(compose("train", overrides=overrides), resolve=True)
    assert isinstance(base, dict)
    found = []
    for lane in range(lanes):
        config = json.loads(json.dumps(base))
        config["seed"], config["optim"]["lr"] = lane // len(RATES), RATES[lane % len(RATES)]
        found.append(config)
    return found


def stack(sweep: Sequence[dict[str, Any]], folder: Path, **options: Any) -> float:
    """Seconds a run, all together."""
    from hydra.utils import execution_whitelist

    from abreast.stacking.building import Job
    from abreast.stacking.grouping import plan
    from abreast.stacking.train import Options, train_stack

    began = time.perf_counter()
    with execution_whitelist(WHITELIST):
        planned = plan(sweep)
        for lanes in [*planned.stacks, *planned.alone.values()]:
            train_stack([Job(sweep[lane], folder / str(lane)) for lane in lanes], Options(**options))
    return (time.perf_counter() - began) / len(sweep)


def plain(sweep: Sequence[dict[str, Any]], folder: Path) -> float:
    """Seconds a run, one after the other in this process."""
    from hydra.utils import execution_whitelist

    from abreast.training import run

    began = time.perf_counter()
    with execution_whitelist(WHITELIST):
        for number, config in enumerate(sweep):
            run(config, folder / str(number))
    return (time.perf_counter() - began) / len(sweep)


def half(sweep: Sequence[dict[str, Any]], folder: Path) -> None:
    """What one of two processes does, with one thread."""
    import torch

    torch.set_num_threads(1)
    with Path(os.devnull).open("w") as nothing:
        sys.stdout = nothing
        plain(sweep, folder)
        sys.stdout = sys.__stdout__


def two_processes(sweep: Sequence[dict[str, Any]], folder: Path, parallel: Any) -> float:
    """Seconds a run, in two processes that were started before."""
    from joblib import delayed

    began = time.perf_counter()
    parallel(delayed(half)(sweep[part::2], folder / str(part)) for part in range(2))
    return (time.perf_counter() - began) / len(sweep)


def idiomatic(sweep: Sequence[dict[str, Any]], folder: Path) -> float:
    """Seconds a run as Lightning's guide writes it: DataLoader, torchmetrics, self.log, progress bar."""
    import torch
    from hydra.utils import execution_whitelist
    from lightning.pytorch import LightningModule, Trainer, seed_everything
    from torch.utils.data import DataLoader, TensorDataset
    from torchmetrics.classification import MulticlassAccuracy

    from abreast.build import build_data, build_net

    class Classifier(LightningModule):
        def __init__(self, net: torch.nn.Module, lr: float, classes: int) -> None:
            super().__init__()
            self.net, self.lr = net, lr
            self.measures = torch.nn.ModuleDict(
                {f"{stage}_": MulticlassAccuracy(classes) for stage in ("train", "val", "test")}
            )

        def _step(self, batch: Any, stage: str) -> Any:
            x, y = batch
            scores = self.net(x)
            loss = torch.nn.functional.cross_entropy(scores, y)
            measure: Any = self.measures[f"{stage}_"]
            measure(scores, y)
            self.log(f"{stage}/loss", loss, prog_bar=True, on_step=False, on_epoch=True)
            self.log(f"{stage}/accuracy", measure, prog_bar=True, on_step=False, on_epoch=True)
            return loss

        def training_step(self, batch: Any, _: int) -> Any:
            return self._step(batch, "train")

        def validation_step(self, batch: Any, _: int) -> None:
            self._step(batch, "val")

        def test_step(self, batch: Any, batch_idx: int) -> None:
            self._step(batch, "test")

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=self.lr)

    began = time.perf_counter()
    for config in sweep:
        seed_everything(config["seed"], verbose=False)
        with execution_whitelist(WHITELIST):
            data = build_data(config)
            net = build_net(config, data.in_shape, data.out_features)
        sets = [
            TensorDataset((split.inputs.float() - data.mean) / data.std, split.targets)
            for split in (data.train, data.val, data.test)
        ]
        train = DataLoader(sets[0], batch_size=data.batch_size, shuffle=True)
        others = [DataLoader(each, batch_size=1024) for each in sets[1:]]
        trainer = Trainer(
            max_epochs=config["trainer"]["max_epochs"],
            accelerator="cpu",
            default_root_dir=str(folder),
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        module = Classifier(net, config["optim"]["lr"], len(data.classes))
        trainer.fit(module, train, others[0])
        trainer.test(module, others[1], verbose=False)
    return (time.perf_counter() - began) / len(sweep)


def steps(net: str, lanes: int, repeats: int) -> dict[str, list[float]]:
    """Seconds a lane-step on one thread: in the Trainer, in a bare loop, and its matrix products alone."""
    import torch
    from hydra.utils import execution_whitelist
    from lightning.pytorch import Callback

    from abreast.build import build_data, build_stepping
    from abreast.results import RunDirectory
    from abreast.stacking.building import Job, build_lane, stack_trainer
    from abreast.stacking.chunk import Chunk
    from abreast.stacking.grouping import plan
    from abreast.stacking.layout import Layout
    from abreast.stacking.loader import StackLoader
    from abreast.stacking.module import Stack

    class Clock(Callback):
        seconds: list[float]

        def on_train_start(self, *_: Any) -> None:
            self.seconds = []

        def on_train_epoch_start(self, *_: Any) -> None:
            self.began = time.perf_counter()

        def on_validation_start(self, *_: Any) -> None:
            self.seconds.append(time.perf_counter() - self.began)

    sweep = configs(net, lanes, 1)
    torch.set_num_threads(1)
    with execution_whitelist(WHITELIST), tempfile.TemporaryDirectory() as folder:
        _, block = build_stepping(sweep[0])
        data = build_data(sweep[0], block)
        order = plan(sweep).stacks[0] if lanes > 1 else [0]
        jobs = [Job(sweep[n], Path(folder) / str(n)) for n in order]
        members = [build_lane(n, job, RunDirectory(job.directory), data, 1, {}) for n, job in enumerate(jobs)]

    class Endless:
        max_steps = -1

    for lane in members:
        lane.learner._trainer = Endless()  # type: ignore[assignment]
    chunk = Chunk(members, 0)
    loader = StackLoader(
        data.train,
        batch_size=data.batch_size,
        seeds=[lane.cfg["seed"] for lane in members],
        steps=40,
        batches=40,
    )
    rows = next(iter(loader))
    weights = [value for name, value in chunk.state.parameters.items() if value.ndim == 3]
    products = [
        (
            torch.randn(lanes, data.batch_size, weight.shape[2]),
            weight.detach(),
            torch.randn(lanes, data.batch_size, weight.shape[1]),
        )
        for weight in weights
    ]

    def loop() -> None:
        chunk.train(rows, 1, ends_epoch=False)
        chunk.train_meter.compute()
        chunk.losses.clear()

    def matmul() -> None:
        for _ in range(40):
            for layer, (x, weight, grad) in enumerate(products):
                torch.bmm(x, weight.transpose(1, 2))
                torch.bmm(grad.transpose(1, 2), x)
                if layer > 0:
                    torch.bmm(grad, weight)

    found: dict[str, list[float]] = {"loop": [], "matmul": []}
    for _ in range(repeats + 1):
        for name, action in (("loop", loop), ("matmul", matmul)):
            began = time.perf_counter()
            action()
            found[name].append((time.perf_counter() - began) / 40 / lanes)
    for lane in members:
        lane.callbacks = []
    longer = {**sweep[0], "trainer": {**sweep[0]["trainer"], "max_epochs": repeats + 1}}
    clock = Clock()
    with execution_whitelist(WHITELIST):
        trainer = stack_trainer(longer, data, [clock])
    data.limit = 40
    module = Stack([chunk], data, Layout(1, lanes))
    module.attach(trainer)
    trainer.fit(module)
    found["trainer"] = [seconds / 40 / lanes for seconds in clock.seconds]
    flops = sum(2 * weight[0].numel() * data.batch_size * (3 if n else 2) for n, weight in enumerate(weights))
    return {**{name: times[1:] for name, times in found.items()}, "flops": [float(flops)]}


def peak() -> float:
    """The most floating-point operations a second that one thread reaches in a matrix product."""
    import torch

    torch.set_num_threads(1)
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    best = float("inf")
    for _ in range(8):
        began = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - began)
    return 2 * 1024**3 / best


def measure(
    net: str, lanes: int, epochs: int, repeats: int, few: int, threads: int, *, opt_in: bool
) -> dict[str, Any]:
    """All ways of one sweep, by turns; those that take runs one by one take `few` of them."""
    import torch
    from joblib import Parallel

    sweep = configs(net, lanes, epochs)
    some = (sweep * few)[:few]
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name, Parallel(n_jobs=2) as parallel:
        folder = Path(name)
        pairs = (sweep * 2 * few)[: 2 * max(1, few // 2)]
        ways: dict[str, Callable[[], float]] = {
            "stack": lambda: stack(sweep, folder),
            "plain": lambda: plain(some, folder),
            "two processes": lambda: two_processes(pairs, folder, parallel),
            "idiomatic": lambda: idiomatic(some, folder),
        }
        if opt_in:
            coarse = [{**each, "matmul_precision": "bf16"} for each in sweep]
            ways["stack, bf16"] = lambda: stack(coarse, folder)
        short = configs(net, 2, 1)
        two_processes(short * 2, folder, parallel)  # starts the processes
        for way in (stack, plain, idiomatic):  # what is done once in a process
            way(short, folder)
        for turn in range(repeats):
            for each, action in ways.items():
                shutil.rmtree(folder)
                folder.mkdir()
                torch.set_num_threads(threads)
                seconds = action()
                times.setdefault(each, []).append(seconds)
                print(f"  {net} K={lanes} turn {turn + 1}: {each} {seconds:.3f} s a run", file=sys.stderr)
    medians = {way: statistics.median(all_) for way, all_ in times.items()}
    ratios = {f"{way} / stack": value / medians["stack"] for way, value in medians.items() if way != "stack"}
    return {"net": net, "lanes": lanes, "epochs": epochs, "seconds": times, "ratios": ratios}


def main() -> int:
    """Measure, print, and say which targets are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--lanes", nargs="+", type=int, default=[1, 8, 32, 128])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--runs", type=int, default=2, help="runs that the one-by-one ways take a turn")
    parser.add_argument(
        "--threads",
        type=int,
        default=os.cpu_count() or 1,
        help="of the runs one after the other in one process",
    )
    parser.add_argument("--opt-in", action="store_true", help="also measure bf16 matrix products")
    parser.add_argument("--quick", action="store_true", help="digits, 8 lanes, short: under a minute")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    nets, counts, repeats = arguments.nets, arguments.lanes, arguments.repeats
    if arguments.quick:
        nets, counts, repeats = ["digits"], [8], 1
    logged = sys.stdout
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
    try:
        sweeps = [
            measure(
                net,
                lanes,
                5 if arguments.quick else EPOCHS[net],
                repeats,
                arguments.runs,
                arguments.threads,
                opt_in=arguments.opt_in,
            )
            for net in nets
            for lanes in counts
        ]
        limit = peak()
        loops = {
            (net, lanes): steps(net, lanes, 3 if arguments.quick else 8) for net in nets for lanes in counts
        }
    finally:
        sys.stdout = logged
    figures = report(sweeps, loops, limit)
    met = judge(figures)
    for line, is_met in met.items():
        print(f"{'met' if is_met else 'NOT met':8s} {line}")
    if arguments.json:
        text = {**figures, "targets": [list(each) for each in TARGETS], "targets_met": met}
        arguments.json.write_text(json.dumps(text, indent=2))
    return 0


def report(
    sweeps: list[dict[str, Any]], loops: dict[tuple[str, int], dict[str, list[float]]], limit: float
) -> dict[str, Any]:
    """Print the tables; the figures as plain data."""
    print("Seconds a run: median (lowest to highest), and how often the stack does it meanwhile")
    for sweep in sweeps:
        print(f"\n{sweep['net']}, {sweep['lanes']} lanes, {sweep['epochs']} epochs")
        for way, times in sweep["seconds"].items():
            ratio = statistics.median(times) / statistics.median(sweep["seconds"]["stack"])
            spread = f"({min(times):.3f} to {max(times):.3f})"
            print(f"  {way:14s} {statistics.median(times):8.3f} {spread:20s} {ratio:6.2f}x")
    print(f"\nOne thread reaches {limit / 1e9:.0f} GFLOP/s in a matrix product. A lane-step takes:")
    lines = []
    for (net, lanes), found in loops.items():
        loop, matmul, trainer = (statistics.median(found[key]) for key in ("loop", "matmul", "trainer"))
        share = found["flops"][0] / loop / limit
        print(
            f"  {net:10s} K={lanes:<4d} {loop * 1e6:8.1f} us, {loop / matmul:5.2f} of its products, "
            f"{trainer / loop:5.2f} in the Trainer, "
            f"{share:4.0%} of that rate"
        )
        lines.append(
            {
                "net": net,
                "lanes": lanes,
                "lane_step": loop,
                "matmul": matmul,
                "trainer": trainer,
                "share_of_peak": share,
            }
        )
    return {"sweeps": sweeps, "lane_steps": lines, "peak": limit}


def judge(figures: dict[str, Any]) -> dict[str, bool]:
    """Which of the targets that were measured are met."""
    met: dict[str, bool] = {}
    for net, lanes, ratio, least in TARGETS:
        for sweep in figures["sweeps"]:
            if (sweep["net"], sweep["lanes"]) == (net, lanes):
                value = sweep["ratios"][ratio]
                met[f"{net} K={lanes}: {ratio} is {value:.2f}, at least {least}"] = value >= least
    for step in figures["lane_steps"]:
        if step["net"] == "batch_norm" and step["lanes"] >= 8:
            value = step["lane_step"] / step["matmul"]
            line = f"batch_norm K={step['lanes']}: lane-step / matmul is {value:.2f}, at most {PRODUCTS}"
            met[line] = value <= PRODUCTS
        value = step["trainer"] / step["lane_step"]
        line = f"{step['net']} K={step['lanes']}: trainer / loop is {value:.2f}, at most {TRAINER}"
        met[line] = value <= TRAINER
    return met


if __name__ == "__main__":
    sys.exit(main())
