"""Products of many lanes take the form that a clock says is the fastest, and keep it when a run resumes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from abreast.learner.checkpoint import load, write
from abreast.runs.directory import RunDirectory
from abreast.stacking import device_products, product_cache, sequential
from abreast.stacking.build import Job
from abreast.stacking.device_products import BATCHED, FORMS, chosen, multiply, remember
from abreast.stacking.run import train_stack
from support.helpers import allowed, compose, same

LANES = 70  # more than are multiplied at once


class Clock:
    """Stands still but for the forms, which take the given seconds."""

    def __init__(self, **seconds: float) -> None:
        self.now = 0.0
        self.seconds = {name.replace("_", " "): value for name, value in seconds.items()}
        self.calls: list[str] = []

    def perf_counter(self) -> float:
        return self.now

    def timed(self, name: str) -> Callable[[Tensor, Tensor, Tensor], object]:
        form = FORMS[name]

        def call(left: Tensor, right: Tensor, out: Tensor) -> object:
            self.calls.append(name)
            self.now += self.seconds.get(name, 1.0)
            return form(left, right, out)

        return call


@pytest.fixture
def use_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Clock], None]:
    """Lets the CPU be timed as a device, by a clock; nothing is chosen yet."""

    def use(clock: Clock) -> None:
        monkeypatch.setattr(device_products, "_chosen", {})
        monkeypatch.setattr(device_products, "_tried", set())
        monkeypatch.setattr(device_products, "is_measured", lambda device: True)
        monkeypatch.setattr(device_products, "time", clock)
        monkeypatch.setattr(device_products, "FORMS", {name: clock.timed(name) for name in FORMS})

    return use


def factors() -> tuple[Tensor, Tensor, Tensor]:
    """Factors, of which the second is transposed, and a bias."""
    generator = torch.Generator().manual_seed(0)
    left, right, bias = (
        torch.randn(LANES, *size, generator=generator) for size in ((5, 12), (8, 12), (1, 8))
    )
    return left, right.mT, bias


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_the_product_and_is_taken_where_it_is_the_fastest(
    name: str, use_clock: Callable[[Clock], None]
) -> None:
    if name == "foreach" and not hasattr(torch, "_foreach_mm"):
        pytest.skip("this version of torch has no such product")
    clock = Clock(**{name.replace(" ", "_"): 0.5})
    use_clock(clock)
    left, right, bias = factors()
    out = torch.empty(LANES, 5, 8)
    for _ in range(2):  # timed, and known
        assert multiply(left, right, out=out) is out
        torch.testing.assert_close(out, torch.bmm(left, right))
        torch.testing.assert_close(multiply(left, right, bias), torch.baddbmm(bias, left, right))
    assert chosen() == {"products": {"cpu": {f"{LANES} x 5 x 12 x 8 nt float32": name}}}
    assert set(clock.calls) >= {*FORMS} - {"foreach"}
    calls = len(clock.calls)
    multiply(left, right)
    assert clock.calls[calls:] == [name]


@pytest.mark.parametrize("seconds", [{"grouped": 0.95}, {}])
def test_noise_does_not_choose(seconds: dict[str, float], use_clock: Callable[[Clock], None]) -> None:
    use_clock(Clock(**seconds))
    left, right, _ = factors()
    multiply(left, right)
    assert set(chosen()["products"]["cpu"].values()) == {BATCHED}


def test_a_form_that_is_wrong_or_refuses_is_not_taken(
    use_clock: Callable[[Clock], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_clock(Clock())

    def wrong(left: Tensor, right: Tensor, out: Tensor) -> object:
        return torch.bmm(left, right, out=out).mul_(1.01)

    def refused(left: Tensor, right: Tensor, out: Tensor) -> object:
        raise RuntimeError("not on this device")

    for name in [name for name in FORMS if name != BATCHED]:
        monkeypatch.setitem(device_products.FORMS, name, wrong if name == "grouped" else refused)
    left, right, _ = factors()
    multiply(left, right)
    assert set(chosen()["products"]["cpu"].values()) == {BATCHED}


KEY = f"{LANES} x 5 x 12 x 8 nt float32"


def taken(clock: Clock, use_clock: Callable[[Clock], None]) -> tuple[str, list[str]]:
    """The form that a new process takes, and the forms that it has tried."""
    use_clock(clock)
    left, right, _ = factors()
    torch.testing.assert_close(multiply(left, right), torch.bmm(left, right))
    return chosen()["products"]["cpu"][KEY], clock.calls


def test_the_next_process_takes_the_same_form(
    use_clock: Callable[[Clock], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABREAST_CACHE", str(tmp_path / "cache"))
    assert taken(Clock(one_by_one=0.5), use_clock)[0] == "one by one"
    form, tried = taken(Clock(in_parts=0.5), use_clock)
    assert (form, {*tried}) == ("one by one", {"one by one"})
    monkeypatch.setattr(product_cache, "_card", lambda device: "another card or torch")
    assert taken(Clock(in_parts=0.5), use_clock)[0] == "in parts"
    monkeypatch.setenv("ABREAST_CACHE", "off")
    assert taken(Clock(grouped=0.5), use_clock)[0] == "grouped"
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["products.json"]


def test_a_form_that_is_kept_but_cannot_be_had_is_chosen_anew(
    use_clock: Callable[[Clock], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the cache, or by the checkpoint of a run that resumes with another version."""

    def refused(left: Tensor, right: Tensor, out: Tensor) -> object:
        raise AttributeError("not in this version")

    monkeypatch.setenv("ABREAST_CACHE", str(tmp_path))
    assert taken(Clock(grouped=0.5), use_clock)[0] == "grouped"
    left, right, _ = factors()
    for _ in range(2):
        use_clock(Clock(in_parts=0.5))
        monkeypatch.setitem(device_products.FORMS, "grouped", refused)
        remember({"products": {"cpu": {KEY: "grouped"}}})
        multiply(left, right)
        assert chosen()["products"]["cpu"] == {KEY: "in parts"}
    remember({"products": {"cpu": {KEY: "grouped"}}})  # a lane that joins
    multiply(left, right)
    assert chosen()["products"]["cpu"] == {KEY: "in parts"}


