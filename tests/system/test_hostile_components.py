"""What a stranger's configuration may build, read and fetch: listed classes, chosen places, no downloads."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from abreast.build.allowed_classes import HOMES, KINDS, allowed_class
from abreast.build.allowlist import check_data_paths, trusted_targets
from abreast.cli.resume import main as resume
from abreast.errors import AbreastError, DataError, RunError
from abreast.inference.evaluate import evaluate
from abreast.inference.load import rebuild, reopened
from abreast.runs.directory import RunDirectory
from support.command_line import run_command
from support.helpers import ROOT, compose
from support.references import References

TINY = ("data=random", "data.size=100", "data.test_size=30", "model.hidden=[4]", "trainer=cpu")


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: References) -> Path:
    """A copy of a run that could be resumed, beside where the command is given."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = reference(compose(*TINY, "trainer.max_epochs=1")).copy_to(tmp_path / "run")
    RunDirectory(path).write_status("interrupted", reason="stopped by SIGTERM")
    return path


def change(path: Path, **parts: Any) -> None:
    directory = RunDirectory(path)
    directory.write_config({**directory.read_config(), **parts})


NOT_LISTED = {
    "module": (
        "torchmetrics.multimodal.CLIPScore",
        "torchmetrics.text.BERTScore",
        "torchmetrics.image.LearnedPerceptualImagePatchSimilarity",
        "torchmetrics.image.fid.FrechetInceptionDistance",
        "torchmetrics.audio.DeepNoiseSuppressionMeanOpinionScore",
        "torch.jit.ScriptModule",
        "torch.export.unflatten.UnflattenedModule",
        "torch.nn.modules.module.torch.hub.load",
        "torch.nn.Embedding.from_pretrained",
        "torch.nn.functional.relu",
        "torchvision.models.resnet18",
        "lightning.pytorch.LightningModule",
    ),
    "metrics": (
        "torchmetrics.multimodal.CLIPScore",
        "torchmetrics.image.fid.FrechetInceptionDistance",
        "torchmetrics.text.BERTScore",
        "torchmetrics.wrappers.MultioutputWrapper",
        "torch.nn.Linear",
        "abreast.metrics.StageMetrics",
        "torchmetrics.functional.classification.accuracy",
    ),
    "optim": ("torch.distributed.optim.ZeroRedundancyOptimizer", "torch.optim.Adam.step", "torch.nn.Linear"),
    "callbacks": ("lightning.pytorch.callbacks.LambdaCallback", "lightning.pytorch.callbacks.SpikeDetection"),
    "data": ("abreast.data.Source", "abreast.data.mnist_family.read_idx", "abreast.data.download.download"),
    "trainer": ("lightning.pytorch.cli.LightningCLI", "lightning.fabric.Fabric"),
}


@pytest.mark.parametrize("kind", NOT_LISTED)
def test_classes_of_the_same_packages_that_are_not_listed(kind: str) -> None:
    for target in NOT_LISTED[kind]:
        assert allowed_class(kind, target) is None, target


@pytest.mark.parametrize("kind", HOMES)
def test_all_that_is_listed_is_of_its_kind(kind: str) -> None:
    listed = {
        "data": "abreast.data.random_classes",
        "module": "torch.nn.CrossEntropyLoss",
        "metrics": "torchmetrics.classification.MulticlassCohenKappa",
        "optim": "torch.optim.Adam",
        "schedule": "torch.optim.lr_scheduler.StepLR",
        "callbacks": "lightning.pytorch.callbacks.EarlyStopping",
        "logger": "abreast.loggers.TensorBoard",
        "trainer": "lightning.pytorch.Trainer",
    }
    found = allowed_class(kind, listed[kind])
    assert KINDS[kind][0](found)
    assert allowed_class(kind, f"{found.__module__}.{found.__qualname__}") is found
    assert allowed_class("module", "torch.nn.Linear") is nn.Linear


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "torchmetrics.multimodal.CLIPScore", "mode": "max"},
        {"_target_": "builtins.print", "mode": "max"},
        {"_target_": "os.system", "command": "true", "mode": "max"},
        {"_target_": "torchmetrics.classification.MulticlassF1Score", "average": {"_target_": "os.getcwd"}},
        {"mode": "max"},
    ],
    ids=str,
)
def test_a_metric_that_is_not_on_the_list(node: dict[str, Any], stranger: Path) -> None:
    change(stranger, metrics={"stranger": node})
    for command in (lambda: evaluate(stranger), lambda: resume([f"resume={stranger}"])):
        with pytest.raises(
            AbreastError,
            match=r"not on the list|not built|part of Python|has no _target_|an object \(os\.getcwd\) is not",
        ):
            command()


