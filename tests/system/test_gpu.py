"""What only a GPU shows: it trains what the CPU trains, in stacks and by graphs, and nothing waits for it.

With ABREAST_GPU_TESTS=cpu the CPU takes the GPU's place, and a stand-in that of its graphs: a rehearsal.
"""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from abreast.build import step_graphs
from abreast.build.components import build_loss, optimizer_node
from abreast.build.instantiate import make
from abreast.errors import DivergedError
from abreast.inference.evaluate import evaluate
from abreast.learner import block_step, module
from abreast.learner.checkpoint import load
from abreast.optim.step_needs import backward, needs_closure, needs_graph
from abreast.runs.directory import RunDirectory
from abreast.runtime.cuda_graph import CudaGraph
from abreast.stacking import evaluation
from abreast.stacking.build import Job
from abreast.stacking.chunk_step import ChunkStep
from abreast.stacking.device_products import FORMS
from abreast.stacking.grouping import plan
from abreast.stacking.losses.batched import BatchedLosses, DeviceLosses
from abreast.stacking.losses.lane_by_lane import LaneByLane
from abreast.stacking.losses.stacked_loss import StackedLoss
from abreast.stacking.optimizers.device_update import Apply, apply_formulas
from abreast.stacking.optimizers.rules import flags
from abreast.stacking.optimizers.update_check import why_not_close
from abreast.stacking.run import train_stack
from abreast.training.run import resume, run
from stacking.losses.test_batched import ALL, LANES, SWEPT, losses_of, mini_batch
from stacking.optimizers.test_slab_update import CASES, IDS, Swept
from stacking.test_device_products import let_resume
from support.helpers import ROOT, allowed, compose, option, options, same
from support.recorded_graph import RecordedGraph

IS_REHEARSAL = os.environ.get("ABREAST_GPU_TESTS") == "cpu"
DEVICE = "cpu" if IS_REHEARSAL else "cuda"
ACCELERATOR = "trainer.accelerator=cpu" if IS_REHEARSAL else "trainer.accelerator=gpu"
TRAINER = "trainer=cpu" if IS_REHEARSAL else "trainer=gpu"
MANY = 80 if IS_REHEARSAL else 512  # lanes of a large stack
REGRESSION = [name for name in options("loss") if option("loss", name).get("tasks") == ["regression"]]
# Steps by the sign of a gradient, by products in bfloat16, or by a search along a line: rounding shows more.
# SOAP turns by eigenvectors, of which some belong to nearly equal values.
ROUGH = ("adafactor", "lbfgs", "lion", "cautious_lion", "muon", "rprop", "shampoo", "sophia")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not IS_REHEARSAL and not torch.cuda.is_available(), reason="needs a CUDA device"),
]
needs_two = pytest.mark.skipif(not IS_REHEARSAL and torch.cuda.device_count() < 2, reason="needs two GPUs")
needs_cuda = pytest.mark.skipif(IS_REHEARSAL, reason="a CPU has no such thing")


@pytest.fixture(autouse=True)
def replays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the graphs' replays."""
    counted: list[int] = []
    kind: Any = RecordedGraph if IS_REHEARSAL else CudaGraph

    class Counting(kind):  # type: ignore[misc]
        def replay(self) -> None:
            counted.append(1)
            super().replay()

    monkeypatch.setattr(step_graphs, "CudaGraph", Counting)
    return counted


def environment() -> dict[str, str]:
    """That of another process, which finds this checkout's modules."""
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path}


def trained(folder: Path, *overrides: str, epochs: int = 3) -> dict[str, float]:
    """The metrics of a run."""
    common = ("logger=none", "callbacks=none", f"trainer.max_epochs={epochs}")
    with allowed():
        run(compose(TRAINER, *common, *overrides), folder)
    metrics: dict[str, float] = RunDirectory(folder).read_result()["metrics"]
    return metrics


