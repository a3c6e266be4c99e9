"""Signatures read from source files, against those that Python itself gives of the imported objects."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import pytest
import torch
from lightning.pytorch import callbacks, loggers

import abreast.losses
from abreast.config.options import groups, option
from abreast.static.definitions import NameMissingError, PackageMissingError
from abreast.static.signatures import resolve

CONF = Path(__file__).parents[2] / "conf"


def _classes(module: Any, prefix: Any, base: Any) -> Any:
    found = [
        (f"{prefix}.{name}", value)
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, base) and not name.startswith("_")
    ]
    assert found, prefix
    return found


TABLE = [
    *[(name, each) for name, each in _classes(torch.nn, "torch.nn", torch.nn.Module)],
    *_classes(torch.optim, "torch.optim", torch.optim.Optimizer),
    *_classes(torch.optim.lr_scheduler, "torch.optim.lr_scheduler", torch.optim.lr_scheduler.LRScheduler),
    *_classes(callbacks, "lightning.pytorch.callbacks", callbacks.Callback),
    *_classes(loggers, "lightning.pytorch.loggers", loggers.Logger),
    *_classes(abreast.losses, "abreast.losses", torch.nn.Module),
    ("lightning.pytorch.Trainer", lightning.Trainer),
    ("lightning.Trainer", lightning.Trainer),
    ("torch.nn.functional.cross_entropy", torch.nn.functional.cross_entropy),
]


@pytest.mark.parametrize(("target", "built"), TABLE, ids=[target for target, _ in TABLE])
def test_parameters_are_python_s_own(target: Any, built: Any) -> None:
    signature = resolve(target)
    assert signature is not None
    expected = inspect.signature(built).parameters.values()
    named = [each for each in expected if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    takes_more = any(each.kind == each.VAR_KEYWORD for each in expected)
    if takes_more and not signature.is_open:
        pytest.skip("inspect sees a wrapper's *args, **kwargs; the file shows the parameters")
    assert [(name, each.is_required) for name, each in signature.parameters.items()] == [
        (each.name, each.default is each.empty) for each in named
    ]
    assert [each.kind for each in signature.parameters.values()] == [each.kind for each in named]
    assert signature.is_open == takes_more


def test_few_are_skipped() -> None:
    wrapped = [
        target
        for target, built in TABLE
        if any(each.kind == each.VAR_KEYWORD for each in inspect.signature(built).parameters.values())
        and not resolve(target).is_open
    ]
    assert len(TABLE) > 150
    assert len(wrapped) < 3, wrapped


@pytest.mark.parametrize("target", ["torch.tensor", "numpy.array", "torch.optim.lr_scheduler.partial"])
def test_compiled_code_cannot_be_told(target: str) -> None:
    assert resolve(target) is None


def test_package_missing() -> None:
    with pytest.raises(PackageMissingError, match="nosuchpackage is not installed"):
        resolve("nosuchpackage.Loss")


@pytest.mark.parametrize(
    ("target", "near"),
    [
        ("torch.optim.Adamm", "Adam"),
        ("torch.nn.MSELos", "MSELoss"),
        ("torch.optm.Adam", "optim"),
        ("abreast.losses.Focl", "Focal"),
        ("lightning.pytorch.callbacks.EarlyStoping", "EarlyStopping"),
    ],
)
def test_name_missing_carries_the_names_there_are(target: str, near: str) -> None:
    with pytest.raises(NameMissingError) as caught:
        resolve(target)
    assert near in caught.value.names


@pytest.mark.parametrize("target", ["torch.optim", "abreast.losses.TASKS"])
def test_what_cannot_be_called(target: str) -> None:
    with pytest.raises(TypeError, match=target):
        resolve(target)


FILES = {
    "__init__.py": """
from .shapes import Square as Exported
from .shapes import *
from . import shapes as forms
import static_example.shapes as whole
try:
    from nosuch import Fast as Either
except ImportError:
    from .shapes import Slow as Either
Alias = Exported
Made = type("Made", (), {})
""",
    "shapes.py": """
from dataclasses import dataclass, field
from typing import ClassVar
import abc

class Shape(abc.ABC):
    def __init__(self, name, *, colour="red", **kwargs): self.more = kwargs