def test_a_listed_metric_of_a_stranger_is_measured(stranger: Path) -> None:
    node = {"_target_": "torchmetrics.classification.MulticlassCohenKappa", "mode": "max"}
    change(stranger, metrics={"stranger_kappa": node})
    assert 0 < evaluate(stranger)["test/stranger_kappa"] <= 1


def test_a_module_is_not_imported_to_decide() -> None:
    """`torch.utils.model_dump.__main__` reads the command line's arguments on import, and ends there."""
    target = "torch.utils.model_dump.__main__.main"
    plain = f"import hydra.utils; hydra.utils.get_object({target!r})"
    done = subprocess.run([sys.executable, "-c", plain, "--no"], capture_output=True, text=True)
    assert "usage" in done.stderr  # the attack itself works
    config = compose(*TINY)
    config["model"] = {"_target_": target}
    with pytest.raises(RunError, match="not on the list"):
        trusted_targets(config)


CLIP_SCORE = "torchmetrics.multimodal.clip_score.CLIPScore"
LOADS_CODE = """
import json, sys
import hydra.utils
from hydra.utils import execution_whitelist
with execution_whitelist(["torchmetrics.*", "torch.hub.load"]):
    try:
        hydra.utils.instantiate(json.loads(sys.argv[1]))
    except Exception as error:
        print(error)
"""


@pytest.mark.parametrize("form", ["a callable", "a folder"])
def test_a_class_that_loads_code(form: str, stranger: Path, tmp_path: Path) -> None:
    """CLIPScore calls an argument that is a function, and runs the code of a folder."""
    folder, mark = tmp_path / "jinaai", tmp_path / "mark"
    folder.mkdir()
    for name in ("hubconf.py", "evil.py"):
        (folder / name).write_text(f"open({str(mark)!r}, 'w').close()\ndef x(): pass\n")
    (folder / "config.json").write_text('{"auto_map": {"AutoConfig": "evil.X"}}')
    node: dict[str, Any] = {
        "_target_": CLIP_SCORE,
        "model_name_or_path": str(folder),
    }
    if form == "a callable":
        load = {"_target_": "torch.hub.load", "_partial_": True, "repo_or_dir": str(folder), "model": "x"}
        node["model_name_or_path"] = {**load, "source": "local"}
    else:
        pytest.importorskip("transformers", reason="torchmetrics reads folders by the package transformers")
    environment = {**os.environ, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    attack = [sys.executable, "-c", LOADS_CODE, json.dumps(node)]
    done = subprocess.run(attack, env=environment, capture_output=True, text=True)
    assert mark.exists(), done.stdout + done.stderr  # the attack itself works
    mark.unlink()
    for parts in ({"model": node}, {"metrics": {"stranger": {**node, "mode": "max"}}}):
        change(stranger, **parts)
        for command in (lambda: evaluate(stranger), lambda: resume([f"resume={stranger}"])):
            with pytest.raises(AbreastError, match=r"CLIPScore: not run|torch\.hub\.load"):
                command()
    assert not mark.exists()


def test_ranks_may_build_what_their_parent_may(stranger: Path, tmp_path: Path) -> None:
    """What the parent's checks let pass, an unlisted target deep inside, is not built by a rank either."""
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "hubconf.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w').close()\ndef x(): pass\n")
    call = {"repo_or_dir": str(evil), "model": "x", "source": "local", "trust_repo": True}
    torch.hub.load(**call)
    assert (tmp_path / "mark").exists()  # the attack itself works
    (tmp_path / "mark").unlink()
    text = (stranger / "config.yaml").read_text()
    pair = ", ".join(f"{key}: {str(value).lower()}" for key, value in call.items())
    pairs = f"!!pairs [{{a: {{_target_: torch.hub.load, {pair}}}}}]"
    (stranger / "config.yaml").write_text(
        text.replace("tensorboard:\n", f"tensorboard:\n    comment: {pairs}\n")
    )
    command = [sys.executable, str(ROOT / "train.py"), f"resume={stranger}", "trainer.strategy=ddp"]
    outcome = run_command([*command, "trainer.devices=2"], tmp_path)
    assert not (tmp_path / "mark").exists()
    assert outcome.code == 2
    assert "pairs" in outcome.err
    # A rank that is started by hand checks as resuming does, and one that a run starts has its permissions.
    change_target = {"_target_": "torch.hub.load", **call}
    (stranger / "config.yaml").write_text(text)
    change(stranger, model=change_target)
    for permitted in ({}, {"ABREAST_RANK_MAY": '{"targets": [], "downloads": false, "modules": []}'}):
        rank = run_command([sys.executable, "-m", "abreast", "rank", str(stranger)], tmp_path, **permitted)
        assert rank.code != 0
        assert not (tmp_path / "mark").exists()


