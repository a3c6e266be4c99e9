"""Small data sets of every kind, in files of their true formats with generated content."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, np.dtype[Any]]

CIFAR = "cifar-10-python.tar.gz"
CIFAR_FOLDER = "cifar-10-batches-py"
CIFAR_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
IDX = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


def pictures(examples: int, shape: tuple[int, ...], seed: int = 0) -> tuple[Array, Array]:
    """Images `[N, *shape]`, uint8, as bright as their labels 0 to 9 are high."""
    random = np.random.default_rng(seed)
    labels = np.arange(examples) % 10
    light = labels.reshape(-1, *[1] * len(shape)) * 25
    return (random.integers(0, 25, (examples, *shape)) + light).astype(np.uint8), labels


def python2_pickle(value: object) -> bytes:
    """A pickle of protocol 2 as Python 2 and NumPy 1 wrote it: texts and bytes alike are Python 2's texts."""
    out = io.BytesIO()
    pickler: Any = pickle._Pickler(out, 2)  # type: ignore[attr-defined]

    def save_text(self: Any, text: str | bytes) -> None:
        content = text.encode("latin-1") if isinstance(text, str) else text
        self.write(b"T" + struct.pack("<i", len(content)) + content)  # BINSTRING
        self.memoize(text)

    pickler.dispatch = {**pickler.dispatch, str: save_text, bytes: save_text}
    pickler.dump(value)
    return out.getvalue().replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray")


