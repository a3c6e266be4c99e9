"""Every change that is made to a library or to this process, with the versions it was tested with. No torch.

None of them changes a weight. `ABREAST_NO_PATCHES=1` turns all of them off, and one turns itself off where
its library no longer has what it relies on. What changes the arithmetic is not a patch. To add one, write a
row of `PATCHES` and ask `is_on(name)` where it is applied.
"""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from importlib import import_module

from abreast.runtime.patch import Patch
from abreast.runtime.versions import installed_version

log = logging.getLogger(__name__)

SWITCH = "ABREAST_NO_PATCHES"


PATCHES = (
    Patch(
        "fast_import",
        home="abreast.runtime.fast_import",
        library="lightning",
        tested=("2.6", "2.6"),
        what="imports Lightning without torchvision, scipy.signal, Triton and torch's compiler",
        without="a command starts later, by the time that importing these takes",
        private=("lightning_utilities.core.imports:find_spec", "lightning_utilities.core.imports:_version"),
    ),
    Patch(
        "lazy_dynamo",
        home="abreast.runtime.lazy_dynamo",
        library="torch",
        tested=("2.14", "2.14"),
        what="imports torch's compiler when something compiles",
        without="a command starts later, by the time that importing torch._dynamo takes",
        private=("torch:_lazy_modules", "torch:compile"),
    ),
    Patch(
        "fused_step",
        home="abreast.optim.fused_step",
        library="torch",
        tested=("2.14", "2.14"),
        what="calls the kernels of Adam, AdamW and SGD without the work around them in `step`",
        without="each optimizer step calls `optimizer.step`, which calls the same kernels",
        private=(
            "torch:_fused_adam_",
            "torch:_fused_adamw_",
            "torch:_fused_sgd_",
            "torch:_foreach_add_",
            "torch.optim.optimizer:_global_optimizer_pre_hooks",
            "torch.optim.optimizer:_global_optimizer_post_hooks",
        ),
    ),
    Patch(
        "matmul_question",
        home="abreast.runtime.matmul_precision",
        library="torch",
        tested=("2.11", "2.14"),
        what="answers get_float32_matmul_precision, which raises where the precision is set for one backend",
        without="a run with matmul_precision stops on a GPU: Lightning asks before it trains",
    ),
    Patch(
        "allocator",
        home="abreast.runtime.allocator",
        library="glibc",
        tested=None,
        what="lets malloc keep freed memory for the next step",
        without="each step takes its memory from the system again",
    ),
    Patch(
        "nvml_check",
        home="abreast.runtime.process",
        library="torch",
        tested=("2.14", "2.14"),
        what="sets PYTORCH_NVML_BASED_CUDA_CHECK=0 on machines without CUDA, where Lightning sets it to 1",
        without="each optimizer step looks for a driver again",
    ),
    Patch(
        "log_handlers",
        home="abreast.runtime.process",
        library="lightning",
        tested=("2.6", "2.6"),
        what="lets Lightning's log messages pass through Hydra's handlers alone, from WARNING on",
        without="Lightning's messages are printed twice, with the notices among them",
    ),
    Patch(
        "warning_filters",
        home="abreast.runtime.process",
        library="lightning",
        tested=("2.6", "2.6"),
        what="hides two of Lightning's warnings: of a deprecated class in torch, of a checkpoint directory",
        without="both warnings are printed",
    ),
    Patch(
        "garbage",
        home="abreast.runtime.garbage",
        library="python",
        tested=None,
        what="keeps the garbage collector from the libraries' objects in imports, checks, stacks and at exit",
        without="it searches about a million objects that stay, at times and at exit",
    ),
    Patch(
        "sweep_loader",
        home="abreast.config.sweep_loader",
        library="hydra-core",
        tested=("1.4", "1.4"),
        what="composes the jobs of a sweep once, in the launcher, from the configuration that they share",
        without="Hydra reads and merges all files again for each job, in the sweeper and in the launcher",
        private=(
            "hydra._internal.config_loader_impl:ConfigLoaderImpl.load_sweep_config",
            "hydra.plugins.sweeper:Sweeper.validate_batch_is_legal",
        ),
    ),
    Patch(
        "event_file",
        home="abreast.loggers.tensorboard",
        library="torch",
        tested=("2.14", "2.14"),
        what="writes TensorBoard's events in one go now and then, without a thread for each run",
        without="each run has a thread that writes one event after the other, with checksums in pure Python",
        private=("torch.utils.tensorboard:SummaryWriter._get_file_writer",),
    ),
    Patch(
        "writer_thread",
        home="abreast.loggers.tensorboard",
        library="tensorboard",
        tested=("2.21", "2.21"),
        what="keeps the thread that writes events from printing an error of the disk that the run reports",
        without="the error is printed twice, once with a traceback",
    ),
    Patch(
        "hparams_columns",
        home="abreast.hparams.all_runs",
        library="tensorboard",
        tested=("2.21", "2.21"),
        what="finds the columns of HPARAMS in all runs that TensorBoard shows",
        without="of several sweeps at once HPARAMS has the columns of one",
        private=(
            "tensorboard.plugins.hparams.backend_context:Context.experiment_from_metadata",
            "tensorboard.plugins.hparams.backend_context:Context.scalars_metadata",
        ),
    ),
    Patch(
        "notebook_lines",
        home="abreast.api.host",
        library="rich",
        tested=("15.0", "15.0"),
        what="lets rich print plain lines where a notebook calls abreast.train and the like",
        without="each line is shown as HTML, and has escape codes in its text",
        private=("rich.console:_is_jupyter",),
    ),
    Patch(
        "lightning_loops",
        home="abreast.learner.lightning_loops",
        library="lightning",
        tested=("2.6", "2.6"),
        what="saves and restores a position within an epoch, and counts the steps of a block",
        without="training works with steps_per_execution=1 and does not resume within an epoch",
        private=("lightning.pytorch.loops.progress:_Progress",),
        required=True,
    ),
    Patch(
        "metric_state",
        home="abreast.metrics.torchmetrics_state",
        library="torchmetrics",
        tested=("1.9", "1.9"),
        what="saves and restores how often a metric was updated, so that an epoch resumes within",
        without="an epoch cannot be resumed within: torchmetrics has no public way to set the count",
        private=("torchmetrics:Metric.metric_state", "torchmetrics:Metric.update_called"),
        required=True,
    ),
)
_BY_NAME = {patch.name: patch for patch in PATCHES}