@pytest.fixture
def server() -> Iterator[tuple[str, list[bytes]]]:
    """An address that notes every request."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    heard.append(connection.recv(4096))

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", heard
        listening.shutdown(socket.SHUT_RDWR)


def test_nothing_is_downloaded_for_a_run_directory(
    stranger: Path, tmp_path: Path, server: tuple[str, list[bytes]]
) -> None:
    from abreast.data import mnist

    address, heard = server
    with pytest.raises(DataError):
        mnist(tmp_path / "empty", [address])
    assert heard  # from the command line it is
    heard.clear()
    data = {**RunDirectory(stranger).read_config()["data"], "_target_": "abreast.data.mnist"}
    data = {key: value for key, value in data.items() if key in compose("data=mnist")["data"]}
    change(stranger, data={**data, "dir": str(tmp_path / "none"), "mirrors": [f"{address}/x"]})
    for command in (lambda: evaluate(stranger), lambda: resume([f"resume={stranger}"])):
        with pytest.raises(DataError, match="downloads nothing"):
            command()
    assert not heard
    assert not (tmp_path / "none").exists()


def test_resolvers_do_not_run(stranger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "dear")
    file = stranger / "config.yaml"
    file.write_text(file.read_text() + 'mirrors: ["http://127.0.0.1/\\x24{oc.env:SECRET}"]\n')
    for command in (lambda: evaluate(stranger), lambda: resume([f"resume={stranger}"])):
        with pytest.raises(RunError, match="not resolved") as error:
            command()
        assert "dear" not in str(error.value)


@pytest.mark.parametrize("name", ["../outside.ckpt", "{outside}", "checkpoints/best"])
def test_a_checkpoint_that_a_config_names(name: str, stranger: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.ckpt"
    outside.write_bytes((stranger / "checkpoints" / "best.ckpt").read_bytes())
    change(stranger, checkpoint=name.format(outside=outside))
    for command in (lambda: evaluate(stranger), lambda: resume([f"resume={stranger}"])):
        with pytest.raises(AbreastError, match="checkpoint"):
            command()
    change(stranger, checkpoint="best")
    assert evaluate(stranger, checkpoint=str(outside))  # the user may name it


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_checkpoint_that_is_a_link_to_elsewhere(what: str, stranger: Path, tmp_path: Path) -> None:
    path = stranger / "checkpoints" / ("best.ckpt" if what == "file" else "")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert torch.load(stranger / "checkpoints" / "best.ckpt", weights_only=True)  # a plain reader follows it
    with pytest.raises(RunError, match="leads out of"):
        evaluate(stranger)


IDX = {"train_images": "x", "train_labels": "x", "test_images": "x", "test_labels": "x"}


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../secret", "~/secret", "{run}/link", "link", "{run}/../secret", "a\0b"]
)
def test_data_files_outside_the_chosen_places(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, here = tmp_path / "run", tmp_path / "here"
    run.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    (tmp_path / "secret").write_text("dear")
    for folder in (run, here):
        (folder / "link").symlink_to(tmp_path / "secret")
    data = {"_target_": "abreast.data.idx", **IDX, "train_images": path.format(run=run)}
    with pytest.raises(RunError, match=r"data\.train_images=.*--trust FOLDER") as error:
        check_data_paths(data, run)
    assert "dear" not in str(error.value)
    check_data_paths(data, run, ["train_images"])
    if "\0" not in path:
        check_data_paths(data, run, ["/etc", str(tmp_path), str(Path("~").expanduser())])


@pytest.mark.parametrize("path", ["data/x", "./x", "{run}/x", "{here}/x"])
def test_data_files_in_the_chosen_places(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = path.format(run=tmp_path / "run", here=tmp_path)
    check_data_paths({"_target_": "abreast.data.idx", **IDX, "test_images": path}, tmp_path / "run")


def test_the_command_line_names_places(stranger: Path, tmp_path: Path) -> None:
    """With the run itself: refused, then read because of the word, and missing."""
    config = RunDirectory(stranger).read_config()
    loader = {key: config["data"][key] for key in ("task", "batch_size", "val_fraction")}
    files = {key: str(tmp_path / "elsewhere" / key) for key in IDX}
    change(stranger, data={"_target_": "abreast.data.idx", **loader, **files})
    with pytest.raises(RunError, match="not read"):
        evaluate(stranger)
    with pytest.raises(RunError, match="not read"):
        resume([f"resume={stranger}"])
    with pytest.raises(DataError, match="train_images"):
        evaluate(stranger, trust=[str(tmp_path / "elsewhere")])
    with reopened(stranger, reads_data=False) as (directory, opened):
        assert rebuild(directory, opened)
