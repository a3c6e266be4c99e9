"""Our events file holds, byte for byte, what TensorBoard's own writer writes."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c as reference
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from abreast.loggers import event_file
from abreast.loggers.crc32c import PIECE, crc32c, masked_crc32c
from abreast.loggers.event_file import EventFile

VALUES = {
    "train/loss": 0.1,
    "zero": 0.0,
    "ünï": -1e-40,
    "large": 1e300,
    "less": -1e300,
    "nan": math.nan,
    "inf": math.inf,
    "x" * 200: 3,
}


def test_checksums() -> None:
    assert crc32c([b"123456789"]) == [0xE3069283]  # the check value of CRC-32C in RFC 3720
    assert crc32c([]) == []
    draw = random.Random(0)
    lengths = [*range(4, 12), PIECE - 1, PIECE, PIECE + 1, *(draw.randrange(4, 3000) for _ in range(40))]
    texts = [draw.randbytes(length) for length in lengths] + [bytes(100), b"\xff" * 100]
    assert masked_crc32c(texts) == [reference(text) for text in texts]


@pytest.mark.parametrize("step", [0, 1, 127, 128, 10**12, -1])
def test_bytes(step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1234.5)
    ours, theirs = EventFile(str(tmp_path / "ours")), EventFileWriter(str(tmp_path / "theirs"))
    ours.add_scalars(VALUES, step)
    image = Summary(value=[Summary.Value(tag="i", image=Summary.Image(encoded_image_string=b"p" * 5000))])
    ours.add_summary(image, step)
    for tag, value in VALUES.items():
        scalar = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        theirs.add_event(Event(wall_time=1234.5, step=step, summary=scalar))
    theirs.add_event(Event(wall_time=1234.5, step=step, summary=image))
    ours.close()
    theirs.close()
    (mine,), (other,) = ((tmp_path / name).iterdir() for name in ("ours", "theirs"))
    assert mine.name.rpartition(".")[0] == other.name.rpartition(".")[0]
    assert mine.read_bytes() == other.read_bytes()


def test_what_was_added_is_written_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = EventFile(str(tmp_path))
    (path,) = tmp_path.iterdir()
    size = path.stat().st_size
    assert size > 0
    file.add_scalars({"a": 1.0}, 1)
    assert path.stat().st_size == size
    monkeypatch.setattr(event_file, "FLUSH_EVERY", 0.0)
    file.add_scalars({"a": 1.0}, 2)
    grown = path.stat().st_size - size
    monkeypatch.undo()
    file.add_scalars({"a": 1.0}, 3)
    event_file._flush_all()  # at exit
    assert path.stat().st_size - size == grown * 3 // 2


def test_a_full_disk_leaves_whole_events(tmp_path: Path) -> None:
    file = EventFile(str(tmp_path))
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    file.add_scalars({"a": 1.0}, 1)
    file._path = Path("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        file.flush()
    assert path.read_bytes() == content
    file._path = path
    file.flush()
    assert len(path.read_bytes()) > len(content)
