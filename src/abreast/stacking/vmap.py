"""A stack of any networks by `torch.func.vmap`: equal to individual training within rounding, not bitwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from abreast.learner.attribute_state import AttributeState
from abreast.runtime.half import HALF
from abreast.stacking.parameters import StackedState
from abreast.stacking.random_numbers import draws
from abreast.suggestions import listed

SHOWN = 4  # names in a message
ROUNDING = 1e-3  # of the largest gradient, at most
COARSE = 0.05  # the same of networks that compute in 16 bits


class _WithBuffers(nn.Module):
    """A network, with its buffers after the forward: it may put new tensors in their place."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Scores of a batch, and the buffers by name."""
        scores: Tensor = self.net(inputs)
        return scores, dict(self.net.named_buffers())


def parameter_places(net: nn.Module) -> dict[str, str]:
    """The parameter's name for every place of one in the network's modules.

    `functional_call`'s own `tie_weights` sets a place once for every name of a shared module, and restores it
    to what it had set.
    """
    names = {parameter: name for name, parameter in net.named_parameters()}
    return {
        f"{prefix}.{key}".lstrip("."): names[parameter]
        for prefix, module in net.named_modules()
        for key, parameter in module._parameters.items()
        if parameter is not None
    }


class VmappedNet:
    """The lanes' networks as one function, in training.

    `forward` raises RuntimeError for networks that vmap cannot batch: control flow that depends on values,
    operations without a batched form, and random numbers, which would depend on a lane's neighbours.
    """

    def __init__(self, nets: Sequence[nn.Module], state: StackedState) -> None:
        self.base = nets[0]
        self._with_buffers = _WithBuffers(self.base)
        self.state = state
        self._names = parameter_places(self.base)
        self._scores: Tensor

    def train(self) -> None:
        """Put the network that is called for all lanes in training mode."""
        self.base.train()

    def forward(self, x: Tensor) -> Tensor:
        """Return scores `[K, B, out]` of normalised inputs `[K, B, *shape]`.

        What the network writes to its attributes is let go of: it is that of all lanes.
        """
        kept = _attributes(self.base)
        try:
            return self._forward(x)
        finally:
            _let_go(kept)

    def _forward(self, x: Tensor) -> Tensor:
        state = self.state

        def call(
            parameters: dict[str, Tensor], buffers: dict[str, Tensor], inputs: Tensor
        ) -> tuple[Tensor, dict[str, Tensor]]:
            places = {f"net.{place}": parameters[name] for place, name in self._names.items()}
            held = {f"net.{name}": buffer for name, buffer in buffers.items()}
            result: tuple[Tensor, dict[str, Tensor]] = torch.func.functional_call(
                self._with_buffers, (places, held), (inputs,), tie_weights=False
            )
            return result

        batched = torch.func.vmap(call, in_dims=(0, 0, 0), randomness="error")
        # vmap changes dense buffers alone in place; the state's lanes may be padded.
        buffers = {
            name: buffer.clone(memory_format=torch.contiguous_format)
            for name, buffer in state.buffers.items()
        }
        with torch.enable_grad():
            self._scores, buffers = batched(dict(state.parameters), buffers, x)
        for name, buffer in buffers.items():
            state.buffers[name].copy_(buffer.detach())
        return self._scores.detach()

    def backward(self, grad: Tensor) -> None:
        """Fill the state's gradients, given that of the scores."""
        gradients = torch.autograd.grad(self._scores, [*self.state.parameters.values()], grad)
        del self._scores
        for memory, gradient in zip(self.state.gradients.values(), gradients, strict=True):
            memory.copy_(gradient)

    def _last_lane_alone(self, x: Tensor, grad: Tensor) -> tuple[list[Tensor], bool]:
        """The gradients of the last lane's parameters without vmap, and whether it computes in 16 bits.

        Args:
            x: Inputs of all lanes.
            grad: The gradient of their scores.
        """
        parameters = {
            name: value[-1].detach().clone().requires_grad_() for name, value in self.state.parameters.items()
        }
        buffers = {name: value[-1].clone() for name, value in self.state.buffers.items()}
        places = {place: parameters[name] for place, name in self._names.items()}
        is_coarse = False

        def look(module: nn.Module, inputs: object, output: object) -> None:
            nonlocal is_coarse
            is_coarse |= isinstance(output, Tensor) and output.dtype in HALF

        hooks = [module.register_forward_hook(look) for module in self.base.modules()]
        try:
            with torch.enable_grad():
                scores = torch.func.functional_call(
                    self.base, (places, buffers), (x[-1].clone(),), tie_weights=False
                )
        finally:
            for hook in hooks:
                hook.remove()
        return [*torch.autograd.grad(scores, [*parameters.values()], grad[-1])], is_coarse

    def _replaces_buffers(self, inputs: Tensor) -> bool:
        """Whether an evaluation, which calls each lane's network, would take it out of the stack's memory."""
        before = {module: dict(module._buffers) for module in self.base.modules()}
        self.base.eval()
        try:
            with torch.no_grad():
                self.base(inputs.clone())
            return any(
                module._buffers.get(name) is not buffer
                for module, buffers in before.items()
                for name, buffer in buffers.items()
            )
        finally:
            self.base.train()
            for module, buffers in before.items():
                module._buffers.update(buffers)

    def probe(self, x: Tensor) -> None:
        """Try forward and backward on inputs `[K, B, *shape]`; the buffers are restored.

        Raises:
            Exception: Whatever vmap, or the network under it, raises.
        """
        before = {name: buffer.clone() for name, buffer in self.state.buffers.items()}
        kept, attributes = _attributes(self.base), AttributeState(self.base)
        scores: list[Tensor] = []
        try:
            if draws(lambda: scores.append(self._step(x))):
                raise RuntimeError("its forward draws random numbers, which a lane must not share")
            batched = [gradient[-1].clone() for gradient in self.state.gradients.values()]
            self._restore(before)
            if _has_written(kept) and not self._step(x).equal(scores[0]):
                raise RuntimeError("its forward computes with what it wrote to its attributes")
            self._restore(before)
            alone, is_coarse = self._last_lane_alone(x, _varied(scores[0]))
            if not _are_close(alone, batched, COARSE if is_coarse else ROUNDING):
                raise RuntimeError("torch.func.vmap gives other gradients than a lane alone")
            if self._replaces_buffers(x[0]):
                raise RuntimeError("it puts new tensors in the place of its buffers when it evaluates")
            _let_go(kept)
            changed = attributes.changed(self.base)
            if changed:
                names = sorted(name.lstrip(".") for name in changed)
                raise RuntimeError(f"its forward changes its attributes {listed(names[:SHOWN])}")
        finally:
            _let_go(kept)
            self._restore(before)

    def _step(self, x: Tensor) -> Tensor:
        """The scores, after a forward and a backward pass."""
        scores = self._forward(x)
        self.backward(_varied(scores))
        return scores

    def _restore(self, buffers: dict[str, Tensor]) -> None:
        for name, buffer in buffers.items():
            self.state.buffers[name].copy_(buffer)


