"""Train a run on two nodes, kill one, bring it back, and compare with an uninterrupted run.

    sudo python scripts/two_nodes.py

The nodes are network namespaces of this machine, joined by a veth pair, which needs Linux, root and `ip`
(iproute2). They share its disk, as the nodes of a cluster a file system. Exit code 77 where it can't be done.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from abreast.learner.checkpoint import weights
from abreast.runs.directory import RunDirectory

ROOT = Path(__file__).parents[1]
SKIPPED = 77
ADDRESSES = ("10.77.0.1", "10.77.0.2")
INTERFACE = "cable"
QUIET = {**os.environ, "OMP_NUM_THREADS": "1"}
RUN: tuple[str, ...] = (
    "data=random",
    "data.size=1000",
    "data.test_size=1000",
    "optim=momentum",
    "optim.lr=0.01",
)
RUN += ("logger=none", "trainer.precision=64-true")  # sums of another order differ by 1e-15 at first
# Time for a node to come back in, without a large network that would take this machine's time.
SLOW = """
import time
from lightning.pytorch import Callback

class Slow(Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        time.sleep(0.4)
"""


def why_not() -> str | None:
    """What is missing here, in words."""
    if sys.platform != "linux":
        return "network namespaces need Linux"
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "there is no `ip`: install iproute2"
    name = f"abreast-try-{os.getpid()}"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if done.returncode != 0:
        return f"this machine allows no network namespace ({done.stderr.strip()})"
    subprocess.run(["ip", "netns", "delete", name], check=True)
    return None


@contextmanager
def two_namespaces() -> Iterator[tuple[str, str]]:
    """Two network namespaces that reach each other and nothing else."""
    names = (f"abreast-{os.getpid()}-a", f"abreast-{os.getpid()}-b")

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        peer = ("peer", "name", INTERFACE, "netns", names[1])
        ip("link", "add", "name", INTERFACE, "netns", names[0], "type", "veth", *peer)
        for name, address in zip(names, ADDRESSES, strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", INTERFACE)
            ip("-n", name, "link", "set", INTERFACE, "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def start_node(namespace: str, address: str, run: Path, epochs: int) -> subprocess.Popen[bytes]:
    """torchrun in the namespace, with one process; the first address holds the rendezvous."""
    rendezvous = ["--rdzv-backend=c10d", f"--rdzv-endpoint={ADDRESSES[0]}:29400", "--rdzv-id=two-nodes"]
    hosts = (
        f"is_host={int(address == ADDRESSES[0])}"  # else torchrun asks for the machine's name, which is one
    )
    quick = f"{hosts},last_call_timeout=3,keep_alive_interval=1,keep_alive_max_attempt=3"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes=1:2", "--nproc-per-node=1"]
    torchrun += [*rendezvous, f"--rdzv-conf={quick}", f"--local-addr={address}", "--max-restarts=5"]
    torchrun += ["--monitor-interval=0.5"]
    training = [str(ROOT / "train.py"), "trainer=ddp", "trainer.accelerator=cpu", *RUN]
    training += ["+callbacks.slow._target_=slow.Slow", f"trainer.max_epochs={epochs}", f"hydra.run.dir={run}"]
    environment = {**QUIET, "GLOO_SOCKET_IFNAME": INTERFACE}
    # torch 2.14 tells a node that comes back the store's address only if stores are not shared.
    environment["LOGLEVEL"] = "INFO"  # says who takes part
    environment["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    with (run.parent / f"node-{address}.log").open("ab") as log:
        return subprocess.Popen(
            ["ip", "netns", "exec", namespace, *torchrun, *training],
            cwd=run.parent,
            env=environment,
            stdout=log,
            stderr=log,
        )


def kill_node(namespace: str) -> None:
    """Kill every process of the namespace at once, as a power cut would."""
    pids = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True)
    for pid in pids.stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def rows(run: Path) -> int:
    """How many epochs are written."""
    file = run / "metrics.csv"
    return max(0, len(file.read_text().splitlines()) - 1) if file.exists() else 0


class Story:
    """Tells what happens, and when."""

    def __init__(self, seconds: float) -> None:
        self.began = time.monotonic()
        self.end = self.began + seconds

    def tell(self, what: str) -> None:
        """Print it with the time since the beginning."""
        print(f"{time.monotonic() - self.began:6.1f} s  {what}", flush=True)

    def wait_for(self, run: Path, epochs: int, nodes: list[subprocess.Popen[bytes]]) -> None:
        """Wait until so many epochs are written. Raises RuntimeError where that will not be."""
        while rows(run) < epochs:
            if time.monotonic() > self.end or all(node.poll() is not None for node in nodes):
                logs = "\n".join(path.read_text()[-3000:] for path in sorted(run.parent.glob("node-*.log")))
                raise RuntimeError(f"stopped at epoch {rows(run)}, {epochs} were expected\n{logs}")
            time.sleep(0.05)


def go(folder: Path, epochs: int, seconds: float) -> float:
    """Run all of it; the largest difference between the weights and those of an uninterrupted run."""
    story = Story(seconds)
    run = folder / "run"
    (folder / "slow.py").write_text(SLOW)
    with two_namespaces() as names:
        nodes = [start_node(*address, run, epochs) for address in zip(names, ADDRESSES, strict=True)]
        try:
            story.wait_for(run, 3, nodes)
            story.tell(f"two nodes train; epoch {rows(run)} is over")
            kill_node(names[1])
            nodes[1].wait()
            left = rows(run)
            story.tell(f"the second node is killed after epoch {left}")
            story.wait_for(run, left + 2, nodes[:1])
            story.tell(f"the first node continues alone; epoch {rows(run)} is over")
            nodes[1] = start_node(names[1], ADDRESSES[1], run, epochs)
            for node in nodes:
                node.wait(timeout=max(1.0, story.end - time.monotonic()))
            rounds = re.findall(r"group_world_size=(\d)", (folder / f"node-{ADDRESSES[0]}.log").read_text())
            story.tell(
                f"the second node was back; the run is over. Number of nodes over time: {', '.join(rounds)}"
            )
        finally:
            for name in names:
                kill_node(name)
    if rounds != ["2", "1", "2"]:
        raise RuntimeError("the second node did not take part again: give it more --epochs")
    directory = RunDirectory(run)
    if directory.read_status()["status"] != "finished":
        raise RuntimeError(f"the run has not finished: {directory.read_status()}")
    if [row["epoch"] for row in directory.read_metrics()] != list(range(1, epochs + 1)):
        raise RuntimeError(f"{run / 'metrics.csv'} does not hold each of the {epochs} epochs once")
    alone = folder / "alone"
    command = [sys.executable, str(ROOT / "train.py"), "trainer=cpu", *RUN, f"trainer.max_epochs={epochs}"]
    subprocess.run(
        [*command, f"hydra.run.dir={alone}"], check=True, stdout=subprocess.DEVNULL, cwd=folder, env=QUIET
    )
    story.tell("the same run without an interruption is over")
    actual, expected = (weights(path / "checkpoints" / "last.ckpt") for path in (run, alone))
    return max(float((actual[name] - value).abs().max()) for name, value in expected.items() if value.numel())


def main() -> int:
    """Run the story in a temporary folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds")
    parser.add_argument("--keep", type=Path, help="a folder to leave the run and the nodes' logs in")
    arguments = parser.parse_args()
    reason = why_not()
    if reason is not None:
        print(f"Skipped: {reason}")
        return SKIPPED
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        difference = go(folder.absolute(), arguments.epochs, arguments.timeout)
    print(f"Largest difference between the weights: {difference:.1e}")
    return 0 if difference < 1e-6 else 1


if __name__ == "__main__":
    sys.exit(main())