def test_on_the_cpu_nothing_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_products, "_chosen", {})
    monkeypatch.setattr(device_products, "time", None)
    left, right, bias = factors()
    assert multiply(left, right).equal(torch.bmm(left, right))
    assert multiply(left, right, bias).equal(torch.baddbmm(bias, left, right))
    assert chosen() == {}


def test_what_a_stranger_wrote_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_products, "_chosen", {})
    strange: tuple[Any, ...] = (None, 3, [], {"a": 1}, {1: {"k": BATCHED}}, {"a": {"k": "os.system"}})
    for products in (*strange, {"a": {2: BATCHED}}):
        remember({"products": products})
    remember({"products": {"a": {"k": ["batched"], "m": {}}}})
    remember({})
    assert chosen() == {}
    remember({"products": {"card": {"shape": "grouped", "other": "?"}}})
    assert chosen() == {"products": {"card": {"shape": "grouped"}}}


def let_resume(run: Path) -> None:
    """Let a run that has ended be one that was stopped after its last epoch, to be trained for more."""
    file = run / "checkpoints" / "last.ckpt"
    content = load(file)
    content["abreast"]["position"]["should_stop"] = False
    write(file, content)
    for name in ("result.json", "status.json"):
        (run / name).unlink()


def test_a_stack_that_resumes_multiplies_as_before(
    use_clock: Callable[[Clock], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though another form is faster now."""
    monkeypatch.setattr(sequential, "is_on_device", lambda state: True)
    common = ("trainer=cpu", "logger=none", "callbacks=none", "model.hidden=[16]", "test=false")
    more = ("trainer.limit_train_batches=4", "data.batch_size=8")
    configs = [compose(*common, *more, "trainer.max_epochs=2", f"seed={seed}") for seed in range(2)]

    def train(folder: Path, clock: Clock, epochs: int = 2) -> list[dict[str, Any]]:
        use_clock(clock)
        shorter: list[Any] = copy.deepcopy(configs)
        for config in shorter:
            config["trainer"]["max_epochs"] = epochs
        with allowed():
            outcomes = train_stack([Job(config, folder / str(n)) for n, config in enumerate(shorter)])
        assert not [outcome.error for outcome in outcomes if outcome.error]
        return [load(folder / str(n) / "checkpoints" / "last.ckpt") for n in range(2)]

    whole = train(tmp_path / "whole", Clock(one_by_one=0.5))
    forms = RunDirectory(tmp_path / "whole" / "0").read_result()["execution"]["products"]["cpu"]
    assert len(forms) >= 5
    assert {*forms.values()} == {"one by one"}
    assert whole[0]["abreast"]["products"] == {"cpu": forms}
    part = train(tmp_path / "part", Clock(one_by_one=0.5), epochs=1)
    assert part[0]["abreast"]["products"] == {"cpu": forms}
    for number in range(2):
        let_resume(tmp_path / "part" / str(number))
    clock = Clock(grouped=0.5)
    resumed = train(tmp_path / "part", clock)
    assert set(clock.calls) == {"one by one"}
    assert same([one["state_dict"] for one in resumed], [one["state_dict"] for one in whole])
