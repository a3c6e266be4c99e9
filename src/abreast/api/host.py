"""The process that calls the API, such as a notebook's: what a training changes in it is restored."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rich.console
import torch
from hydra import version
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime
from omegaconf.basecontainer import BaseContainer

from abreast.runtime.environment import environment_variables
from abreast.runtime.patches import is_on
from abreast.runtime.user_path import check_working_directory

_LOCK = threading.RLock()
OF_ONE_APPLICATION = (GlobalHydra, HydraConfig, JobRuntime)  # Hydra's other singletons hold what is installed
OUR_RESOLVERS = "abreast."  # registered once, when Hydra finds its plugins


@contextmanager
def host_kept() -> Iterator[None]:
    """Restore directory, environment, paths, streams, signals, warnings, logs, Hydra and random state.

    All of it is the process's: other threads wait.
    """
    with _LOCK, ExitStack() as stack:
        for part in PARTS:
            stack.enter_context(part())
        yield


@contextmanager
def _process() -> Iterator[None]:
    check_working_directory()
    directory = Path.cwd()
    environment = dict(os.environ)
    lists: list[tuple[list[Any], list[Any]]] = [
        (values, values[:]) for values in (sys.path, sys.meta_path, sys.argv)
    ]
    names = ("stdout", "stderr", "excepthook")
    attributes = {name: getattr(sys, name) for name in names}
    collects, raises = gc.isenabled(), logging.raiseExceptions
    try:
        yield
    finally:
        os.chdir(directory)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        for values, before in lists:
            values[:] = before
        for name, value in attributes.items():
            setattr(sys, name, value)
        (gc.enable if collects else gc.disable)()
        logging.raiseExceptions = raises


@contextmanager
def _signals() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # where none can be changed
        return
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@contextmanager
def _logging() -> Iterator[None]:
    """Keep loggers and their handlers; configuring logs, as Hydra does, closes all handlers that it knows."""
    module: Any = logging
    before = {logger: _settings(logger) for logger in _loggers()}
    known, order = dict(module._handlers), list(module._handlerList)
    module._handlers.clear()
    module._handlerList.clear()
    try:
        yield
    finally:
        kept = {id(handler) for settings in before.values() for handler in settings["handlers"]}
        for logger in _loggers():
            for handler in logger.handlers:
                if id(handler) not in kept:
                    handler.close()
            for name, value in before.get(logger, {"handlers": [], "disabled": False}).items():
                setattr(logger, name, value)
        module._handlers.update(known)
        module._handlerList[:0] = order
        for handled in {*before}:
            handled.setLevel(handled.level)  # forgets which levels were on


def _loggers() -> list[logging.Logger]:
    root = logging.getLogger()
    return [
        root,
        *(item for item in root.manager.loggerDict.values() if isinstance(item, logging.Logger)),
    ]


def _settings(logger: logging.Logger) -> dict[str, Any]:
    return {
        "level": logger.level,
        "handlers": logger.handlers[:],
        "filters": logger.filters[:],
        "propagate": logger.propagate,
        "disabled": logger.disabled,
    }


@contextmanager
def _hydra() -> Iterator[None]:
    """Keep the host's own Hydra out: it may run an application, in which this is called."""
    instances: dict[Any, Any] = Singleton._instances
    resolvers: dict[str, Any] = BaseContainer._resolvers
    before, registered = dict(instances), dict(resolvers)
    base = version.VersionBase.instance()
    version_base = base.version_base
    for kind in OF_ONE_APPLICATION:
        instances.pop(kind, None)
    try:
        yield
    finally:
        base.version_base = version_base
        for kind in OF_ONE_APPLICATION:
            instances.pop(kind, None)
            if kind in before:
                instances[kind] = before[kind]
        ours = {name: value for name, value in resolvers.items() if name.startswith(OUR_RESOLVERS)}
        resolvers.clear()
        resolvers.update(ours | registered)


@contextmanager
def _random_state() -> Iterator[None]:
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    devices: Any = torch.cuda
    cuda = devices.get_rng_state_all() if devices.is_initialized() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if cuda is not None:
            devices.set_rng_state_all(cuda)


@contextmanager
def _torch() -> Iterator[None]:
    cudnn: Any = torch.backends.cudnn
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark, cudnn_deterministic = cudnn.benchmark, cudnn.deterministic
    flushes, has_grad = _flushes_denormals(), torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    try:
        yield
    finally:
        torch.set_grad_enabled(has_grad)
        torch.set_flush_denormal(flushes)
        cudnn.benchmark, cudnn.deterministic = benchmark, cudnn_deterministic
        torch.use_deterministic_algorithms(deterministic, warn_only=warns)
        torch.set_default_dtype(dtype)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


@contextmanager
def _lines() -> Iterator[None]:
    """In a notebook print plain lines: rich would show each as HTML, and the kernel asks for colours."""
    module: Any = rich.console
    in_notebook = module._is_jupyter
    if not is_on("notebook_lines") or not in_notebook():
        yield
        return
    module._is_jupyter = lambda: False
    try:
        with environment_variables({"FORCE_COLOR": None}):
            yield
    finally:
        module._is_jupyter = in_notebook


def _flushes_denormals() -> bool:
    """Whether this thread takes denormal numbers for zero; torch does not say."""
    return bool((torch.full((1,), 1e-310, dtype=torch.float64) * 1.0 == 0).item())


PARTS = (_process, _signals, warnings.catch_warnings, _logging, _hydra, _random_state, _torch, _lines)
