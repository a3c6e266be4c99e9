"""Batched matrix products on a device, by the form that takes the least time for their shape.

Torch's batched product is slow for some shapes and numbers of lanes (pytorch#100850, #118774). So the forms
are timed the first time that a shape occurs. Forms round differently: what was chosen is kept in the user's
cache, so that the next sweep multiplies as this one, and in result.json and checkpoints, so that a run that
resumes multiplies as before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from abreast.runs.schema import ExecutionRecord
from abreast.stacking.product_cache import ProductCache

Form = Callable[[Tensor, Tensor, Tensor], object]
LANES = 64  # multiplied at once, of many
TIMED = 5  # times that each form is timed
FASTER = 0.9  # of the time of one batched product, at most: noise must not choose
CLOSE, COARSE = 1e-4, 0.02  # of the norm of the product; where products are of TF32 or bf16


def _batched(left: Tensor, right: Tensor, out: Tensor) -> object:
    return torch.bmm(left, right, out=out)


def _in_parts(left: Tensor, right: Tensor, out: Tensor) -> object:
    if len(left) <= LANES:
        raise NotImplementedError("as `batched`")
    for start in range(0, len(left), LANES):
        part = slice(start, start + LANES)
        torch.bmm(left[part], right[part], out=out[part])
    return out


def _one_by_one(left: Tensor, right: Tensor, out: Tensor) -> object:
    for one, other, into in zip(left.unbind(), right.unbind(), out.unbind(), strict=True):
        torch.mm(one, other, out=into)
    return out


def _foreach(left: Tensor, right: Tensor, out: Tensor) -> object:
    multiply: Any = torch._foreach_mm  # not in every version
    torch._foreach_copy_([*out.unbind()], [*multiply([*left.unbind()], [*right.unbind()])])
    return out


def _grouped(left: Tensor, right: Tensor, out: Tensor) -> object:
    return out.copy_(torch.nn.functional.grouped_mm(left, right))


BATCHED = "batched"
FORMS: dict[str, Form] = {
    BATCHED: _batched,
    "in parts": _in_parts,
    "one by one": _one_by_one,
    "foreach": _foreach,
    "grouped": _grouped,
}
_chosen: dict[str, dict[str, str]] = {}  # names of forms by the device's name and the product's shape
_tried: set[tuple[str, str]] = set()  # device and shape of the forms that this process has seen at work


def multiply(left: Tensor, right: Tensor, bias: Tensor | None = None, out: Tensor | None = None) -> Tensor:
    """`left @ right + bias` of every lane.

    Args:
        left: `[K, M, L]`.
        right: `[K, L, N]`.
        bias: `[K, 1, N]`, or None.
        out: `[K, M, N]`, or None to make it.
    """
    form = _form(left, right)
    if form == BATCHED and bias is not None:
        return torch.baddbmm(bias, left, right, out=out)
    if out is None:
        out = _empty(left, right)
    FORMS[form](left, right, out)
    return out if bias is None else out.add_(bias)


def chosen() -> ExecutionRecord:
    """What this process has chosen, as files keep it: `products`, by device and shape; nothing on the CPU."""
    return {"products": {device: {**forms} for device, forms in _chosen.items()}} if _chosen else {}


def remember(kept: Mapping[str, Any]) -> None:
    """Choose what `chosen` gave; what is not of its form is passed over: it may come from a stranger."""
    products = kept.get("products")
    for device, forms in products.items() if isinstance(products, dict) else ():
        if isinstance(device, str) and isinstance(forms, dict):
            known = {key: form for key, form in forms.items() if isinstance(key, str) and form in [*FORMS]}
            if known:
                _chosen.setdefault(device, {}).update(known)
                _tried.difference_update([(device, key) for key in known])


def is_measured(device: torch.device) -> bool:
    """Whether forms are timed on a device."""
    return device.type == "cuda" and not torch.cuda.is_current_stream_capturing()


def _form(left: Tensor, right: Tensor) -> str:
    device = left.device
    if device.type == "cpu" and not is_measured(device):
        return BATCHED
    name, key = _device_name(device), _key(left, right)
    if (name, key) not in _tried:
        if not is_measured(device):  # while a graph is recorded, which executed steps come before
            return BATCHED
        with _waiting(device, "default"):
            form = _choose(name, key, left, right)
        _chosen.setdefault(name, {})[key] = form
        _tried.add((name, key))
    return _chosen[name][key]


def _choose(name: str, key: str, left: Tensor, right: Tensor) -> str:
    """The form that was chosen before, if it computes the product here; else the fastest."""
    kept = _chosen.get(name, {}).get(key)
    if kept is not None and _computes(kept, left, right):
        return kept
    cache = ProductCache([*FORMS])
    cached = cache.get(name, key)
    if cached is not None and _computes(cached, left, right):
        return cached
    best = fastest(left, right)
    agreed = cache.add(name, key, best, replaces=cached)
    return agreed if agreed == best or _computes(agreed, left, right) else best


def fastest(left: Tensor, right: Tensor) -> str:
    """The form that takes the least time for the product, of those that compute it."""
    seconds = {name: _least_seconds(name, left, right) for name in FORMS}
    best = min(seconds, key=lambda name: seconds[name])
    return best if seconds[best] < FASTER * seconds[BATCHED] else BATCHED


def _least_seconds(name: str, left: Tensor, right: Tensor) -> float:
    """What the form takes at least; infinity where it does not compute the product."""
    if not _computes(name, left, right):
        return math.inf
    out = _empty(left, right)
    return min(_seconds(FORMS[name], left, right, out) for _ in range(TIMED))


def _computes(name: str, left: Tensor, right: Tensor) -> bool:
    """Whether this version and device have the form, it does not wait for the device, and is right."""
    form, out = FORMS[name], _empty(left, right)
    try:
        form(left, right, out)  # libraries are loaded
        with _waiting(left.device, "error"):  # a form that waits cannot be recorded
            form(left, right, out)
        return _is_right(left, right, out)
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return False


def _empty(left: Tensor, right: Tensor) -> Tensor:
    return left.new_empty(len(left), left.shape[1], right.shape[2])


def _seconds(form: Form, left: Tensor, right: Tensor, out: Tensor) -> float:
    _synchronize(left.device)
    began = time.perf_counter()
    form(left, right, out)
    _synchronize(left.device)
    return time.perf_counter() - began


def _is_right(left: Tensor, right: Tensor, out: Tensor) -> bool:
    """Whether the product of the first and the last lane is right within rounding."""
    is_exact = left.dtype == torch.float32 and "tf32" not in _key(left, right)
    for lane in (0, -1):
        expected = left[lane].double() @ right[lane].double()
        apart = (out[lane].double() - expected).norm()
        if not bool(apart <= (CLOSE if is_exact else COARSE) * expected.norm()):
            return False
    return True


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def _waiting(device: torch.device, mode: str) -> Iterator[None]:
    """Inside, waiting for the device without being asked to is an `error`, or `default`: nothing."""
    if device.type != "cuda":
        yield
        return
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode(mode)
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _key(left: Tensor, right: Tensor) -> str:
    """Shape, layout and precision: what the time depends on."""
    lanes, rows, terms = left.shape
    layout = "".join("n" if factor.stride(2) == 1 else "t" for factor in (left, right))
    backends: Any = torch.backends  # the setting has no type hints
    precision = str(left.dtype).removeprefix("torch.")
    if left.dtype == torch.float32 and backends.cuda.matmul.fp32_precision == "tf32":
        precision = "tf32"
    return f"{lanes} x {rows} x {terms} x {right.shape[2]} {layout} {precision}"