def weights(folder: Path) -> dict[str, Tensor]:
    """The last weights of a run."""
    state: dict[str, Tensor] = load(folder / "checkpoints" / "last.ckpt")["state_dict"]
    return state


def are_close(one: Tensor, other: Tensor) -> bool:
    """Whether weights differ by rounding alone, which optimizers magnify where gradients are near zero."""
    return bool((one.double() - other.double()).norm() <= 0.05 * other.double().norm())


def ten_steps(device: str, dtype: torch.dtype, *overrides: str) -> tuple[Tensor, Tensor]:
    """The weights of a small network before and after ten steps, as float64 on the CPU."""
    config = compose("data=digits", *overrides)
    generator = torch.Generator().manual_seed(0)
    with allowed():
        net = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 5))
        for parameter in net.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
        loss = build_loss(config, 5, class_counts=(30, 5, 10, 20, 15)).to(device, dtype)
        net = net.to(device, dtype)
        parameters = [*net.parameters(), *loss.parameters()]
        optimizer = make("optim", optimizer_node(config, 10))(parameters)
    before = nn.utils.parameters_to_vector(net.parameters()).detach().double().cpu()
    if hasattr(optimizer, "train"):
        optimizer.train()
    for _ in range(10):
        x = torch.randn(32, 12, generator=generator).to(device, dtype)
        y = torch.randint(0, 5, (32,), generator=generator).to(device)

        def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
            optimizer.zero_grad()
            value: Tensor = loss(net(x), y)
            backward(value, with_graph=needs_graph(optimizer))
            return value

        if needs_closure(optimizer):
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
    return before, nn.utils.parameters_to_vector(net.parameters()).detach().double().cpu()


def check_ten_steps(tolerance: float, *overrides: str) -> None:
    """Ten steps on the device move the weights where float64 on the CPU moves them, but for a share."""
    before, expected = ten_steps("cpu", torch.float64, *overrides)
    _, after = ten_steps(DEVICE, torch.float32, *overrides)
    moved = (expected - before).norm()
    assert moved > 0
    assert (after - expected).norm() < tolerance * moved


@pytest.mark.parametrize("optim", options("optim"))
def test_ten_steps_of_an_optimizer_are_those_of_float64(optim: str) -> None:
    more = {"any": ("optim.name=Lion",), "lbfgs": ("optim.lr=0.01", "optim.max_iter=2")}.get(optim, ())
    tolerance = 0.5 if optim == "soap" else 0.1 if optim in ROUGH else 1e-3
    check_ten_steps(tolerance, f"optim={optim}", *more)


@pytest.mark.parametrize("loss", [name for name in options("loss") if name not in REGRESSION])
def test_ten_steps_of_a_loss_are_those_of_float64(loss: str) -> None:
    check_ten_steps(1e-3, f"loss={loss}", "optim=momentum", "optim.lr=0.01")


@pytest.mark.parametrize(("name", "task"), ALL)
def test_batched_losses_are_those_of_lanes(name: str, task: str) -> None:
    losses = losses_of(name, SWEPT.get(name, [""] * LANES), task)
    batch = mini_batch(LANES, task)
    expected = LaneByLane(losses, 0, {}).gradient(*batch)
    stacked = StackedLoss([loss.to(DEVICE) for loss in losses], [], on_device=True)
    gradient, saved = stacked.gradient(*(tensor.to(DEVICE) for tensor in batch))
    got = gradient.cpu(), stacked.values([saved])[0].cpu()
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    ((_, part),) = stacked.parts
    assert not isinstance(part, DeviceLosses) or {type(form) for _, form in part.parts} == {BatchedLosses}


def test_the_gpu_trains_what_the_cpu_trains(tmp_path: Path) -> None:
    on_gpu = trained(tmp_path / "gpu")
    on_cpu = trained(tmp_path / "cpu", "trainer.accelerator=cpu")
    for name in ("train/loss", "val/loss", "test/loss"):
        assert on_gpu[name] == pytest.approx(on_cpu[name], rel=0.02)  # other kernels, other rounding
    tested = {name: value for name, value in on_gpu.items() if name.startswith("test/")}
    assert evaluate(tmp_path / "gpu") == tested


