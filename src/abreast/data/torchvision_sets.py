"""The image classification sets of torchvision, by name."""

from __future__ import annotations

import hashlib
import inspect
import io
import logging
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from annotated_types import Ge
from PIL import Image
from torch import Tensor

from abreast.data.download import download
from abreast.data.files import LOCK_SECONDS, expand
from abreast.data.source import Source, Split
from abreast.errors import ConfigError, DataError, RunError, first_line
from abreast.runtime.directory_lock import locked
from abreast.runtime.downloads import are_allowed
from abreast.suggestions import did_you_mean, listed

# Sets of which each file's checksum is known: nothing is opened (two are pickles) that is not that very file.
VERIFIED = ("CIFAR10", "CIFAR100", "STL10", "SVHN", "USPS")
PARTS = {"train": ("train", True), "test": ("test", False)}

log = logging.getLogger(__name__)


class Resource(NamedTuple):
    """A file of a set: its URL, its checksum, and the path to be found at below the set's folder."""

    url: str
    name: str
    md5: str


def torchvision(
    name: str,
    dir: str | Path = "data",
    size: Annotated[int, Ge(1)] | None = None,
    mirrors: str | Sequence[str] | None = None,
    subset: str | None = None,
) -> Source:
    """An image classification set with training and test images, uint8 `[N, C, H, W]`.

    Args:
        name: torchvision's class, such as CIFAR10, CIFAR100, SVHN, STL10, USPS, GTSRB or EMNIST.
        dir: Where torchvision's files are, or are downloaded to.
        size: Height and width that images are scaled to; None where all are of one size.
        mirrors: Base URLs to use instead of torchvision's, for the sets of `VERIFIED`.
        subset: Of EMNIST: byclass, bymerge, balanced (None), letters, digits or mnist.

    Raises:
        ConfigError: torchvision has no such set or subset, or it has no test images.
        DataError: A file is missing, or is not the one whose checksum torchvision has.
    """
    from torchvision import datasets  # seconds to import

    known = [key for key in datasets.__all__ if inspect.isclass(getattr(datasets, key))]
    if name not in known:
        raise ConfigError(f"data.name={name}: torchvision has no such data set{did_you_mean(name, known)}")
    kind = getattr(datasets, name)
    subsets: Sequence[str] = getattr(kind, "splits", ())
    if subset is not None and subset not in subsets:
        what = f"it has {listed(subsets)}" if subsets else "only EMNIST has subsets"
        raise ConfigError(f"data.subset={subset}: {name} has no such subset; {what}")
    if name not in VERIFIED and not are_allowed():
        raise DataError(
            f"{name}: opening a run directory reads only the sets whose files are verified, "
            f"{listed(VERIFIED)}. "
            f"To read it all the same, say so: data=torchvision data.name={name}"
        )
    root = expand(dir)
    try:
        if name in VERIFIED:
            _obtain(kind, root, mirrors)
        else:
            root.mkdir(parents=True, exist_ok=True)
        with locked(root, LOCK_SECONDS) if name not in VERIFIED else redirect_stdout(io.StringIO()):
            train, test = (_part(kind, root, part, subset, download=name not in VERIFIED) for part in PARTS)
    except RunError as error:
        raise DataError(f"Cannot lock {root}: {error}") from error
    inputs, targets = _tensors(name, train, size)
    test_inputs, test_targets = _tensors(name, test, size)
    return Source(
        Split(inputs, targets), Split(test_inputs, test_targets), _classes(train, targets, test_targets)
    )


def _resources(kind: Any) -> list[Resource]:
    if hasattr(kind, "split_list"):
        return [Resource(*kind.split_list[part]) for part in PARTS]
    return [Resource(kind.url, kind.filename, kind.tgz_md5)]


def _members(kind: Any) -> list[tuple[str, str]]:
    """Files and checksums of what a set's archive holds, below the set's folder."""
    if not hasattr(kind, "base_folder"):
        return [(resource.name, resource.md5) for resource in _resources(kind)]
    entries = [*kind.train_list, *kind.test_list]
    if hasattr(kind, "meta"):
        entries.append((kind.meta["filename"], kind.meta["md5"]))
    return [(f"{kind.base_folder}/{file}", md5) for file, md5 in entries]


