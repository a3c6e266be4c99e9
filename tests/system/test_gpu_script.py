"""`make gpu` and `make gpu-wheels`, as far as they go without a GPU."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import bdtrc, bdtrik

from support.helpers import ROOT

SCRIPTS = ROOT / "scripts"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The modules of `make gpu`."""
    monkeypatch.syspath_prepend(SCRIPTS)
    import gpu

    return gpu


def rehearse(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """The rows of a rehearsal on the CPU."""
    command = [sys.executable, SCRIPTS / "gpu.py", "--device", "cpu", "--out", folder, *arguments]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    rows: list[dict[str, Any]] = json.loads((folder / "gpu.json").read_text())
    return rows


@pytest.mark.long
def test_a_rehearsal_measures_steps_and_their_share_of_the_roofline(tmp_path: Path) -> None:
    rows = rehearse(tmp_path, "--parts", "roofline", "steps")
    assert {row["peak"] for row in rows if "peak" in row} == {"copy", "float32", "tf32", "bf16"}
    (step,) = (row for row in rows if "us" in row)
    assert step["parameters"] == 64 * 32 + 32 + 32 * 10 + 10
    # forward and weights' gradients of both layers, the inputs' gradient of the second
    assert step["flops"] == 2 * 32 * (2 * 64 * 32 + 3 * 32 * 10)
    text = (tmp_path / "gpu.md").read_text()
    assert "| 64-32-10 | 2 | float32 | abreast |" in text
    assert " % |" in text


@pytest.mark.long
def test_a_whole_rehearsal(tmp_path: Path) -> None:
    rows = rehearse(tmp_path)
    assert {row["part"] for row in rows} == {"machine", "tests", "roofline", "steps", "others", "sweep"}
    assert any(row.get("outcome") == "passed" for row in rows)
    assert {row["arm"] for row in rows if "arm" in row} >= {"abreast", "graphed loop", "torch.func vmap"}
    assert any("sweep" in row and row["seconds"] > 0 for row in rows)


def test_a_part_that_is_late_is_cut_with_all_it_has_started(scripts: Any) -> None:
    began = time.monotonic()
    sleeper = "import subprocess; print('begun', flush=True); subprocess.run(['sleep', '60'])"
    printed = list(scripts.lines([sys.executable, "-c", sleeper], dict(os.environ), 2))
    assert time.monotonic() - began < 30
    assert printed[0] == "begun\n"
    assert json.loads(printed[-1]) == {"part": "ended", "note": "cut after 2 s"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_cut_leaves_what_was_measured_and_no_process(number: int, tmp_path: Path) -> None:
    """After the first measurement of a part that has more."""
    command = [
        sys.executable,
        SCRIPTS / "gpu.py",
        "--device",
        "cpu",
        "--out",
        tmp_path,
        "--parts",
        "roofline",
    ]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ, text=True
    )
    file = tmp_path / "gpu.json"
    for _ in range(600):
        rows = json.loads(file.read_text()) if file.exists() else []
        if any(row.get("peak") == "copy" for row in rows):
            break
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 2  # the part, and what kills it if this process is killed
    process.send_signal(number)
    printed, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert any(row.get("peak") == "copy" for row in json.loads(file.read_text()))
    if number == signal.SIGKILL:
        assert "| copy |" in (tmp_path / "gpu.md").read_text()
        for _ in range(600):
            if not any(map(_is_there, children)):
                break
            time.sleep(0.05)
    else:
        assert "| copy |" in printed
        assert (tmp_path / "gpu.md").read_text() in printed
    assert not any(map(_is_there, children))


def _is_there(process: str) -> bool:
    """Whether a process runs; one that has ended may wait for its parent to look."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_parts_get_the_time_that_others_leave_and_all_end_in_time(scripts: Any) -> None:
    total = sum(part.seconds for part in scripts.PARTS)
    assert total <= scripts.TOTAL_SECONDS < 480
    for most, used in ((470, 1.0), (470, 0.3), (200, 1.0), (1880, 0.5)):
        left = float(most)
        for number, part in enumerate(scripts.PARTS):
            seconds = scripts.limit(scripts.PARTS[number:], left, most)
            assert seconds >= min(1.0, most / total) * part.seconds - 1e-6
            left -= used * seconds
        assert left > -1e-6
    (only,) = (part for part in scripts.PARTS if part.name == "tests")
    assert scripts.limit([only], 470, 470) == 470


def test_a_test_that_fails_and_a_part_that_breaks_are_failures(scripts: Any, tmp_path: Path) -> None:
    report = scripts.gpu_report.Report(tmp_path)
    for line in ("tests/a.py::test_b[c] PASSED [50%]", '{"note": "no jax"}', "noise", "{broken"):
        row = scripts.parsed("tests", line)
        if row is not None:
            report.add(row)
    assert not report.failures()
    report.add(scripts.parsed("tests", "tests/a.py::test_b[d e] FAILED [99%]"))
    report.add(scripts.parsed("steps", json.dumps({"part": "ended", "note": "ended with code 1"})))
    assert len(report.failures()) == 2
    report.add({"part": "steps", "note": "cut after 120 s"})  # the last ones have the least to tell
    assert len(report.failures()) == 2
    report.add({"part": "tests", "note": "cut after 180 s"})
    assert len(report.failures()) == 3
    report.add(scripts.parsed("tests", "tests/a.py::test_b[f] SKIPPED (falls back: no compiler) [ 99%]\n"))
    text = (tmp_path / "gpu.md").read_text()
    assert "1 failed, 1 passed, 1 skipped" in text
    assert "- 1 skipped: falls back: no compiler" in text
    assert json.loads((tmp_path / "gpu.json").read_text()) == report.rows


def test_only_wheels_of_missing_packages_are_unpacked(scripts: Any, tmp_path: Path) -> None:
    for name in ("torch", "no_such_package"):
        with zipfile.ZipFile(tmp_path / f"{name}-1.0-py3-none-any.whl", "w") as archive:
            archive.writestr(f"{name}/__init__.py", "")
    with zipfile.ZipFile(tmp_path / "other-1.0-cp312-cp312-linux_x86_64.whl", "w") as archive:
        archive.writestr("other/__init__.py", "")
    site = tmp_path / "site"
    assert scripts.gpu_wheels.unpack(tmp_path, site) == ["no-such-package"]
    assert [path.name for path in site.iterdir()] == ["no_such_package"]


def test_of_a_wheel_that_is_compiled_for_speed_the_python_files_are_unpacked(
    scripts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts.gpu_wheels, "WITH_FALLBACK", ("faster",))
    with zipfile.ZipFile(tmp_path / "faster-1.0-cp312-cp312-linux_x86_64.whl", "w") as archive:
        archive.writestr("faster/__init__.py", "")
        archive.writestr("faster/_fast.cpython-312-x86_64-linux-gnu.so", "")
    site = tmp_path / "site"
    assert scripts.gpu_wheels.unpack(tmp_path, site) == ["faster"]
    assert [path.name for path in (site / "faster").iterdir()] == ["__init__.py"]


def test_stand_ins_take_the_places_of_missing_packages_alone(
    scripts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    from abreast.data import sklearn_digits

    assert scripts.gpu_stand_ins.write(tmp_path) == []
    monkeypatch.setattr(scripts.gpu_stand_ins, "find_spec", lambda name: None)
    assert scripts.gpu_stand_ins.write(tmp_path) == ["Pillow", "scipy", "scikit-learn"]
    inputs, targets = sklearn_digits._read(tmp_path / "sklearn" / "datasets" / "data" / "digits.csv.gz")
    assert inputs.max() <= 16
    assert set(targets.tolist()) == set(range(10))
    pillow: dict[str, Any] = {}
    exec((tmp_path / "PIL" / "__init__.py").read_text(), pillow)
    for shape in ((5, 7, 3), (5, 7)):
        pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        file = io.BytesIO()
        pillow["Image"].fromarray(pixels).save(file, "PNG")
        assert (np.asarray(Image.open(file)) == pixels).all()
    with pytest.raises(ImportError, match="Pillow is not installed"):
        pillow["Image"].open("image.png")


def test_the_stand_in_of_scipy_has_binomials_and_refuses_the_rest(scripts: Any, tmp_path: Path) -> None:
    (tmp_path / "scipy").mkdir()
    (tmp_path / "scipy" / "__init__.py").write_text(scripts.gpu_stand_ins.SCIPY)
    cases = [(0, 5, 0.5), (7, 50, 0.1), (50, 360, 0.1), (5, 5, 0.2)]
    code = f"""
import scipy.signal
from scipy import special, stats
for case in {cases}:
    print(special.bdtrc(*case), special.bdtrik(0.995, *case[1:]))
try:
    stats.binomtest(1, 2)
except OSError as error:  # which the end of a sweep tells
    print(error, hasattr(scipy.signal, "hamming"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    *values, last = done.stdout.splitlines()
    assert last == "scipy is not installed True", done.stderr
    for value, (hits, examples, share) in zip(values, cases, strict=True):
        tail, quantile = map(float, value.split())
        assert tail == pytest.approx(bdtrc(hits, examples, share))
        assert quantile == math.ceil(bdtrik(0.995, examples, share))


def test_the_goals_are_compared_with_what_was_measured(scripts: Any) -> None:
    peaks = [{"part": "roofline", "peak": p, "per_second": v} for p, v in (("float32", 1e12), ("copy", 1e12))]
    step = {"part": "steps", "arm": "abreast", "net": "784-256-10", "precision": "float32", "flops": 1e6}
    step |= {"parameters": 1e5, "low": 0.0, "high": 9.0, "start_s": 1.0}  # 1 and 2.8 us at the peaks
    report = scripts.gpu_report
    for us, lanes, expected in ((4.0, 512, "| reached |"), (6.5, 2048, "| not reached |"), (4.0, 64, None)):
        text = report.text([*peaks, {**step, "us": us, "lanes": lanes}])
        assert expected in text if expected else "## Goals" not in text
    assert "at most 5 µs, at least 60 % | 4.00 µs, 95 %" in report.text(
        [*peaks, {**step, "us": 4.0, "lanes": 512}]
    )


def test_the_forms_of_products_are_shown_once(scripts: Any) -> None:
    rows = [
        {"part": "steps", "products": {"card": dict.fromkeys(shapes, "in parts")}}
        for shapes in (["8 x 2"], ["8 x 2", "9 x 2"])
    ]
    text = scripts.gpu_report.text(rows)
    assert text.count("| 8 x 2 | in parts |") == text.count("| 9 x 2 | in parts |") == 1


def test_every_test_of_a_gpu_is_in_the_file_that_is_run(scripts: Any) -> None:
    mark = "pytest.mark." + "gpu"
    files = [path for path in (ROOT / "tests").rglob("*.py") if mark in path.read_text()]
    assert [path.relative_to(ROOT).as_posix() for path in files] == [scripts.TESTS]
    assert scripts.command("tests", "cpu", ROOT)[-1] == scripts.TESTS
