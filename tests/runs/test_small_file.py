"""One reader for every small file: what never ends, nests or expands without end is one error, at once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from abreast.errors import RunError
from abreast.report.files import read_curve, read_json, read_yaml
from abreast.runs.directory import RunDirectory
from abreast.runs.files import CONFIG, METRICS, RESULT, STATUS
from abreast.runs.small_file import MOST_DEPTH, parse_json, parse_yaml, read_text, texts
from support.odd_files import circle, endless, fifo, sparse

HERE = Path("file")


def folder(path: Path) -> None:
    path.mkdir()


def link(path: Path) -> None:
    outside = path.parent.parent / "outside"
    outside.write_text("format: 1\nsecret")
    path.symlink_to(outside)


def binary(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")


ODD = (fifo, endless, circle, sparse, folder, link, binary)
READERS: dict[str, Callable[[RunDirectory], object]] = {
    CONFIG: RunDirectory.read_config,
    STATUS: RunDirectory.read_status,
    RESULT: RunDirectory.read_result,
    METRICS: RunDirectory.read_metrics,
}


def hangs(path: Path) -> bool:
    """Whether a plain `open` and `read` of the file does not end, in a process with a limit of memory."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))"
    code = f"{limit}; import sys; print('begun', flush=True); open(sys.argv[1]).read()"
    command = [sys.executable, "-c", code, path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"  # its start does not count
        try:
            return process.wait(timeout=0.5) != 0
        except subprocess.TimeoutExpired:
            process.kill()
            return True


@pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", READERS)
def test_only_regular_files_are_read(name: str, make: Callable[[Path], None], tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    make(run.path / name)
    if name == CONFIG and make is not link:
        assert hangs(run.path / name)  # the attack itself works; a link is read by it
    began = time.process_time()
    with pytest.raises(RunError) as error:
        READERS[name](run)
    assert time.process_time() - began < 1
    assert name in str(error.value)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)
    assert read_json(run.path / name) == {}
    assert read_yaml(run.path / name) is None
    assert read_curve(run.path / name) == {}


def test_a_link_above_the_run_directory_is_followed(tmp_path: Path) -> None:
    (tmp_path / "scratch" / "run").mkdir(parents=True)
    (tmp_path / "runs").symlink_to(tmp_path / "scratch")
    run = RunDirectory(tmp_path / "runs" / "run")
    run.write_config({"seed": 1})
    assert run.read_config() == {"seed": 1}


NESTED = {
    "flow lists": "[" * 100_000,
    "closed lists": "[" * 100_000 + "]" * 100_000,
    "flow mappings": "{a: " * 100_000,
    "both": "[{a: " * 100_000,
    "block lists": "- " * 100_000,
    "keys": "? " * 100_000,
    "indented": "".join(" " * depth + "a:\n" for depth in range(900)),
    "just too deep": "a: " + "[" * MOST_DEPTH + "]" * MOST_DEPTH,
}


@pytest.mark.parametrize("kind", NESTED)
def test_yaml_that_nests_without_end(kind: str) -> None:
    began = time.process_time()
    with pytest.raises(RunError, match="file: not valid YAML"):
        parse_yaml(NESTED[kind], HERE)
    assert time.process_time() - began < 2


def test_brackets_end_a_process_that_reads_them_plainly() -> None:
    code = "import yaml; yaml.load('[' * 100_000, Loader=yaml.CSafeLoader)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode < 0  # a signal


TAGS = {
    "!!pairs [{a: 1}]": [("a", 1)],
    "!!omap [{a: 1}]": [("a", 1)],
    "!!set {a}": {"a"},
    "!!binary aGVsbG8=": b"hello",
    "2020-01-01": None,
    "<<: {a: 1}": {"a": 1},
    "x: [!!pairs [{_target_: os.system}]]": None,
    "{!!pairs [{a: 1}]: 1}": None,
    "!!seq {a: 1}": None,
    "!mine x": None,
    "!!python/name:os.system x": None,
}


@pytest.mark.parametrize("text", TAGS)
def test_yaml_of_other_kinds_than_plain_data(text: str) -> None:
    if TAGS[text] is not None:
        assert yaml.safe_load(text) == TAGS[text]  # what a plain reader lets pass
    with pytest.raises(RunError, match="not valid YAML"):
        parse_yaml(text, HERE)


def test_aliases_that_expand_without_end() -> None:
    bomb = "a: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"b{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    assert yaml.safe_load(bomb)  # small in memory: what walks over it never ends
    with pytest.raises(RunError, match="more than"):
        parse_yaml(bomb, HERE)
    assert yaml.safe_load("&a [*a]")
    with pytest.raises(RunError, match="nested deeper"):
        parse_yaml("&a [*a]", HERE)
    assert parse_yaml("a: &a [1, 2]\nb: *a", HERE) == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize("digits", ["1" * 5_000, "0x" + "f" * 100_000, "1" * 400 + ".5", "1:" * 3_000 + "1"])
def test_numbers_of_thousands_of_digits(digits: str) -> None:
    with pytest.raises(RunError, match="not valid YAML"):
        parse_yaml(f"a: {digits}", HERE)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "[" * 300 + "]" * 300,
        f'["{"1" * 5_000}", {"1" * 5_000}]',
        "1" * 400,
        r'"\ud800"',
        r'{"\udfff": 1}',
    ],
)
def test_json_that_nothing_can_use(text: str) -> None:
    with pytest.raises(RunError, match="file: not valid JSON"):
        parse_json(text, HERE)


def test_what_is_plain_passes() -> None:
    content = {"a": [[1, -2.5, None, True], {"b": "[{" * 300, "é": "\U0001f600"}], "long": "1" * 400}
    assert parse_json(json.dumps(content), HERE) == content
    assert parse_yaml(yaml.dump(content), HERE) == content
    wide = [[0] * 3] * 500
    assert parse_json(json.dumps(wide), HERE) == wide
    assert parse_yaml(yaml.dump({"w": list(range(5_000))}), HERE) == {"w": list(range(5_000))}
    assert sorted(texts({"k": ["a", {"b": 1}], "n": None})) == ["a", "b", "k", "n"]


@pytest.mark.parametrize("escaped", [r'"\x24{oc.env:HOME}"', r'"\u0024{a}"', r'"$\x7Ba}"', "${a}"])
@pytest.mark.parametrize("place", ["value", "key", "in a list"])
def test_interpolations_are_found_after_unescaping(place: str, escaped: str, tmp_path: Path) -> None:
    text = {"value": f"a: {escaped}", "key": f"{escaped}: 1", "in a list": f"a: [x, {escaped}]"}[place]
    if escaped == "${a}" and place != "value":
        text = text.replace(escaped, f"'{escaped}'")
    assert "${" in str(yaml.safe_load(text))
    (tmp_path / CONFIG).write_text(text)
    with pytest.raises(RunError, match="not resolved"):
        RunDirectory(tmp_path).read_config()


def test_files_that_grow_while_they_are_read(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="larger than"):
        read_text(Path("/proc/self/maps"), 100)  # its size is said to be 0