def patch(name: str) -> Patch:
    """The row of that name. KeyError for a name that has none."""
    return _BY_NAME[name]


def is_on(name: str) -> bool:
    """Whether a patch is to be applied. KeyError for a name that has no row.

    The environment is read each time. A patch whose self-check fails is off, and a warning says so once.
    """
    row = patch(name)
    if row.required:
        return True
    return os.environ.get(SWITCH) != "1" and _fits(row)


@lru_cache
def _fits(patch: Patch) -> bool:
    missing = missing_names(patch)
    if missing:
        log.warning(
            "%s %s has no %s: continuing without the patch %s (%s)",
            patch.library,
            installed_version(patch.library),
            ", ".join(missing),
            patch.name,
            patch.without,
        )
    return not missing


def missing_names(patch: Patch) -> list[str]:
    """The private names that a patch relies on and the installed library does not have."""
    return [name for name in patch.private if not _exists(name)]


def _exists(name: str) -> bool:
    module, _, path = name.partition(":")
    try:
        value: object = import_module(module)
        for attribute in path.split("."):
            value = getattr(value, attribute)
    except (ImportError, AttributeError):
        return False
    return True


def version_problem(patch: Patch, installed: str) -> str | None:
    """What to do where a version is outside the tested range; None inside it, and where there is no range."""
    if patch.tested is None:
        return None
    first, last = patch.tested
    if _release(first) <= _release(installed) <= _release(last):
        return None
    relation = "newer" if _release(installed) > _release(last) else "older"
    tested = first if first == last else f"{first} to {last}"
    return (
        f"{patch.library} {installed} is {relation} than the versions that {patch.name} was tested with "
        f"({tested}): check that {patch.home} still does what its docstring says, then "
        f"{'raise' if relation == 'newer' else 'lower'} the range in {__name__}"
    )


def _release(text: str) -> tuple[int, int]:
    major, minor = text.split(".")[:2]
    return int(major), int("".join(digit for digit in minor if digit.isdigit()))