class Square(Shape):
    def __init__(self, size: int, **kwargs): super().__init__("square", **kwargs)

class Closed:
    def __init__(self, a, b=1): ...

class Child(Closed):
    pass

class Passing(Closed):
    def __init__(self, own, **rest): super().__init__(b=2, **rest)

class Popping(Closed):
    def __init__(self, own, **rest):
        rest.pop("x", None)
        super().__init__(b=2, **rest)

class Slow:
    pass

@dataclass
class Base:
    kept: ClassVar[int] = 0
    first: int

@dataclass
class Data(Base):
    second: list = field(default_factory=list)
    hidden: int = field(default=0, init=False)

class Factory:
    @classmethod
    def make(cls, size, /, depth=1): ...
    @staticmethod
    def plain(size): ...

class Overloaded:
    from typing import overload
    @overload
    def __init__(self, a: int): ...
    def __init__(self, a, b=None): ...

class FromElsewhere(int):
    pass

def _hidden(): ...
async def function(x, *args, y=2): ...
""",
    "lazy.py": "def __getattr__(name): return 1\n",
    "broken.py": "def (\n",
}


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("path")
    (folder / "static_example").mkdir()
    for name, text in FILES.items():
        (folder / "static_example" / name).write_text(text)
    sys.path.insert(0, str(folder))
    yield "static_example"
    sys.path.remove(str(folder))
    assert "static_example" not in sys.modules


@pytest.mark.parametrize(
    ("name", "required", "optional", "is_open"),
    [
        ("Exported", ["size"], ["colour"], True),
        ("Alias", ["size"], ["colour"], True),
        ("forms.Closed", ["a"], ["b"], False),
        ("whole.Closed", ["a"], ["b"], False),
        ("Child", ["a"], ["b"], False),
        ("shapes.Child", ["a"], ["b"], False),
        ("Either", [], [], False),
        ("Passing", ["a", "own"], [], False),
        ("Popping", ["own"], [], True),
        ("Data", ["first"], ["second"], False),
        ("Factory.make", ["size"], ["depth"], False),
        ("Factory.plain", ["size"], [], False),
        ("Overloaded", ["a"], ["b"], False),
        ("function", ["x"], ["y"], False),
    ],
)
def test_ways_of_defining(
    example: Any, name: str, required: list[str], optional: list[str], is_open: bool
) -> None:
    signature = resolve(f"{example}.{name}")
    assert signature is not None
    parameters = signature.parameters
    assert sorted(each for each in parameters if parameters[each].is_required) == required
    assert sorted(each for each in parameters if not parameters[each].is_required) == optional
    assert signature.is_open == is_open


@pytest.mark.parametrize("name", ["Made", "FromElsewhere", "lazy.anything", "broken.Thing"])
def test_ways_that_cannot_be_told(example: Any, name: str) -> None:
    assert resolve(f"{example}.{name}") is None


def test_missing_from_a_package(example: Any) -> None:
    with pytest.raises(NameMissingError) as caught:
        resolve(f"{example}.Squar")
    assert "Square" in caught.value.names
    assert "_hidden" not in caught.value.names


def _conf_targets() -> Iterator[Any]:
    def targets(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            yield from [value["_target_"]] if "_target_" in value else []
            for each in value.values():
                yield from targets(each)

    found = {
        target
        for group, names in groups([CONF]).items()
        for name in names
        for target in targets(option(group, name, [CONF]))
    }
    assert len(found) > 40
    return sorted(found)  # type: ignore[return-value]


def test_every_target_of_conf_is_found_and_nothing_is_imported() -> None:
    """In a process of its own: this one has imported torch."""
    code = (
        "import sys\n"
        "from abreast.static.signatures import resolve\n"
        "unknown = [each for each in sys.argv[1:] if resolve(each) is None]\n"
        "heavy = {'torch', 'numpy', 'lightning', 'sklearn'} & set(sys.modules)\n"
        "print(unknown, heavy)\n"
    )
    targets = [each for each in _conf_targets() if not each.startswith(("schedulefree.", "pytorch_"))]
    done = subprocess.run([sys.executable, "-c", code, *targets], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] set()"
