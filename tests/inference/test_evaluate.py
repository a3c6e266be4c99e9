"""Any run again from its directory: the same numbers, other data, and no code of a stranger's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from abreast.cli.evaluate import main
from abreast.errors import AbreastError, ConfigError, DataError, RunError
from abreast.inference.evaluate import evaluate
from abreast.runs.directory import RunDirectory
from support.odd_files import Malicious
from support.small_runs import TWO_EPOCHS


@pytest.mark.parametrize(
    "overrides",
    [
        ("loss=cross_entropy", "model.norm=batch", "model.dropout=0.5"),
        ("loss=hinge", "optim=schedule_free"),
        ("ema=0.9", "optim=momentum"),
        ("loss=balanced_softmax", "data.classes=3"),
        ("loss=cross_entropy", "loss.criterion.weight=[1,2,3,4,5,6,7,8,9,10]"),
        ("data=random_regression", "data.size=200", "data.test_size=100", "loss=huber"),
        ("trainer.precision=bf16-mixed",),
        ("trainer.precision=64-true",),
        ("checkpoint=last",),
        ("data.eval_batch_size=7",),
    ],
    ids=" ".join,
)
def test_evaluation_equals_the_runs_own_test(overrides: tuple[str, ...], train: Callable[..., Path]) -> None:
    path = train(*TWO_EPOCHS, *overrides)
    kept = RunDirectory(path).read_result()["metrics"]
    found = evaluate(path)
    assert found
    assert found == {name: value for name, value in kept.items() if name.startswith("test/")}


def test_checkpoints_by_name_and_path(train: Callable[..., Path], tmp_path: Path) -> None:
    path = train(*TWO_EPOCHS, "trainer.max_epochs=8", "optim.lr=0.3")
    best, last = evaluate(path, checkpoint="best"), evaluate(path, checkpoint="last")
    assert best != last  # at this learning rate the last epoch is not the best one
    shutil.copy(path / "checkpoints" / "last.ckpt", tmp_path / "elsewhere.ckpt")
    assert evaluate(path, checkpoint=str(tmp_path / "elsewhere.ckpt")) == last


def test_a_run_can_be_moved(train: Callable[..., Path], tmp_path: Path) -> None:
    path = train(*TWO_EPOCHS)
    before = evaluate(path)
    path.rename(tmp_path / "moved")
    assert evaluate(tmp_path / "moved") == before


def test_other_data(train: Callable[..., Path]) -> None:
    path = train(*TWO_EPOCHS)
    assert evaluate(path, overrides=["data.seed=0"]) == evaluate(path)
    assert evaluate(path, overrides=["data.seed=1"]) != evaluate(path)  # another teacher
    named = evaluate(path, overrides=["data=random", "data.size=200", "data.test_size=100"])
    assert named == evaluate(path)
    with pytest.raises(ConfigError, match=r"examples of shape \(1, 8, 8\).*network takes \(20,\)"):
        evaluate(path, overrides=["data=digits"])
    with pytest.raises(ConfigError, match=r"optim\.lr=1: only the data can be changed"):
        evaluate(path, overrides=["optim.lr=1"])
    with pytest.raises(ConfigError, match=r"data\.sead=1: the run's data take task, batch_size"):
        evaluate(path, overrides=["data.sead=1"])


def test_the_command(train: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = train(*TWO_EPOCHS)
    assert main([str(path), "--json", str(tmp_path / "out.json")]) == 0
    assert json.loads((tmp_path / "out.json").read_text()) == evaluate(path)
    assert "test/accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("checkpoints/best.ckpt", None, "no such checkpoint"),
        ("checkpoints/best.ckpt", b"", "not a checkpoint that can be loaded safely"),
        ("checkpoints/best.ckpt", b"PK\x03\x04 nonsense", "not a checkpoint that can be loaded safely"),
        ("config.yaml", None, "config.yaml: missing"),
        ("config.yaml", b"seed: 0\n", "has no `data`"),
    ],
)
def test_broken_runs_are_named(
    file: str, content: bytes | None, message: str, train: Callable[..., Path]
) -> None:
    path = train(*TWO_EPOCHS)
    (path / file).unlink()
    if content is not None:
        (path / file).write_bytes(content)
    with pytest.raises(RunError, match=message):
        evaluate(path)


def test_a_truncated_checkpoint_is_named(train: Callable[..., Path]) -> None:
    path = train(*TWO_EPOCHS)
    file = path / "checkpoints" / "best.ckpt"
    whole = file.read_bytes()
    for share in (0.01, 0.5, 0.99):
        file.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(RunError, match=r"best\.ckpt: not a checkpoint"):
            evaluate(path)


def test_another_networks_checkpoint_is_named(train: Callable[..., Path]) -> None:
    path, other = train(*TWO_EPOCHS), train(*TWO_EPOCHS, "model.hidden=[5]", name="other")
    with pytest.raises(RunError, match="not a checkpoint of this run's network"):
        evaluate(path, checkpoint=str(other / "checkpoints" / "best.ckpt"))


def test_a_pickle_that_runs_code_does_not(train: Callable[..., Path], tmp_path: Path) -> None:
    path = train(*TWO_EPOCHS)
    mark = tmp_path / "mark"
    content = {"state_dict": {}, "abreast": Malicious(mark)}
    torch.save(content, path / "checkpoints" / "best.ckpt")
    torch.load(path / "checkpoints" / "best.ckpt", weights_only=False)
    assert mark.exists()  # the attack itself works
    mark.unlink()
    with pytest.raises(RunError, match="loaded safely"):
        evaluate(path)
    assert not mark.exists()


ATTACKS = {
    "os.system": {"command": "touch {mark}"},
    "subprocess.check_call": {"args": ["touch", "{mark}"]},
    "builtins.eval": {"_args_": ["open('{mark}', 'w')"]},
    "pathlib.Path.touch": {"_args_": ["{mark}"]},
    "abreast.runs.directory.os.system": {"command": "touch {mark}"},
    "abreast.data.download.download": {"name": "x", "md5": "", "mirrors": [], "target": "{mark}"},
    "abreast.runs.atomic.write_atomically": {"path": "{mark}", "content": "x"},
    "torch.load": {"f": "{mark}", "weights_only": False},
    "torch.hub.load": {"repo_or_dir": "{mark}", "model": "x", "source": "local"},
    "torch.nn.functional.torch.save": {"obj": "x", "f": "{mark}"},
    "torch.utils.cpp_extension.load": {"name": "x", "sources": ["{mark}"]},
    "torch.distributed.launcher.api.launch_agent": {
        "config": None,
        "entrypoint": "touch",
        "args": ["{mark}"],
    },
    "lightning.pytorch.Trainer": {"default_root_dir": "{mark}"},
    "hydra.utils.instantiate": {"config": {"_target_": "os.system"}},
}


@pytest.mark.parametrize("place", ["model", "loss", "criterion", "data", "inside data", "inside model"])
@pytest.mark.parametrize("target", ATTACKS)
def test_a_config_that_runs_code_does_not(
    target: str, place: str, train: Callable[..., Path], tmp_path: Path
) -> None:
    path = train(*TWO_EPOCHS, "trainer.max_epochs=1")
    mark = tmp_path / "mark"
    text = json.dumps({"_target_": target, **ATTACKS[target]}).replace("{mark}", str(mark))  # type: ignore[dict-item]
    attack = json.loads(text)
    config = RunDirectory(path).read_config()
    match place:
        case "criterion":
            config["loss"]["criterion"] = attack
        case "inside data":
            config["data"]["size"] = attack
        case "inside model":
            config["model"]["hidden"] = [attack]
        case _:
            config[place] = {**attack, "task": "classification"} if place == "data" else attack
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(AbreastError):
        evaluate(path)
    assert not mark.exists()


def test_a_users_own_network_needs_their_word(
    train: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = train(*TWO_EPOCHS, "trainer.max_epochs=1")
    (tmp_path / "own_networks.py").write_text(
        "from abreast.models import MLP\nclass Own(MLP):\n    '''A network of one's own.'''\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = RunDirectory(path).read_config()
    config["model"]["_target_"] = "own_networks.Own"
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(RunError, match="--trust own_networks"):
        evaluate(path)
    assert evaluate(path, trust=["own_networks"])["test/accuracy"] > 0


def test_data_that_went_away_are_named(train: Callable[..., Path], tmp_path: Path) -> None:
    path = train(*TWO_EPOCHS, "trainer.max_epochs=1")
    config = RunDirectory(path).read_config()
    files = dict.fromkeys(("train_images", "train_labels", "test_images", "test_labels"), "gone")
    loader = {key: config["data"][key] for key in ("task", "batch_size", "val_fraction")}
    config["data"] = {"_target_": "abreast.data.idx", **files, **loader}
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(DataError, match="gone"):
        evaluate(path)