@pytest.mark.parametrize("optim", ["adam", "sgd", "rmsprop", "nadam", "radam", "adamax", "adadelta"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_graphs_leave_the_weights_of_a_run(
    optim: str, schedule: str, replays: list[int], tmp_path: Path
) -> None:
    settings = (f"optim={optim}", f"schedule={schedule}")
    trained(tmp_path / "executed", *settings, "cuda_graph=false", epochs=2)
    assert not replays
    trained(tmp_path / "recorded", *settings, epochs=2)
    expected, left = weights(tmp_path / "executed"), weights(tmp_path / "recorded")
    is_same_kernel = schedule == "constant" and optim in ("adam", "sgd")
    assert len(replays) > 50 or (IS_REHEARSAL and not is_same_kernel)
    for name, weight in expected.items():
        assert not is_same_kernel or weight.equal(left[name]), name
        assert are_close(left[name], weight), name


def test_a_step_that_waits_is_executed_and_the_next_run_is_recorded(
    replays: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dropout, whose generator a recording that fails leaves unusable."""
    settings = ("model.dropout=0.2", "loss=cross_entropy")
    trained(tmp_path / "executed", *settings, "cuda_graph=false", epochs=1)
    usual = nn.functional.cross_entropy

    def waiting(*arguments: Any, **more: Any) -> Tensor:
        loss = usual(*arguments, **more)
        assert float(loss.detach()) >= 0
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(nn.functional, "cross_entropy", waiting)
        trained(tmp_path / "waiting", *settings, epochs=1)
    assert not replays
    assert same(weights(tmp_path / "waiting"), weights(tmp_path / "executed"))
    trained(tmp_path / "recorded", *settings, epochs=1)
    assert replays


@pytest.mark.parametrize("net", ["model.hidden=[32]", "model.norm=batch", "model=cnn"])
def test_a_stack_trains_what_runs_train(net: str, replays: list[int], tmp_path: Path) -> None:
    small = ("model.channels=[4,8]", "model.hidden=[16]", "model.kernels=3") if net == "model=cnn" else ()
    common = (TRAINER, "logger=none", "callbacks=none", "trainer.max_epochs=2", net, *small)
    # Before a batch norm, gradients of biases and of constant pixels are rounding alone, of which Adam makes
    # whole steps unless eps is larger.
    eps = "optim.eps=0.001"
    lanes = [
        ("optim=adam", "seed=0", eps),
        ("optim.lr=0.01", "seed=1", eps, "trainer.gradient_clip_val=0.5"),
        ("optim=momentum", "loss=mse"),
    ]
    configs = [compose(*common, *more) for more in lanes]
    with allowed():
        (order,) = plan(configs).stacks
        outcomes = train_stack([Job(configs[n], tmp_path / "stack" / str(n)) for n in order])
        assert all(outcome.error is None for outcome in outcomes)
        assert replays
        for number, config in enumerate(configs):
            run(config, tmp_path / str(number))
            left = weights(tmp_path / "stack" / str(number))
            for name, weight in weights(tmp_path / str(number)).items():
                assert are_close(left[name], weight), name


def test_a_stack_is_measured_at_once_as_its_runs_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "is_on_device", lambda lanes: True)
    monkeypatch.setattr(evaluation.Evaluation, "_lane_by_lane", None)
    common = (TRAINER, "logger=none", "callbacks=none", "trainer.max_epochs=2", "model.norm=batch")
    each = [("loss=focal",), ("loss=mse", "seed=1", "trainer.gradient_clip_val=0.5"), ("loss=hinge",)]
    configs = [compose(*common, "optim=momentum", *more) for more in each]
    with allowed():
        (order,) = plan(configs).stacks
        outcomes = train_stack([Job(configs[n], tmp_path / "stack" / str(n)) for n in order])
        assert not [outcome.error for outcome in outcomes if outcome.error is not None]
        for number, config in enumerate(configs):
            run(config, tmp_path / str(number))
    for number in range(len(configs)):
        metrics, expected = (
            RunDirectory(folder / str(number)).read_result()["metrics"]
            for folder in (tmp_path / "stack", tmp_path)
        )
        for name in ("train/loss", "val/loss", "test/loss", "test/ece"):
            assert metrics[name] == pytest.approx(expected[name], rel=0.02, abs=0.01), name


def test_a_lane_among_many_trains_what_its_run_trains(tmp_path: Path) -> None:
    """By products in parts, and losses with a number of each lane."""
    common = (TRAINER, "logger=none", "callbacks=none", "trainer.max_epochs=1", "test=false")
    base = compose(*common, "loss=focal", "optim=momentum", "optim.lr=0.01", "trainer.limit_train_batches=20")
    configs = [copy.deepcopy(base) for _ in range(MANY)]
    for number, config in enumerate(configs):
        config["seed"], config["loss"]["criterion"]["gamma"] = number // 8, 0.5 + number % 8
    with allowed():
        (order,) = plan(configs).stacks
        outcomes = train_stack([Job(configs[n], tmp_path / "stack" / str(n)) for n in order])
        assert not [outcome.error for outcome in outcomes if outcome.error is not None]
        for number in (0, MANY // 2 + 1, MANY - 1):
            run(configs[number], tmp_path / str(number))
            left = weights(tmp_path / "stack" / str(number))
            for name, weight in weights(tmp_path / str(number)).items():
                assert are_close(left[name], weight), name


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_products_is_right(form: str) -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(MANY, *size, generator=generator).to(DEVICE) for size in ((32, 64), (48, 64)))
    out = torch.empty(MANY, 32, 48, device=DEVICE)
    try:
        FORMS[form](left, right.mT, out)
    except (AttributeError, NotImplementedError, RuntimeError) as error:
        pytest.skip(f"not chosen: {error}")
    expected = left.double().cpu() @ right.mT.double().cpu()
    torch.testing.assert_close(out.double().cpu(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("optim", ["sgd", "momentum", "rmsprop", "adagrad", "lion"])
def test_one_update_of_all_lanes_is_recorded_with_its_schedule(
    optim: str, replays: list[int], tmp_path: Path
) -> None:
    common = (TRAINER, "logger=none", "callbacks=none", "trainer.max_epochs=2", "model.hidden=[16]")
    rates = ("0.0001", "0.0003") if optim == "lion" else ("0.01", "0.03")
    more = (f"optim={optim}", "schedule=cosine")
    configs = [compose(*common, *more, f"optim.lr={rate}", f"seed={n}") for n, rate in enumerate(rates)]
    with allowed():
        outcomes = train_stack([Job(config, tmp_path / "stack" / str(n)) for n, config in enumerate(configs)])
        assert all(outcome.error is None for outcome in outcomes)
        assert len(replays) > 20
        for number, config in enumerate(configs):
            run({**config, "cuda_graph": False}, tmp_path / str(number))
            left = weights(tmp_path / "stack" / str(number))
            for name, weight in weights(tmp_path / str(number)).items():
                assert are_close(left[name], weight), name


@pytest.mark.parametrize(("kind", "fixed", "swept"), CASES, ids=IDS)
@pytest.mark.parametrize("form", ["operations", "kernel"])
def test_the_update_of_all_lanes_is_that_of_each_optimizer(
    form: str, kind: Any, fixed: dict[str, Any], swept: Swept
) -> None:
    first = {key: values[0] for key, values in swept.items()}
    settings = {**fixed, **first, **({"fused": False} if "fused" in fixed else {})}
    optimizer = kind([nn.Parameter(torch.zeros(3))], **settings)
    on = flags(optimizer, optimizer.param_groups[0])
    assert on is not None
    apply: Apply = apply_formulas
    if form == "kernel":
        if IS_REHEARSAL:
            pytest.skip("a CPU has no kernels")
        try:
            from abreast.stacking.optimizers.triton_update import apply_kernel as apply
        except ImportError as error:
            pytest.skip(f"no Triton: {error}")
    reason = why_not_close(kind, (*on.items(),), torch.device(DEVICE), apply)
    if reason is not None and "differs" not in reason:
        pytest.skip(f"falls back: {reason}")
    assert reason is None


@needs_cuda
@pytest.mark.parametrize("more", [("optim=adam",), ("optim=adagrad", "schedule=cosine")])
@pytest.mark.parametrize("graph", ["auto", "false"])
def test_a_step_of_a_stack_never_waits_for_the_gpu(
    graph: str, more: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = ChunkStep.take
    taken: list[int] = []

    def watched(step: Any, *arguments: Any) -> Any:
        taken.append(1)
        torch.cuda.set_sync_debug_mode("error" if len(taken) > 4 else "default")  # after those that record
        try:
            return take(step, *arguments)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(ChunkStep, "take", watched)
    common = (TRAINER, "logger=none", "callbacks=none", "trainer.max_epochs=2", "trainer.log_every_n_steps=1")
    configs = [compose(*common, f"cuda_graph={graph}", *more, f"seed={seed}") for seed in range(3)]
    with allowed():
        outcomes = train_stack([Job(config, tmp_path / str(n)) for n, config in enumerate(configs)])
    assert all(outcome.error is None for outcome in outcomes)
    assert len(taken) > 20


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_stacks_with_coarser_products_learn(precision: str, tmp_path: Path) -> None:
    common = (TRAINER, "logger=none", "callbacks=none", "trainer.max_epochs=5")
    configs = [compose(*common, f"matmul_precision={precision}", f"seed={seed}") for seed in range(2)]
    with allowed():
        outcomes = train_stack([Job(config, tmp_path / str(n)) for n, config in enumerate(configs)])
    assert all(outcome.error is None for outcome in outcomes)
    for number in range(2):
        assert RunDirectory(tmp_path / str(number)).read_result()["metrics"]["test/accuracy"] > 0.85


@needs_two
def test_two_processes_train_what_one_trains(tmp_path: Path) -> None:
    """By NCCL on two GPUs, by gloo in a rehearsal."""
    common = ("logger=none", "callbacks=none", "trainer.max_epochs=2", "optim=momentum", "optim.lr=0.01")
    metrics = []
    for name, more in (("one", (TRAINER,)), ("two", ("trainer=ddp", "trainer.devices=2", ACCELERATOR))):
        folder = tmp_path / name
        command = [sys.executable, "train.py", *common, *more, f"hydra.run.dir={folder}"]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment(), cwd=ROOT, timeout=150
        )
        assert done.returncode == 0, done.stderr
        metrics.append(RunDirectory(folder).read_result()["metrics"])
    for name in ("train/loss", "val/loss", "test/loss"):
        assert metrics[1][name] == pytest.approx(metrics[0][name], rel=0.01)


@needs_cuda
@needs_two
def test_a_sweep_trains_on_all_gpus(tmp_path: Path) -> None:
    command = [sys.executable, "train.py", "-m", TRAINER, "logger=none", "callbacks=none", "seed=range(4)"]
    command += ["trainer.max_epochs=2", "hydra.launcher.devices=all", "hydra.launcher.max_lanes=2"]
    command += [f"hydra.sweep.dir={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=ROOT, timeout=150)
    assert done.returncode == 0, done.stderr
    assert len([*tmp_path.rglob("result.json")]) == 4


def test_a_lane_that_diverges_leaves_the_others(tmp_path: Path) -> None:
    common = (TRAINER, "logger=none", "callbacks=none", "trainer.max_epochs=3", "loss=mse", "optim=sgd")
    configs = [compose(*common, f"optim.lr={rate}") for rate in ("0.1", "1e30", "0.05")]
    with allowed():
        outcomes = train_stack([Job(config, tmp_path / str(n)) for n, config in enumerate(configs)])
    assert [type(outcome.error) for outcome in outcomes] == [type(None), DivergedError, type(None)]
    assert all(weight.isfinite().all() for n in (0, 2) for weight in weights(tmp_path / str(n)).values())


def test_a_resumed_run_is_bitwise_the_one_that_was_not_stopped(tmp_path: Path) -> None:
    settings = ("model.norm=batch", "model.dropout=0.1")
    trained(tmp_path / "whole", *settings)
    trained(tmp_path / "part", *settings, epochs=2)
    config = compose(TRAINER, "logger=none", "callbacks=none", "trainer.max_epochs=3", *settings)
    with allowed():
        resume(config, RunDirectory(tmp_path / "part"))
    assert same(weights(tmp_path / "part"), weights(tmp_path / "whole"))


def test_a_stack_that_resumes_is_bitwise_the_one_that_was_not_stopped(tmp_path: Path) -> None:
    common = (TRAINER, "logger=none", "callbacks=none", "test=false", "model.norm=batch")
    settings = [("optim=adam", "loss=focal"), ("optim=adam", "loss=focal", "loss.criterion.gamma=1"), ()]
    for name, parts in (("whole", (2,)), ("part", (1, 2))):
        for epochs in parts:
            configs = [compose(*common, f"trainer.max_epochs={epochs}", *more) for more in settings]
            runs = [tmp_path / name / str(number) for number in range(len(configs))]
            if epochs > parts[0]:
                for folder in runs:
                    let_resume(folder)
            with allowed():
                jobs = [Job(config, folder) for config, folder in zip(configs, runs, strict=True)]
                assert not [outcome.error for outcome in train_stack(jobs) if outcome.error is not None]
    for number in range(len(settings)):
        one, other = (weights(tmp_path / name / str(number)) for name in ("part", "whole"))
        assert same(one, other)


@needs_cuda
@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "hinge", "focal"])
@pytest.mark.parametrize("optim", ["adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("graph", ["auto", "false"])
def test_a_block_never_waits_for_the_gpu(
    graph: str,
    loss: str,
    optim: str,
    replays: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def watched(learner: Any, block: Any, config: Any) -> int:
        torch.cuda.set_sync_debug_mode("error")
        try:
            return block_step.train_block(learner, block, config)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(module, "train_block", watched)
    trained(tmp_path, f"loss={loss}", f"optim={optim}", "model.norm=batch", f"cuda_graph={graph}")
    assert bool(replays) == (graph == "auto")


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision(precision: str, tmp_path: Path) -> None:
    if precision == "16-mixed" and IS_REHEARSAL:
        pytest.skip("float16 is a GPU's")
    more = ("optim.fused=false",) if precision == "16-mixed" else ()
    assert trained(tmp_path, f"trainer.precision={precision}", *more, epochs=5)["test/accuracy"] > 0.9


LABEL_OUT_OF_RANGE = """
import runpy
import sys
from torch.nn import functional
right = functional.cross_entropy
def wrong(scores, labels, **more):
    if scores.device.type == "cpu":
        raise RuntimeError("CUDA error: device-side assert triggered")
    return right(scores, labels + 100, **more)
functional.cross_entropy = wrong
runpy.run_path("train.py", run_name="__main__")
"""


@pytest.mark.parametrize("graph", ["auto", "false"])
def test_a_label_out_of_range_is_told_in_one_line(graph: str, tmp_path: Path) -> None:
    more = ("logger=none", "trainer.max_epochs=1", f"cuda_graph={graph}", f"hydra.run.dir={tmp_path / 'run'}")
    command = [sys.executable, "-c", LABEL_OUT_OF_RANGE, TRAINER, *more]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=ROOT, timeout=120)
    assert done.returncode == 2, done.stderr
    *_, last = done.stderr.strip().splitlines()
    assert last.startswith("the GPU stopped at an assertion: an index, such as a label"), done.stderr
    assert "Traceback" not in done.stderr
