"""Checkpoints are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from abreast.errors import RunError
from abreast.learner.checkpoint import (
    facts,
    load,
    resume_point_or_clear,
    trained_digest,
    weights,
    write,
)
from abreast.learner.checkpoint_io import AtomicCheckpointIO
from abreast.runs.directory import RunDirectory
from abreast.runs.files import LAST
from abreast.runs.format import FORMAT, KEY, NewerFormatError


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.ckpt"
    AtomicCheckpointIO().save_checkpoint({"state_dict": {"w": torch.ones(3)}, "epoch": 2}, path)
    assert load(path)["epoch"] == 2
    assert torch.equal(weights(path)["w"], torch.ones(3))
    assert [file.name for file in path.parent.iterdir()] == ["a.ckpt"]


def test_a_failed_write_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.ckpt"
    io = AtomicCheckpointIO(every=0)
    io.save_checkpoint({"state_dict": {}, "epoch": 1}, path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        io.save_checkpoint({"state_dict": {}, "epoch": 2}, path)
    assert load(path)["epoch"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["a.ckpt"]


def test_a_file_is_not_written_at_every_epoch_but_nothing_is_lost(tmp_path: Path) -> None:
    best, last = tmp_path / "best.ckpt", tmp_path / "last.ckpt"
    io = AtomicCheckpointIO(every=3600)
    weight = torch.zeros(2)
    for epoch in range(3):
        weight += 1  # training continues with the very tensors that were saved
        io.save_checkpoint({"state_dict": {"w": weight}, "epoch": epoch}, last)
        if epoch < 2:
            io.save_checkpoint({"state_dict": {"w": weight}, "epoch": epoch}, best)
    assert load(last)["epoch"] == 0  # there is a whole file from the first epoch on
    weight += 1
    io.teardown()
    assert (load(best)["epoch"], load(last)["epoch"]) == (1, 2)
    assert weights(best)["w"].tolist() == [2, 2]
    assert weights(last)["w"].tolist() == [3, 3]
    io.remove_checkpoint(best)
    io.flush()
    assert not best.exists()


def test_nothing_is_written_outside_the_targets_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))  # Lightning's own goes through it
    AtomicCheckpointIO().save_checkpoint({"state_dict": {}}, tmp_path / "a.ckpt")
    assert load(tmp_path / "a.ckpt") == {"state_dict": {}}


def test_every_flipped_bit_gives_a_checkpoint_or_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    AtomicCheckpointIO().save_checkpoint({"state_dict": {"w": torch.arange(4.0)}}, path)
    whole = path.read_bytes()
    refused = []
    for place in range(0, len(whole), 7):
        broken = bytearray(whole)
        broken[place] ^= 1 << place % 8
        path.write_bytes(broken)
        try:
            load(path)
        except RunError as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert all("a.ckpt" in message for message in refused)


def test_a_flipped_bit_of_a_stored_weight_is_noticed(tmp_path: Path) -> None:
    """torch loads it as another weight: only the zip file's checksum tells."""
    path = tmp_path / "a.ckpt"
    weight = torch.arange(1000.0)
    write(path, {"state_dict": {"w": weight}})
    whole = path.read_bytes()
    stored = weight.numpy().tobytes()
    start = whole.index(stored)
    for place in (0, 1001, len(stored) - 1):
        broken = bytearray(whole)
        broken[start + place] ^= 1
        path.write_bytes(broken)
        assert not torch.load(path, weights_only=True)["state_dict"]["w"].equal(weight)
        with pytest.raises(RunError, match=r"a\.ckpt: not a checkpoint that can be .*(CRC-32|checksum)"):
            load(path)


def test_a_file_without_weights_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "a.ckpt")
    with pytest.raises(RunError, match="holds no weights"):
        load(tmp_path / "a.ckpt")
    with pytest.raises(RunError, match=r"gone\.ckpt: no such checkpoint"):
        load(tmp_path / "gone.ckpt")


def test_a_checkpoint_of_a_newer_format_is_refused_and_kept(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    path = directory.checkpoints / LAST
    write(path, {"state_dict": {}, "abreast": {KEY: FORMAT + 1}})
    before = path.read_bytes()
    with pytest.raises(NewerFormatError, match=rf"last\.ckpt: has format {FORMAT + 1}"):
        resume_point_or_clear(directory)
    assert path.read_bytes() == before


def test_what_a_last_checkpoint_says_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = RunDirectory(tmp_path)
    last = directory.checkpoints / LAST
    last.parent.mkdir()
    content = {"state_dict": {}, "epoch": 2, "global_step": 40, "loops": {}, "callbacks": {}}
    content |= {"optimizer_states": [], "lr_schedulers": [], "DataModule": {"digest": "abc"}}
    loaded: list[Path] = []

    def counted(path: Path, *arguments: Any, **options: Any) -> Any:
        loaded.append(path)
        return torch_load(path, *arguments, **options)

    torch_load = torch.load
    monkeypatch.setattr(torch, "load", counted)
    assert trained_digest(directory) is None
    write(last, content)
    assert (trained_digest(directory), facts(last).logged_steps) == ("abc", 40)
    assert loaded == [last]
    write(last, {**content, "global_step": 60, "DataModule": {"digest": "def"}})
    assert (trained_digest(directory), facts(last).logged_steps) == ("def", 60)
    assert loaded == [last, last]
    last.write_bytes(b"broken")
    with pytest.raises(RunError, match=LAST):
        facts(last)
    write(last, {key: value for key, value in content.items() if key != "loops"})
    with pytest.raises(RunError, match="no `loops`"):
        facts(last)
