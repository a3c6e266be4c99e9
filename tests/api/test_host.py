"""The process that calls: as it was before, whatever was trained in it; interrupted runs resume."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch import Callback, LightningModule, Trainer
from omegaconf import OmegaConf
from omegaconf.basecontainer import BaseContainer

import abreast
from abreast.api.host import host_kept
from abreast.errors import AbreastError, StoppedError
from api.conftest import SHORT

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


class Signals(Callback):
    """Sends this process a signal in the first epoch."""

    def __init__(self, number: int) -> None:
        self.number = number

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Send it once: a resumed run starts later."""
        if trainer.global_step < 10 and not Path("sent").exists():
            Path("sent").touch()
            os.kill(os.getpid(), self.number)


def state() -> dict[str, Any]:
    """What a caller may rely on."""
    root = logging.getLogger()
    loggers = [logging.getLogger(name) for name in ("host", "abreast", "hydra", "lightning.pytorch")]
    return {
        "directory": Path.cwd(),
        "environment": dict(os.environ),
        "paths": [*sys.path, *sys.meta_path, *sys.argv],
        "streams": (sys.stdout, sys.stderr, sys.excepthook),
        "signals": [signal.getsignal(number) for number in SIGNALS],
        "warnings": [*warnings.filters],
        "logging": [(log.level, log.handlers[:], log.propagate, log.disabled) for log in (root, *loggers)],
        "hydra": (GlobalHydra.instance(), HydraConfig.instance().cfg, GlobalHydra.instance().hydra),
        "resolvers": {name: it for name, it in BaseContainer._resolvers.items() if "abreast." not in name},
        "random": (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()),
        "torch": (
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_grad_enabled(),
            float(torch.full((1,), 1e-310, dtype=torch.float64) * 1.0),
        ),
        "collects": gc.isenabled(),
    }


def call(case: str, tmp_path: Path) -> None:
    if case == "run":
        abreast.train(*SHORT, "trainer.deterministic=true", dir=tmp_path / "run")
    elif case == "sweep":
        abreast.sweep(*SHORT, seed=range(2), dir=tmp_path / "sweep")
    elif case == "loaded":
        abreast.load(tmp_path / "run").evaluate("data.batch_size=32")
    else:
        with pytest.raises(AbreastError):
            abreast.train(loss="msee")


def test_the_process_is_left_as_it_was(tmp_path: Path) -> None:
    log_file = tmp_path / "host.log"
    handler = logging.FileHandler(log_file, mode="w")  # which does not reopen once it is closed
    host = logging.getLogger("host")
    host.addHandler(handler)
    host.setLevel(logging.INFO)
    resolvers = dict(BaseContainer._resolvers)
    OmegaConf.register_resolver("now", lambda: "the host's", replace=True)
    previous = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        for case in ("run", "sweep", "mistake", "loaded"):
            before = state()
            call(case, tmp_path)
            after = state()
            for name, value in before.items():
                assert after[name] == value, f"{case}: {name}"
            host.info("after %s", case)
        assert log_file.read_text().splitlines() == [
            f"after {case}" for case in ("run", "sweep", "mistake", "loaded")
        ]
        assert OmegaConf.create({"at": "${now:}"}).at == "the host's"
    finally:
        signal.signal(signal.SIGTERM, previous)
        host.removeHandler(handler)
        handler.close()
        BaseContainer._resolvers.clear()
        BaseContainer._resolvers.update(resolvers)


def test_calls_in_threads_are_trained_one_after_the_other(tmp_path: Path) -> None:
    results: dict[int, abreast.Run] = {}

    def train(seed: int) -> None:
        results[seed] = abreast.train(*SHORT, seed=seed, dir=tmp_path / f"thread {seed}, of a few")

    threads = [threading.Thread(target=train, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = abreast.train(*SHORT, seed=1, dir=tmp_path / "alone")
    assert [results[seed].config["seed"] for seed in range(3)] == [0, 1, 2]
    assert results[1].scores == alone.scores
    assert results[0].scores != alone.scores


def test_no_two_threads_change_the_process_at_once() -> None:
    """What reads given data keeps the process, too: it once restored the arguments of a training."""
    entered = threading.Event()

    def other() -> None:
        with host_kept():
            entered.set()

    thread = threading.Thread(target=other)
    with host_kept():
        thread.start()
        assert not entered.wait(0.2)
    thread.join()
    assert entered.is_set()


def test_another_signal_reaches_its_handler_once_the_run_is_saved(tmp_path: Path) -> None:
    arguments = (
        *SHORT,
        f"+callbacks.signals={{_target_:api.test_host.Signals,number:{int(signal.SIGTERM)}}}",
    )
    received: list[str] = []
    run = abreast.Run(tmp_path / "run")
    previous = signal.signal(signal.SIGTERM, lambda *_: received.append(run.status))
    try:
        with pytest.raises(StoppedError, match="stopped by SIGTERM; the training is saved"):
            abreast.train(*arguments, dir=run.directory)
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert received == ["interrupted"]


def test_an_interrupted_sweep_resumes(tmp_path: Path) -> None:
    arguments = (*SHORT, f"+callbacks.signals={{_target_:api.test_host.Signals,number:{int(signal.SIGINT)}}}")
    with pytest.raises(KeyboardInterrupt):
        abreast.sweep(*arguments, seed=range(2), dir=tmp_path / "sweep")
    assert {run.status for run in abreast.Sweep(tmp_path / "sweep").runs} == {"interrupted"}
    sweep = abreast.sweep(*arguments, seed=range(2), dir=tmp_path / "sweep")
    assert {run.status for run in sweep.runs} == {"finished"}
