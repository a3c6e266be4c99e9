"""The parameters of a class or function, read from its source file: nothing is imported.

Importing torch and Lightning takes seconds; a mistake in a configuration is named before that.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from inspect import Parameter as InspectParameter

from abreast.static.definitions import Definition, bases, find, last_name
from abreast.static.modules import Function, Module


@dataclass(frozen=True)
class Parameter:
    """One parameter, with its annotation and default as source, and the module to read them in."""

    name: str
    kind: int
    annotation: ast.expr | None
    default: ast.expr | None
    module: Module

    @property
    def is_required(self) -> bool:
        """Whether a call must give it."""
        return self.default is None


@dataclass(frozen=True)
class Signature:
    """What a call takes by name; `is_open` where it takes any other name too."""

    parameters: Mapping[str, Parameter]
    is_open: bool = False


class _UnreadableError(Exception):
    """A constructor that the source files do not show."""


@cache
def resolve(target: str) -> Signature | None:
    """The signature behind a dotted name; None where the files cannot tell (compiled code).

    Raises PackageMissingError, NameMissingError, and TypeError for what cannot be called.
    """
    definition = find(target)
    if definition is None:
        return None
    if isinstance(definition, Module):
        raise TypeError(f"{target} is a module")
    if isinstance(definition.node, ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Set):
        raise TypeError(f"{target} is a value")
    if isinstance(definition.node, ast.ClassDef):
        return _of_class(definition)
    if isinstance(definition.node, Function):
        is_of_class = any(last_name(item) == "classmethod" for item in definition.node.decorator_list)
        return _of_function(definition.module, definition.node, skip=int(is_of_class))
    return None


def _of_function(module: Module, node: Function, skip: int) -> Signature:
    parameters = {parameter.name: parameter for parameter in list(_parameters(module, node.args))[skip:]}
    return Signature(parameters, is_open=node.args.kwarg is not None)


def _parameters(module: Module, arguments: ast.arguments) -> Iterator[Parameter]:
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    for at, (argument, default) in enumerate(zip(plain, defaults, strict=True)):
        kind = (
            InspectParameter.POSITIONAL_ONLY
            if at < len(arguments.posonlyargs)
            else InspectParameter.POSITIONAL_OR_KEYWORD
        )
        yield Parameter(argument.arg, kind, argument.annotation, default, module)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield Parameter(argument.arg, InspectParameter.KEYWORD_ONLY, argument.annotation, default, module)


def _of_class(definition: Definition) -> Signature | None:
    try:
        return _constructor(definition) or Signature({})
    except _UnreadableError:
        return None


def _constructor(definition: Definition) -> Signature | None:
    """The class's own constructor, or the first of its bases'; None for none. Raises _UnreadableError."""
    node = definition.node
    if not isinstance(node, ast.ClassDef):
        raise _UnreadableError
    for constructor in ("__init__", "__new__"):
        for member in reversed(node.body):  # the last one counts: overloads stand before it
            if isinstance(member, Function) and member.name == constructor:
                return _with_bases(definition, member)
    if any(last_name(member) == "dataclass" for member in node.decorator_list):
        return Signature(_fields(definition))
    if node.decorator_list:
        raise _UnreadableError
    return _of_bases(definition)


def _of_bases(definition: Definition) -> Signature | None:
    for _, parent in bases(definition):
        if parent is None:
            raise _UnreadableError
        constructor = _constructor(parent)
        if constructor is not None:
            return constructor
    return None


def _with_bases(definition: Definition, constructor: Function) -> Signature:
    """A constructor's parameters; `**kwargs` that it only hands on are the base's parameters."""
    signature = _of_function(definition.module, constructor, skip=1)
    if not signature.is_open:
        return signature
    assert constructor.args.kwarg is not None
    rest = constructor.args.kwarg.arg
    call = _handing_on(constructor, rest)
    if call is None:
        return signature
    try:
        base = _of_bases(definition) or Signature({})
    except _UnreadableError:
        return signature
    given = {keyword.arg for keyword in call.keywords}
    inherited = [
        parameter
        for parameter in list(base.parameters.values())[len(call.args) :]
        if parameter.name not in given
    ]
    for parameter in inherited:
        signature = replace(signature, parameters={parameter.name: parameter, **signature.parameters})
    return replace(signature, is_open=base.is_open)


def _handing_on(constructor: Function, rest: str) -> ast.Call | None:
    """The call `super().__init__(..., **rest)`, if `rest` is used nowhere else."""
    uses = [node for node in ast.walk(constructor) if isinstance(node, ast.Name) and node.id == rest]
    for node in ast.walk(constructor):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__")):
                passed = [keyword.value for keyword in node.keywords if keyword.arg is None]
                if passed == uses and not any(isinstance(argument, ast.Starred) for argument in node.args):
                    return node
    return None


def _fields(definition: Definition) -> dict[str, Parameter]:
    assert isinstance(definition.node, ast.ClassDef)
    fields: dict[str, Parameter] = {}
    for _, parent in reversed([*bases(definition)]):
        if parent is not None and isinstance(parent.node, ast.ClassDef):
            fields |= _fields(parent)
    for node in definition.node.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                if "ClassVar" in ast.unparse(annotation):
                    continue
                if isinstance(value, ast.Call) and last_name(value.func) == "field":
                    options = {keyword.arg: keyword.value for keyword in value.keywords}
                    if isinstance(init := options.get("init"), ast.Constant) and init.value is False:
                        continue
                    value = options.get("default") or options.get("default_factory")
                fields[name] = Parameter(
                    name, InspectParameter.POSITIONAL_OR_KEYWORD, annotation, value, definition.module
                )
    return fields
