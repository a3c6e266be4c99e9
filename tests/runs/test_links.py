"""Links inside a directory are not written through; one above it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from abreast.errors import RunError
from abreast.runs.atomic import write_atomically
from abreast.runs.links import check_output_folder, refuse_links_out
from abreast.runs.replaced import clear


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "victim").mkdir()
    return tmp_path / "run"


PLACES: dict[str, Callable[[Path], Path]] = {
    "a file": lambda run: run / "train.log",
    "a folder": lambda run: run / "events",
    "a file deeper": lambda run: run / "checkpoints" / "last.ckpt",
    "a folder deeper": lambda run: run / "checkpoints" / "more",
}


@pytest.mark.parametrize("form", ["absolute", "relative", "through another link", "circle", "to nothing"])
@pytest.mark.parametrize("place", PLACES)
def test_links_that_lead_out(place: str, form: str, run: Path) -> None:
    link, victim = PLACES[place](run), run.parent / "victim"
    match form:
        case "absolute":
            link.symlink_to(victim)
        case "relative":
            link.symlink_to(os.path.relpath(victim, link.parent))
        case "through another link":
            (run.parent / "second").symlink_to(victim)
            link.symlink_to(run.parent / "second")
        case "circle":
            link.symlink_to(link)
        case _:
            link.symlink_to(victim / "new")
    if form == "to nothing":
        link.write_text("lost")
    elif form != "circle":
        (link / "new").write_text("lost")
    assert (victim / "new").exists() == (form != "circle")  # what is written through the link lands there
    with pytest.raises(RunError, match="link to elsewhere") as error:
        refuse_links_out(run)
    assert str(link) in str(error.value)
    if form != "circle":
        refuse_links_out(run, [victim])


def test_links_within_and_above_are_followed(run: Path) -> None:
    (run / "latest").symlink_to("checkpoints")
    (run.parent / "above").symlink_to(run.parent)
    refuse_links_out(run)
    refuse_links_out(run.parent / "above" / "run")
    check_output_folder(run.parent / "above" / "run" / "export", run.parent / "above" / "run", "--to")
    refuse_links_out(run / "missing")


@pytest.mark.parametrize("depth", ["the folder", "a folder in it", "a file in it"])
def test_output_folders(depth: str, run: Path) -> None:
    out, victim = run / "export", run.parent / "victim"
    if depth == "the folder":
        out.symlink_to(victim)
    else:
        out.mkdir()
        (out / "figures").symlink_to(victim if "folder" in depth else victim / "file")
    written = out / {"the folder": "", "a folder in it": "figures", "a file in it": "figures"}[depth]
    (written / "file" if "folder" in depth else written).write_text("lost")
    assert (victim / "file").read_text() == "lost"  # the attack itself works
    with pytest.raises(RunError, match="--to"):
        check_output_folder(out, run, "--to")


def test_a_link_in_place_of_the_partial_file(run: Path) -> None:
    """The name of the file that is moved over the old one can be guessed."""
    victim = run.parent / "victim" / "file"
    partial = run / f".status.json.{os.getpid()}.part"
    partial.symlink_to(victim)
    partial.write_bytes(b"{}")
    partial.rename(run / "status.json")
    assert victim.read_text() == "{}"  # the attack itself works
    victim.write_text("dear")
    partial.symlink_to(victim)
    write_atomically(run / "status.json", b"{}")
    assert victim.read_text() == "dear"
    assert (run / "status.json").read_bytes() == b"{}"
    assert not (run / "status.json").is_symlink()


def test_clearing_removes_the_link_and_not_what_it_names(run: Path) -> None:
    (run.parent / "victim" / "last.ckpt").write_text("dear")
    (run / "checkpoints").rmdir()
    (run / "checkpoints").symlink_to(run.parent / "victim")
    for file in (run / "checkpoints").iterdir():
        file.unlink()
    assert not [*(run.parent / "victim").iterdir()]  # the attack itself works
    (run.parent / "victim" / "last.ckpt").write_text("dear")
    clear(run)
    assert (run.parent / "victim" / "last.ckpt").read_text() == "dear"
    assert not (run / "checkpoints").is_symlink()
