"""Devices that are certainly not there are named before torch is imported; in doubt, torch decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from abreast.validation import accelerator
from abreast.validation.accelerator import check_accelerator


def messages(name: object) -> list[str]:
    return list(check_accelerator({"trainer": {"accelerator": name}}))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A Linux machine with a driver, and a torch that is built for CUDA."""
    monkeypatch.setattr(accelerator.sys, "platform", "linux")  # type: ignore[attr-defined]
    monkeypatch.setattr(accelerator, "_has_driver", lambda: True)
    monkeypatch.setattr(accelerator, "_builds", lambda: {"cuda": "13.0", "hip": None})
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return monkeypatch


@pytest.mark.parametrize("name", ["gpu", "cuda", "cpu", "auto", None, 3])
def test_nothing_to_say(name: object, gpu: pytest.MonkeyPatch) -> None:
    assert messages(name) == []


@pytest.mark.parametrize("name", ["gpu", "cuda"])
def test_why_there_is_no_gpu(name: str, gpu: pytest.MonkeyPatch) -> None:
    for hidden in ("", "-1"):
        gpu.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert "CUDA_VISIBLE_DEVICES hides every GPU; write trainer.accelerator=auto" in messages(name)[0]
    gpu.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert messages(name) == []
    gpu.setattr(accelerator, "_has_driver", lambda: False)
    assert f"trainer.accelerator: {name} cannot be used here: there is no NVIDIA driver" in messages(name)[0]
    gpu.setattr(accelerator, "_builds", lambda: {"cuda": None, "hip": "6.4"})  # AMD's has another driver
    assert messages(name) == []
    gpu.setattr(accelerator, "_builds", lambda: {"cuda": None, "hip": None})
    assert "this build of torch is for CPUs alone" in messages(name)[0]
    gpu.setattr(accelerator, "_builds", lambda: None)
    assert messages(name) == []


def test_devices_of_other_machines(gpu: pytest.MonkeyPatch) -> None:
    assert "only Macs have it" in messages("mps")[0]
    gpu.setattr(accelerator.sys, "platform", "darwin")  # type: ignore[attr-defined]
    assert messages("mps") == messages("gpu") == []


def test_what_torch_says_of_itself(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    builds = accelerator._builds()
    assert builds is not None
    assert builds["cuda"] == torch.version.cuda
    (tmp_path / "version.py").write_text("cuda: Optional[str] = None\nhip = '6'\n")
    assert accelerator._versions(tmp_path / "version.py") == {"cuda": None, "hip": "6"}
    assert accelerator._versions(tmp_path / "missing.py") is None
