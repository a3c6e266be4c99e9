"""How a run was executed and on which data stands in its result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_type_hints

import pytest
from hydra.utils import execution_whitelist

from abreast.runs.directory import RunDirectory
from abreast.runs.schema import DataRecord, ExecutionRecord, ResultFile, typed
from abreast.training.run import run
from support.helpers import allowed, compose
from support.sweeps import Swept

SMALL = ("trainer.max_epochs=1", "logger=none")


def test_plain_and_stacked_runs_record_the_same_data(sweep: Callable[..., Swept], tmp_path: Path) -> None:
    stack = sweep(*SMALL, "seed=0,1")
    with allowed():
        run(compose(*SMALL, "trainer=cpu"), tmp_path / "plain")
    results = [other.read_result() for other in stack.runs().values()]
    plain = RunDirectory(tmp_path / "plain").read_result()
    assert plain["data"] == results[0]["data"] == results[1]["data"]
    data = plain["data"]
    assert (data["train"], data["val"], data["test"], data["classes"]) == (1294, 144, 359, 10)
    assert sum(data["class_counts_test"]) == data["test"]
    assert data["drawn"] == "test"  # the digits have no official test set
    assert data["chance"] == max(data["class_counts_test"]) / 359
    expected = {"accelerator": "cpu", "processes": 1, "stacked": False, "lanes": 1, "kernels": "individual"}
    assert expected.items() <= plain["execution"].items()
    expected = {"stacked": True, "lanes": 2, "shared_batches": False, "kernels": "batched", "threads": 1}
    assert expected.items() <= results[0]["execution"].items()
    assert plain["sources"] == {}
    on_cpu = get_type_hints(ExecutionRecord).keys() - {"products"}  # which stacks on a GPU have
    for result in (plain, *results):  # the schema knows every key, and a run writes all of them
        assert typed(result, ResultFile) == (result, [])
        assert result.keys() == get_type_hints(ResultFile).keys()
        assert result["execution"].keys() == on_cpu
        assert result["data"].keys() == get_type_hints(DataRecord).keys()


def test_regression_has_no_classes(tmp_path: Path) -> None:
    with allowed():
        run(compose(*SMALL, "trainer=cpu", "data=random_regression", "loss=mse"), tmp_path / "run")
    data = RunDirectory(tmp_path / "run").read_result()["data"]
    assert (data["classes"], data["class_counts_test"], data["chance"]) == (0, [], None)


def test_a_custom_source_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recorded_net.py").write_text(
        "import torch\n\n\nclass Net(torch.nn.Sequential):\n"
        "    def __init__(self, in_features, out_features):\n"
        "        super().__init__(torch.nn.Flatten(), torch.nn.Linear(in_features, out_features))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = compose(*SMALL, "trainer=cpu")
    config["model"] = {"_target_": "recorded_net.Net"}
    with execution_whitelist(["recorded_net.*", "torch.*", "abreast.*", "lightning.*"]):
        run(config, tmp_path / "run")
    sources = RunDirectory(tmp_path / "run").read_result()["sources"]
    assert list(sources) == ["recorded_net.Net"]


def test_a_sweep_finds_the_runs_of_another_device(sweep: Callable[..., Swept]) -> None:
    first = sweep(*SMALL, "seed=0,1").runs().keys()
    again = sweep(*SMALL, "trainer.accelerator=auto", "seed=0,1,2")
    assert "2 of 3 runs are finished already" in again.output
    assert first < again.runs().keys()
    assert len(again.runs()) == 3