def _obtain(kind: Any, root: Path, mirrors: str | Sequence[str] | None) -> None:
    """Have all files of a set below the folder, each with its checksum."""
    wrong = _unverified(kind, root)
    if not wrong:
        return
    if not are_allowed():
        raise DataError(
            f"{root / wrong[0]}: is missing, or not the file of {kind.__name__}. "
            "Opening a run "
            "directory downloads nothing; training does."
        )
    if all((root / file).is_file() for file, _ in _members(kind)):
        raise DataError(
            f"{root / wrong[0]}: is not the file of {kind.__name__}: its checksum differs. Delete it to have "
            "it downloaded; images of your own are read by data=images or data=npz"
        )
    root.mkdir(parents=True, exist_ok=True)
    with locked(root, LOCK_SECONDS):
        if not _unverified(kind, root):  # another process was faster
            return
        for resource in _resources(kind):
            base, _, file = resource.url.rpartition("/")
            given = [mirrors] if isinstance(mirrors, str) else [*map(str, mirrors or ())]
            if _md5(root / resource.name) != resource.md5:
                log.info("%s: downloading %s into %s", kind.__name__, file, root)
                download(file, resource.md5, given or [base], root / resource.name, total=7200.0)
            if hasattr(kind, "base_folder"):
                _extract(root / resource.name, root, {member for member, _ in _members(kind)})
    wrong = _unverified(kind, root)
    if wrong:
        raise DataError(f"{root / wrong[0]}: is not the file that torchvision knows. Delete it and run again")


def _unverified(kind: Any, root: Path) -> list[str]:
    return [file for file, md5 in _members(kind) if _md5(root / file) != md5]


def _md5(path: Path) -> str:
    if not path.is_file():
        return ""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _extract(archive: Path, root: Path, wanted: set[str]) -> None:
    """Unpack the regular files that are wanted, and nothing else."""
    try:
        with tarfile.open(archive) as content:
            for member in content:
                name = str(PurePosixPath(member.name))
                source = content.extractfile(member) if name in wanted and member.isreg() else None
                if source is not None:
                    (root / name).parent.mkdir(parents=True, exist_ok=True)
                    (root / name).write_bytes(source.read())
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}). Delete it and run again") from None


def _part(kind: Any, root: Path, part: str, subset: str | None, *, download: bool) -> Any:
    """torchvision's data set of a part; files of listed sets are verified by then, and again by "
    "torchvision."""
    split, is_train = PARTS[part]
    parameters = inspect.signature(kind).parameters
    options: dict[str, Any] = {"split": split} if "split" in parameters else {"train": is_train}
    passes_on = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    if hasattr(kind, "splits") and passes_on:  # EMNIST, whose split is another thing
        options = {"split": subset or "balanced", "train": is_train}
    if not (passes_on or set(options) <= parameters.keys()) or any(
        parameter.default is parameter.empty and key not in ("root", *options)
        for key, parameter in parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ):
        raise ConfigError(
            f"data.name={kind.__name__}: has no training and test images to be had by name alone; folders of "
            "images are read by data=images data.dir=FOLDER"
        )
    if "download" in parameters or passes_on:
        options["download"] = download
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return kind(root, **options)
    except (RuntimeError, OSError, ValueError, ImportError) as error:
        reason = first_line(error)
        raise DataError(f"{kind.__name__} in {root}: {reason}") from error


def _tensors(name: str, part: Any, size: int | None) -> tuple[Tensor, Tensor]:
    arrays = getattr(part, "data", None)
    labels = next((getattr(part, key) for key in ("targets", "labels") if hasattr(part, key)), None)
    if isinstance(arrays, Tensor):
        arrays = arrays.numpy()
    if size is None and isinstance(arrays, np.ndarray) and arrays.dtype == np.uint8 and labels is not None:
        if arrays.ndim == 3:
            arrays = arrays[:, None]
        elif arrays.ndim == 4 and arrays.shape[3] in (1, 3):
            arrays = arrays.transpose(0, 3, 1, 2)
        return torch.from_numpy(np.ascontiguousarray(arrays)), torch.as_tensor(labels, dtype=torch.int64)
    images, targets = [], []
    for image, target in _items(name, part):
        if size is not None:
            image = image.resize((size, size), Image.Resampling.BICUBIC)
        pixels = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
        images.append(torch.from_numpy(pixels.reshape(image.height, image.width, -1).copy()).permute(2, 0, 1))
        targets.append(target)
    if len({image.shape for image in images}) > 1:
        raise ConfigError(f"data.name={name}: its images are of different sizes; scale them: data.size=32")
    return torch.stack(images), torch.tensor(targets, dtype=torch.int64)


def _items(name: str, part: Any) -> Iterator[tuple[Image.Image, int]]:
    for number in range(len(part)):
        image, target = part[number]
        if not isinstance(image, Image.Image) or not isinstance(target, int):
            raise ConfigError(f"data.name={name}: is not a set of images with one class each")
        yield image, target


def _classes(part: Any, *targets: Tensor) -> tuple[str, ...]:
    count = int(max(int(labels.max()) for labels in targets)) + 1
    names = tuple(map(str, getattr(part, "classes", ()) or ()))
    return names if len(names) == count == len({*names}) else tuple(map(str, range(count)))
