"""The columns of a table, and the inputs that each of them becomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor

from abreast.config.types import Json
from abreast.errors import DataError

Kind = Literal["number", "boolean", "category"]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: As in the table's header.
        kind: What its values are. Booleans are the numbers 0 and 1.
        categories: The texts that are known, each of which is one input of 0 or 1, in their order.
        offset: What is subtracted from a number before it is rounded to float32.
    """

    name: str
    kind: Kind = "number"
    categories: tuple[str, ...] = ()
    offset: float = 0.0

    @property
    def width(self) -> int:
        """The inputs that the column becomes."""
        return len(self.categories) if self.kind == "category" else 1

    @property
    def inputs(self) -> list[str]:
        """A name for each of these inputs."""
        if self.kind == "category":
            return [f"{self.name}={category}" for category in self.categories]
        return [self.name]


def numbers(names: Iterable[str]) -> tuple[Column, ...]:
    """Columns of numbers."""
    return tuple(Column(str(name)) for name in names)


def is_numeric(columns: Sequence[Column]) -> Tensor:
    """Whether each input is a number (or boolean) rather than a category: bool `[F]`."""
    return torch.tensor(
        [column.kind != "category" for column in columns for _ in range(column.width)], dtype=torch.bool
    )


_known: ContextVar[tuple[Column, ...]] = ContextVar("columns", default=())


@contextmanager
def encoded_as(columns: tuple[Column, ...]) -> Iterator[None]:
    """Let tables become inputs as these columns say inside `with`: those that a network was trained with."""
    token = _known.set(columns)
    try:
        yield
    finally:
        _known.reset(token)


def known_columns() -> tuple[Column, ...]:
    """The columns of `encoded_as`; () where a table's own are to be found out."""
    return _known.get()


def to_json(columns: Sequence[Column]) -> list[Json]:
    """The columns as plain data, for checkpoints and descriptions."""
    return [{**asdict(column), "categories": list(column.categories)} for column in columns]


def from_json(content: object) -> tuple[Column, ...]:
    """The columns that `to_json` gave, from a checkpoint that may be a stranger's. Raises DataError."""
    if not isinstance(content, list):
        raise DataError(f"columns are {type(content).__name__}, not a list")
    return tuple(_column(node) for node in content)


def _column(node: Any) -> Column:
    if not isinstance(node, Mapping):
        raise DataError(f"a column is {type(node).__name__}, not a mapping")
    name, kind, categories, offset = (node.get(key) for key in ("name", "kind", "categories", "offset"))
    if not isinstance(name, str) or kind not in get_args(Kind) or not isinstance(offset, float):
        raise DataError(f"a column has name {name!r}, kind {kind!r} and offset {offset!r}")
    if not isinstance(categories, list) or not all(isinstance(text, str) for text in categories):
        raise DataError(f"the categories of column {name!r} are not a list of texts")
    return Column(name, cast(Kind, kind), tuple(categories), offset)