def cifar10(rows: int, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The archive of a CIFAR-10 of `rows` images a batch, whose checksums torchvision is given.

    Layout: https://www.cs.toronto.edu/~kriz/cifar.html, "Python version".
    """
    from torchvision import datasets

    files = {}
    for number, name in enumerate([*[f"data_batch_{n}" for n in range(1, 6)], "test_batch"]):
        images, labels = pictures(rows, (3, 32, 32), number)
        files[name] = python2_pickle(
            {
                "batch_label": f"training batch {number + 1} of 5",
                "labels": labels.tolist(),
                "data": images.reshape(rows, 3072),
                "filenames": [f"picture_{number}_{row}.png" for row in range(rows)],
            }
        )
    meta = {"num_cases_per_batch": rows, "label_names": CIFAR_CLASSES, "num_vis": 3072}
    files["batches.meta"] = python2_pickle(meta)
    files["readme.html"] = b"<meta HTTP-EQUIV='REFRESH' content='0; url=cifar.html'>\n"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{CIFAR_FOLDER}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    kind, sums = datasets.CIFAR10, {name: md5(content) for name, content in files.items()}
    monkeypatch.setattr(kind, "tgz_md5", md5(out.getvalue()))
    monkeypatch.setattr(kind, "train_list", [[name, sums[name]] for name, _ in kind.train_list])
    monkeypatch.setattr(kind, "test_list", [[name, sums[name]] for name, _ in kind.test_list])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": sums["batches.meta"]})
    return out.getvalue()


def idx(array: Array) -> bytes:
    """A uint8 array in the IDX format."""
    sizes = b"".join(struct.pack(">I", size) for size in array.shape)
    return struct.pack(">HBB", 0, 8, array.ndim) + sizes + array.astype(np.uint8).tobytes()


def fashion_mnist(train: int, test: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The four files of a Fashion-MNIST of so many images, whose checksums torchvision is given."""
    from torchvision import datasets

    arrays = (*pictures(train, (28, 28)), *pictures(test, (28, 28), 1))
    files = {
        f"{name}-ubyte.gz": gzip.compress(idx(array), 1, mtime=0)
        for name, array in zip(IDX, arrays, strict=True)
    }
    resources = [(name, md5(content)) for name, content in files.items()]
    monkeypatch.setattr(datasets.FashionMNIST, "resources", resources)
    return files


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@dataclass(frozen=True)
class Kind:
    """A kind of data, made in a folder.

    Attributes:
        overrides: What trains on it.
        raw: A file to predict for, with `examples` examples.
        wrong: A file that cannot be predicted for, and what is said of it.
        broken: Overrides that read a broken file, and what is said of it.
    """

    overrides: list[str]
    raw: Path
    examples: int
    wrong: tuple[Path, str]
    broken: tuple[list[str], str]


def table(folder: Path) -> Kind:
    """A CSV with numbers, categories, booleans and missing values."""
    random = np.random.default_rng(0)
    lines = ["size;colour;alive;kind"]
    for n in range(60):
        size = "" if n % 11 == 0 else f"{n % 3 + random.normal():.3f}".replace(".", ",")
        lines.append(f"{size};{('red', 'blue', '')[n % 3]};{('yes', 'no')[n % 2]};{'abc'[n % 3]}")
    (folder / "train.csv").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    (folder / "broken.csv").write_text("\n".join([*lines[:30], "1,0;red;yes"]))
    (folder / "new.csv").write_text("alive;colour;size;note\nno;green;1,5;x\nyes;red;;y\n")
    (folder / "wrong.csv").write_text("alive;size\nno;1,5\n")
    options = ["data=table", "data.target=kind", "data.decimal=','"]
    return Kind(
        [*options, f"data.file={folder}/train.csv"],
        folder / "new.csv",
        2,
        (folder / "wrong.csv", r"wrong\.csv: .*colour"),
        ([*options, f"data.file={folder}/broken.csv"], r"broken\.csv, row 31: has 3 values, but there are 4"),
    )


def arrays(folder: Path) -> Kind:
    """An .npz of columns."""
    images, labels = pictures(60, (5,))
    np.savez(folder / "train.npz", x=images / 7.0, y=labels % 3)
    np.savez(folder / "broken.npz", x=images[:50] / 7.0, y=labels % 3)
    np.save(folder / "new.npy", images[:4] / 7.0)
    np.save(folder / "wrong.npy", images[:4, :3] / 7.0)
    return Kind(
        ["data=npz", f"data.file={folder}/train.npz"],
        folder / "new.npy",
        4,
        (folder / "wrong.npy", r"wrong\.npy: rows of shape \(3,\), but the network takes \(5,\)"),
        (["data=npz", f"data.file={folder}/broken.npz"], r"broken\.npz: x has 50 rows, y has 60"),
    )


def image_folder(folder: Path) -> Kind:
    """A folder of pictures for each class."""
    from PIL import Image

    images, labels = pictures(40, (9, 9, 3))
    for name in ("set", "broken"):
        for number, (image, label) in enumerate(zip(images, labels % 2, strict=True)):
            place = folder / name / ("dark", "light")[label]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(place / f"{number}.png")
    (folder / "broken" / "dark" / "99.png").write_bytes(b"no image")
    Image.fromarray(images[1]).resize((30, 30)).save(folder / "new.jpg")
    (folder / "wrong.png").write_bytes(b"no image")
    options = ["data=images", "data.size=8", "model=cnn"]
    return Kind(
        [*options, f"data.dir={folder}/set"],
        folder / "new.jpg",
        1,
        (folder / "wrong.png", r"wrong\.png: not a picture"),
        ([*options, f"data.dir={folder}/broken"], r"dark/99\.png: not a picture that can be read"),
    )


def sklearn(folder: Path) -> Kind:
    """A table inside scikit-learn, which needs no file."""
    (folder / "new.csv").write_text("5.1,3.5,1.4,0.2\n6.2,3.4,5.4,2.3\n")
    (folder / "wrong.csv").write_text("5.1,3.5,1.4,0.2\n6.2,x,5.4,2.3\n")
    return Kind(
        ["data=sklearn", "data.name=iris"],
        folder / "new.csv",
        2,
        (folder / "wrong.csv", r"wrong\.csv, row 2, column 'sepal width \(cm\)': 'x' is not a number"),
        (["data=sklearn", "data.name=iri"], r"data\.name.*iri"),
    )


def idx_files(folder: Path) -> Kind:
    """Four custom IDX files."""
    names = ("train_images", "train_labels", "test_images", "test_labels")
    parts = (*pictures(40, (6, 6)), *pictures(20, (6, 6), 1))
    for name, array in zip(names, parts, strict=True):
        (folder / name).write_bytes(idx(array))
    np.save(folder / "new.npy", parts[2][:3, None])
    np.save(folder / "wrong.npy", parts[2][:3, None] + 0.5)
    options = [f"data.{name}={folder}/{name}" for name in names]
    return Kind(
        ["data=idx", *options],
        picture_of(folder / "new.png", parts[2][4]),
        1,
        (folder / "wrong.npy", r"wrong\.npy: not a picture"),
        (
            ["data=idx", *options, f"data.test_labels={folder}/train_labels"],
            r"has 20 images but .* 40 labels",
        ),
    )


def picture_of(path: Path, pixels: Array) -> Path:
    """Save pixels as a picture, and give its path."""
    from PIL import Image

    Image.fromarray(pixels).save(path)
    return path


KINDS: dict[str, Callable[[Path], Kind]] = {
    "table": table,
    "npz": arrays,
    "images": image_folder,
    "sklearn": sklearn,
    "idx": idx_files,
}