Kept = list[tuple[dict[str, Any], dict[str, Any]]]  # attributes of modules, now and before


def _attributes(net: nn.Module) -> Kept:
    return [(vars(module), dict(vars(module))) for module in net.modules()]


def _written(now: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """The attributes that were given tensors, such as the last activations."""
    return [
        name for name, value in now.items() if isinstance(value, Tensor) and before.get(name) is not value
    ]


def _has_written(kept: Kept) -> bool:
    return any(_written(now, before) for now, before in kept)


def _let_go(kept: Kept) -> None:
    """Put what was there before in the place of tensors that were written to attributes."""
    for now, before in kept:
        for name in _written(now, before):
            if name in before:
                now[name] = before[name]
            else:
                del now[name]


def _varied(scores: Tensor) -> Tensor:
    """A gradient for scores that differs from one to the next: a norm's gradient of their sum is zero."""
    return torch.arange(scores.numel(), dtype=scores.dtype, device=scores.device).cos().view(scores.shape)


def _are_close(gradients: Sequence[Tensor], others: Sequence[Tensor], most: float) -> bool:
    sizes = [float(gradient.abs().max()) if gradient.numel() else 0.0 for gradient in gradients]
    return all(
        torch.allclose(one, other, rtol=most, atol=most * (size + 1e-2 * max(sizes)), equal_nan=True)
        for one, other, size in zip(gradients, others, sizes, strict=True)
    )
