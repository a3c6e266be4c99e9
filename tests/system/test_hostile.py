"""A run directory from a stranger: resuming it runs none of their code and writes nowhere but into it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from abreast.build.allowlist import check_output_paths
from abreast.cli.resume import main as resume
from abreast.errors import AbreastError, RunError
from abreast.inference.evaluate import evaluate
from abreast.learner import checkpoint
from abreast.runs.directory import RunDirectory
from abreast.runs.files import BEST, LAST
from support.helpers import compose
from support.odd_files import Malicious
from support.references import References

TINY = (
    "data=random",
    "data.size=100",
    "data.test_size=30",
    "model.hidden=[4]",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "schedule=exponential",
)


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: References) -> Path:
    """A copy of a run that could be resumed, beside where the command is given."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = reference(compose(*TINY)).copy_to(tmp_path / "run")
    RunDirectory(path).write_status("interrupted", reason="stopped by SIGTERM")
    return path


def change(path: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    config = RunDirectory(path).read_config()
    edit(config)
    (path / "config.yaml").write_text(yaml.dump(config, Dumper=yaml.CSafeDumper))


def snapshot(path: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


def check_refused(path: Path, *arguments: str) -> str:
    """Resuming is refused, with nothing written anywhere."""
    before = snapshot(path.parent)
    with pytest.raises(AbreastError) as error:
        resume([f"resume={path}", *arguments])
    assert snapshot(path.parent) == before
    return str(error.value)


def test_the_run_itself_can_be_resumed(stranger: Path) -> None:
    assert resume([f"resume={stranger}"]) == 0
    assert RunDirectory(stranger).read_status() == {"status": "finished"}
    assert resume([f"resume={stranger}", "trainer.max_epochs=2"]) == 0
    assert [row["epoch"] for row in RunDirectory(stranger).read_metrics()] == [1, 2]


@pytest.mark.parametrize("place", ["state_dict", "callbacks", "abreast", "optimizer_states", "loops"])
@pytest.mark.parametrize("name", [LAST, BEST])
def test_a_pickle_that_runs_code(name: str, place: str, stranger: Path, tmp_path: Path) -> None:
    mark, file = tmp_path / "mark", stranger / "checkpoints" / name
    torch.save({**checkpoint.load(file), place: Malicious(mark)}, file)
    torch.load(file, weights_only=False)
    assert mark.exists()  # the attack itself works
    mark.unlink()
    said = check_refused(stranger)
    assert name in said
    assert "loaded safely" in said
    with pytest.raises(RunError, match="loaded safely"):
        evaluate(stranger, checkpoint=name.removesuffix(".ckpt"))
    assert not mark.exists()


MARK = "{mark}"
CALLS: dict[str, dict[str, Any]] = {
    "os.system": {"command": f"touch {MARK}"},
    "subprocess.check_call": {"args": ["touch", MARK]},
    "builtins.eval": {"_args_": [f"open('{MARK}', 'w')"]},
    "pathlib.Path.touch": {"_args_": [MARK]},
    "abreast.runs.directory.os.system": {"command": f"touch {MARK}"},
    "abreast.runs.atomic.write_atomically": {"path": MARK, "content": "x"},
    "abreast.training.run.run": {"cfg": {}, "run_dir": MARK},
    "torch.utils.cpp_extension.load": {"name": "x", "sources": [MARK]},
    "torch.hub.load": {"repo_or_dir": MARK, "model": "x", "source": "local"},
    "torch.save": {"obj": "x", "f": MARK},
    "lightning.pytorch.cli.LightningCLI": {"model_class": "os.system"},
    "lightning.pytorch.core.datamodule.os.mkdir": {"path": MARK},
    "hydra.utils.instantiate": {"config": {"_target_": "os.system", "command": f"touch {MARK}"}},
}


def at(*keys: Any) -> Callable[[dict[str, Any], Any], None]:
    """Puts an attack there."""

    def put(config: Any, attack: Any) -> None:
        for key in keys[:-1]:
            config = config[key]
        config[keys[-1]] = attack

    return put


PLACES: dict[str, Callable[[dict[str, Any], Any], None]] = {
    "model": at("model"),
    "loss": at("loss"),
    "criterion": at("loss", "criterion"),
    "optim": at("optim"),
    "scheduler": at("schedule", "scheduler"),
    "a callback": at("callbacks", "progress"),
    "another callback": at("callbacks", "mine"),
    "a logger": at("logger", "tensorboard"),
    "another logger": at("logger", "mine"),
    "trainer": at("trainer"),
    "data": lambda config, attack: config["data"].update(attack),
    "inside model": at("model", "hidden"),
    "inside a list": at("model", "hidden", 0),
    "inside loss": at("loss", "scores"),
    "inside optim": at("optim", "lr"),
    "inside schedule": at("schedule", "interval"),
    "inside scheduler": at("schedule", "scheduler", "total_epochs"),
    "inside a callback": at("callbacks", "progress", "refresh"),
    "inside a logger": at("logger", "tensorboard", "prefix"),
    "inside trainer": at("trainer", "precision"),
    "plugins of trainer": at("trainer", "plugins"),
    "callbacks of trainer": lambda config, attack: config["trainer"].update(callbacks=[attack]),
    "inside data": at("data", "size"),
    "arguments of a callback": lambda config, attack: config["callbacks"]["progress"].update(_args_=[attack]),
    "arguments of trainer": lambda config, attack: config["trainer"].update(_args_=[attack]),
    "the list of callbacks": lambda config, attack: config.update(callbacks=[attack]),
    "names": at("names"),
    "seed": at("seed"),
    "monitor": at("monitor"),
}
FORMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "plain": lambda attack: attack,
    "partial": lambda attack: {**attack, "_partial_": True},
    "deeper": lambda attack: {"_target_": "builtins.dict", "x": {"y": [attack]}},
    "not recursive": lambda attack: {**attack, "_recursive_": False, "_convert_": "object"},
    "interpolated": lambda attack: "${oc.create:" + json.dumps(attack).replace('"', "'") + "}",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", FORMS)
def test_a_config_that_runs_code(
    form: str, place: str, stranger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every target at every place; in the other forms a third of these, so that all pairs are there."""
    mark = tmp_path / "mark"
    whole = (stranger / "config.yaml").read_text()
    RunDirectory(stranger).write_status("interrupted")
    offset = [*FORMS].index(form) + [*PLACES].index(place)
    for number, (target, arguments) in enumerate(CALLS.items()):
        if form != "plain" and (number + offset) % 3:
            continue
        text = json.dumps({"_target_": target, **arguments}).replace(MARK, str(mark))
        attack = FORMS[form](json.loads(text))
        if not isinstance(attack, dict) and place == "data":
            pytest.skip("its keys are set one by one")
        change(stranger, lambda config, attack=attack: PLACES[place](config, attack))  # type: ignore[misc]
        for command in (lambda: resume([f"resume={stranger}"]), lambda: evaluate(stranger)):
            with suppress(AbreastError):
                command()
            assert not mark.exists(), target
        (stranger / "config.yaml").write_text(whole)


OUTSIDE = "{outside}"
WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    "events elsewhere": ("logger", {"_target_": "abreast.loggers.TensorBoard", "save_dir": OUTSIDE}),
    "events by suffix": (
        "logger",
        {"_target_": "abreast.loggers.TensorBoard", "filename_suffix": "/../../../x"},
    ),
    "a table elsewhere": ("logger", {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": OUTSIDE}),
    "a table beside": (
        "logger",
        {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": ".", "name": "", "version": ""},
    ),
    "a table by name": ("logger", {"_target_": "lightning.pytorch.loggers.CSVLogger", "name": "../../x"}),
    "a table at home": ("logger", {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": "~/x"}),
    "checkpoints elsewhere": (
        "callbacks",
        {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "dirpath": OUTSIDE},
    ),
    "checkpoints beside": (
        "callbacks",
        {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "dirpath": "x"},
    ),
    "checkpoints by name": (
        "callbacks",
        {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "filename": OUTSIDE},
    ),
    "a keeper of our own": (
        "callbacks",
        {"_target_": "abreast.callbacks.PreemptionCheckpoint", "file": "train.py"},
    ),
    "a recorder of our own": ("callbacks", {"_target_": "abreast.callbacks.RunWriter", "directory": OUTSIDE}),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_config_that_writes_elsewhere(name: str, stranger: Path, tmp_path: Path) -> None:
    group, node = WRITERS[name]
    node = {k: str(tmp_path / "outside") if v == OUTSIDE else v for k, v in node.items()}
    change(stranger, lambda config: config[group].update(mine=node))
    said = check_refused(stranger)
    assert f"{group}.mine" in said
    assert "trust=[" in said
    # Evaluating builds neither.
    assert evaluate(stranger)
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("lightning.pytorch.loggers.WandbLogger", "wandb"),
        ("lightning.pytorch.loggers.MLFlowLogger", "mlflow"),
        ("abreast.loggers.Wandb", "wandb"),
        ("abreast.loggers.MLflow", "mlflow"),
    ],
)
def test_a_logger_that_sends_what_it_gets_needs_the_users_word(name: str, word: str, tmp_path: Path) -> None:
    """Where it is not installed `resume=` says so first: here its check alone."""
    config = compose(*TINY)
    config["logger"]["mine"] = {"_target_": name, "offline": False}
    with pytest.raises(RunError, match=rf"logger\.mine: .*{name}.*trust=\[{word}\]"):
        check_output_paths(config, tmp_path)
    check_output_paths(config, tmp_path, [word])


def test_a_registry_that_checkpoints_are_sent_to_needs_the_users_word(stranger: Path, tmp_path: Path) -> None:
    """Lightning hands the name to the package litmodels, where that is installed."""
    change(stranger, lambda config: config["trainer"].update(model_registry="somebody/model"))
    assert "trainer.model_registry=somebody/model: may send checkpoints" in check_refused(stranger)
    check_output_paths(RunDirectory(stranger).read_config(), stranger, ["litmodels"])


def test_what_the_user_trusts_is_written_to(stranger: Path, tmp_path: Path) -> None:
    node = {"_target_": "abreast.loggers.TensorBoard", "save_dir": str(tmp_path / "boards" / "mine")}
    change(stranger, lambda config: config["logger"].update(mine=node))
    assert f"trust=[{tmp_path / 'boards' / 'mine'}]" in check_refused(stranger)
    assert resume([f"resume={stranger}", f"trust=[{tmp_path / 'boards'}]"]) == 0
    assert [*(tmp_path / "boards" / "mine").glob("events.*")]


def test_a_folder_within_the_run_is_written_to(stranger: Path) -> None:
    node = {"_target_": "abreast.loggers.TensorBoard", "save_dir": str(stranger / "more")}
    change(stranger, lambda config: config["logger"].update(mine=node))
    assert resume([f"resume={stranger}"]) == 0
    assert [*(stranger / "more").glob("events.*")]


@pytest.mark.parametrize("name", ["train.log", "metrics.csv"])
def test_links_are_not_written_through(name: str, stranger: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes((stranger / name).read_bytes() if (stranger / name).exists() else b"")
    (stranger / name).unlink(missing_ok=True)
    (stranger / name).symlink_to(tmp_path / "mine")
    assert "link" in check_refused(stranger)


@pytest.mark.parametrize(
    "name", ["config.yaml", "status.json", "result.json", "test_examples.bin", "worst.json"]
)
def test_a_link_in_place_of_a_file_is_neither_read_nor_written_through(
    name: str, stranger: Path, tmp_path: Path
) -> None:
    before = (stranger / name).read_bytes() if (stranger / name).exists() else b"{}"
    (tmp_path / "mine").write_bytes(before)
    (stranger / name).unlink(missing_ok=True)
    (stranger / name).symlink_to(tmp_path / "mine")
    assert (stranger / name).read_bytes() == before  # a plain reader follows it
    with suppress(RunError):
        resume([f"resume={stranger}", "trainer.max_epochs=2"])
    assert (tmp_path / "mine").read_bytes() == before


@pytest.mark.parametrize("dirpath", [True, False], ids=["with its folder", "without"])
@pytest.mark.parametrize("form", ["{mine}", "{folder}/../../mine.ckpt", "memory://../../mine.ckpt"])
def test_a_checkpoint_that_names_files_to_remove(
    form: str, dirpath: bool, stranger: Path, tmp_path: Path
) -> None:
    """Lightning removes what the saved state of a ModelCheckpoint calls its last best file."""
    mine = tmp_path / "mine.ckpt"
    mine.write_text("dear")
    file = stranger / "checkpoints" / LAST
    named = form.format(mine=mine, folder=file.parent)
    content = checkpoint.load(file)
    found = [state for key, state in content["callbacks"].items() if key.startswith("ModelCheckpoint")]
    assert found
    for state in found:
        for key in checkpoint.MOVED:
            state[key] = named
        state["best_k_models"] = {named: torch.tensor(-1.0)}
        if not dirpath:
            del state["dirpath"]
    torch.save(content, file)
    with suppress(RunError):
        resume([f"resume={stranger}", "trainer.max_epochs=3"])
    assert mine.read_text() == "dear"


GARBAGE: dict[str, Any] = {"none": None, "text": "x", "number": 3, "list": [1], "empty": {}}


@pytest.mark.parametrize("kind", GARBAGE)
@pytest.mark.parametrize("key", [*checkpoint.KEYS, "abreast", "pytorch-lightning_version"])
def test_a_checkpoint_of_odd_content(key: str, kind: str, stranger: Path) -> None:
    file = stranger / "checkpoints" / LAST
    torch.save({**checkpoint.load(file), key: GARBAGE[kind]}, file)
    try:
        assert resume([f"resume={stranger}", "trainer.max_epochs=2"]) == 0
    except AbreastError as error:
        assert "last.ckpt" in str(error)  # noqa: PT017 (either outcome is right)
        assert "\n" not in str(error)  # noqa: PT017
