"""Stacks spread over the devices of a machine, one at a time on each."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from abreast.errors import ConfigError, RunError
from abreast.stacking.options import Options
from hydra_plugins.abreast_launcher.engines import devices, work
from hydra_plugins.abreast_launcher.engines.devices import choose_devices, train_on_devices
from hydra_plugins.abreast_launcher.engines.work import WorkItem
from support.helpers import same


@pytest.mark.parametrize(
    ("value", "gpus", "expected"),
    [
        ("all", 3, ["0", "1", "2"]),
        ("all", 0, ["cpu"]),
        (2, 4, ["0", "1"]),
        (1, 0, ["cpu"]),
        ([3, 1], 4, ["3", "1"]),
        (["cpu", "cpu"], 0, ["cpu", "cpu"]),
    ],
)
def test_devices(value: Any, gpus: int, expected: list[str]) -> None:
    assert choose_devices(value, gpus) == expected


@pytest.mark.parametrize("value", ["al", "two", 0, -1, [], ["gpu"], True, 1.5, None, ["-1"], "12"])
def test_what_is_not_a_device_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="must be all, a number from 1, or such as"):
        choose_devices(value, 2)


@pytest.mark.parametrize(
    ("value", "gpus", "here"),
    [(3, 2, "no GPU 2; its GPUs are 0 to 1"), ([0, 5], 2, "no GPU 5"), (2, 0, "this machine has no GPU")],
)
def test_a_gpu_that_is_not_there_is_refused(value: Any, gpus: int, here: str) -> None:
    with pytest.raises(ConfigError, match=here):
        choose_devices(value, gpus)


@pytest.mark.parametrize(
    ("visible", "names"),
    [(None, ["0", "1"]), ("", ["0", "1"]), ("2,3", ["2", "3"]), (" GPU-8a , MIG-7f ", ["GPU-8a", "MIG-7f"])],
)
def test_gpus_are_called_as_this_process_sees_them(
    visible: str | None, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [work.visible_gpu(number) for number in range(2)] == names


def items(count: int) -> list[WorkItem]:
    """Items that are told apart by their path."""
    return [WorkItem([], Options(threads=1), path=(str(number),)) for number in range(count)]


def test_a_device_has_one_item_at_a_time_and_results_come_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    on: dict[str, list[str]] = {}

    def pool(device: str) -> Executor:
        return ThreadPoolExecutor(1, thread_name_prefix=device)

    def train(item: WorkItem) -> Any:
        name = threading.current_thread().name.partition("_")[0]
        on.setdefault(name, []).append(item.path[0])
        time.sleep(0.3 if item.path[0] == "0" else 0.01)
        if item.path[0] == "2":
            raise MemoryError("killed\nby the system")
        return [item.path[0]]

    monkeypatch.setattr(devices, "_process", pool)
    monkeypatch.setattr(devices, "train_in_worker", train)
    results: list[Any] = list(train_on_devices(items(5), ["0", "1"]))
    assert [result for result in results if isinstance(result, list)] == [["0"], ["1"], ["3"], ["4"]]
    assert isinstance(results[2], RunError)
    assert str(results[2]) == "the process of a stack has ended: killed"
    assert sorted(on.values()) == [["0"], ["1", "2", "3", "4"]]  # the free one takes the next


def test_a_worker_keeps_its_first_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(work, "_DEVICES", [])
    monkeypatch.setattr(work, "train", lambda item: [])
    for device, visible in ((1, "1"), (0, "1"), (None, "1")):
        work.train_in_worker(WorkItem([], Options(), device=device))
        assert os.environ["CUDA_VISIBLE_DEVICES"] == visible


@pytest.mark.long
def test_two_processes_leave_what_one_leaves(sweep: Callable[..., Any], tmp_path: Path) -> None:
    six = ("data=random", "data.size=200", "data.test_size=50", "trainer.max_epochs=2", "seed=range(6)")
    here = sweep(*six, name="here")
    there = sweep(*six, "hydra.launcher.devices=[cpu,cpu]", name="there")
    assert "2 parts of stacks go to cpu and cpu" in there.output
    assert there.statuses() == here.statuses() == ["finished"] * 6
    assert same(there.weights(), here.weights())


def test_devices_of_another_engine_or_with_a_typo_are_refused(sweep: Callable[..., Any]) -> None:
    common = ("data=random", "data.size=200", "trainer.max_epochs=1", "seed=0,1")
    done = sweep(*common, "hydra.launcher.devices=al", name="typo", code=2)
    assert "hydra.launcher.devices=al: must be all, a number from 1, or such as [0,1]" in done.output
    done = sweep(*common, "hydra.launcher.devices=2", "hydra.launcher.engine=joblib", name="both", code=2)
    assert "engine=joblib takes hydra.launcher.workers instead" in done.output
