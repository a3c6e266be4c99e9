"""Whether a network takes the examples of the data and gives as many scores as they need, tried on a few."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from abreast.config.targets import GIVEN_NETWORK, is_custom_network
from abreast.config.types import Config
from abreast.data.datamodule import DataModule
from abreast.errors import ConfigError, class_and_line
from abreast.learner.normalize import Normalize
from abreast.runtime.given import given_object
from abreast.runtime.seeding import seeded
from abreast.suggestions import listed

ROWS = 2
SHOWN = 4  # shapes in a message
TRAINING = " in training"
ROUNDING = 1e-3  # of the scores, at most


def check_network(
    cfg: Config, net: nn.Module, data: DataModule, rebuild: Callable[[], nn.Module]
) -> list[nn.Parameter]:
    """Try a network on the first examples. It stays as it is: a copy is tried.

    The copy evaluates them; one that is not of `abreast.models` also computes gradients, and evaluates them
    again with the weights and buffers that it had before. One that fails is tried again, built anew and on a
    whole mini-batch: a copy shares what a closure or a hook refers to with its network, and some networks
    need more examples.

    Args:
        cfg: The run's configuration.
        net: The network, on the CPU. One with parameters that its first batch makes is not tried.
        data: The run's data.
        rebuild: Builds the network anew.

    Returns:
        The copy's parameters with their gradients, where an optimizer may refuse them: some are sparse, or
        not float32. Else none.

    Raises:
        ConfigError: It does not take the examples, gives something else than `[B, out_features]`, cannot be
            trained, or computes with what a checkpoint does not hold.
    """
    if any(map(is_lazy, net.parameters())):
        return []
    try:
        copied = copy.deepcopy(net)
    except Exception:  # a network that cannot be copied shows at its first step what it takes
        return []
    if not is_custom_network(cfg["model"]):
        return _Trial(cfg, copied, data, ROWS).evaluated()
    try:
        with _buffers_kept(net):
            return _Trial(cfg, copied, data, ROWS).trained()
    except ConfigError:
        return _Trial(cfg, rebuild(), data, min(data.batch_size, len(data.train))).trained()


@contextmanager
def _buffers_kept(net: nn.Module) -> Iterator[None]:
    """Afterwards, the network's buffers are what they were: a copy may share methods with its network."""
    kept = [
        (module, key, buffer, buffer.clone())
        for module in net.modules()
        for key, buffer in module.named_buffers(recurse=False)
    ]
    try:
        yield
    finally:
        for module, key, buffer, value in kept:
            if getattr(module, key) is not buffer:
                setattr(module, key, buffer)
            if not torch.equal(buffer, value):
                buffer.data.copy_(value)


class _Trial:
    """A network that may be changed, and the examples that it is tried on."""

    def __init__(self, cfg: Config, net: nn.Module, data: DataModule, rows: int) -> None:
        self.net, self.seed = net, cfg["seed"]
        target = cfg["model"]["_target_"]
        is_given = target == GIVEN_NETWORK
        self.name = type(net).__name__ if is_given else target
        self.is_object = is_given and isinstance(given_object("model", cfg["model"]["network"]), nn.Module)
        normalize = Normalize(data.mean, data.std, data.projection)
        self.inputs = normalize(data.train.between(0, rows).inputs.cpu())
        others = data.train.between(rows, 2 * rows).inputs.cpu()  # which leave another state, if it keeps one
        halved = self.inputs[torch.arange(len(self.inputs)) // 2]
        self.others = normalize(others) if len(others) == rows else halved
        self.expected = [len(self.inputs), data.out_features]
        self.modes = {module: module.training for module in net.modules()}

    def evaluated(self) -> list[nn.Parameter]:
        """Try the evaluation alone."""
        self._evaluate()
        return []

    def trained(self) -> list[nn.Parameter]:
        """Try evaluation and training."""
        saves_itself = any(map(_saves_itself, self.net.modules()))  # then only its class knows how to load it
        state = {} if saves_itself else copy.deepcopy(self.net.state_dict())
        known = dict(self.net.named_parameters(remove_duplicate=False))
        scores = self._evaluate()
        self._back_propagate()
        parameters = dict(self.net.named_parameters(remove_duplicate=False))
        late = sorted(parameters.keys() - known.keys())
        if late:
            raise self._error(
                f"makes {listed(late)} in its forward, too late for the optimizer: make them in "
                "its __init__, or use a lazy layer (torch.nn.LazyLinear)"
            )
        tried = [*self.net.parameters()]
        if not saves_itself:
            self._check_state(scores, state)
        return [] if all(map(_is_usual, tried)) else tried

    def _check_state(self, scores: Tensor, state: dict[str, Any]) -> None:
        """Evaluate once more with the weights and buffers of the first time."""
        late = sorted(self.net.state_dict().keys() - state.keys())
        if late:
            raise self._error(
                f"makes the buffers {listed(late)} in its forward, too late to load them from a checkpoint: "
                "register them in its __init__, or with persistent=False"
            )
        try:
            self.net.load_state_dict(state)
        except Exception as error:
            reason = " ".join(" ".join(str(error).splitlines()[:2]).split())
            raise self._error(
                f"changes in a step so that its state_dict cannot be loaded again: {reason} "
                "Let its buffers keep the shapes that __init__ gives them"
            ) from error
        again = self._evaluate()
        size = float(scores.abs().max())
        if not torch.allclose(scores, again, rtol=ROUNDING, atol=ROUNDING * size, equal_nan=True):
            raise self._error(
                "gives other scores for the same batch and the same weights after a step: it keeps a state "
                "that is not in its state_dict, and that no checkpoint holds. Keep it in a persistent buffer "
                "(self.register_buffer), or start it anew in each forward"
            )

    def _evaluate(self) -> Tensor:
        self.net.eval()
        with torch.no_grad():
            scores = self._scores(self.inputs, "")
        for module, mode in self.modes.items():
            module.training = mode
        return scores.clone()

    def _back_propagate(self) -> None:
        with torch.enable_grad():
            scores = self._scores(self.others, TRAINING)
        if not scores.dtype.is_floating_point:
            raise self._error(
                f"gives scores of {str(scores.dtype).removeprefix('torch.')}, and losses need float32"
            )
        parameters = [*self.net.parameters()]  # held, or another tensor could have the identity of one
        if any(parameter.requires_grad for parameter in parameters):
            if not scores.requires_grad:
                raise self._error("gives scores without a gradient: something in its forward detaches them")
            first = _leaves(scores)
            unknown = first.keys() - {id(parameter) for parameter in parameters}
            if unknown:  # what a forward makes for itself, as a perturbed input, is another one in the next
                again = _leaves(self._scores(self.others, TRAINING))
                self._refuse_unknown([leaf for key, leaf in again.items() if key in unknown])
            self._tried(TRAINING, lambda: scores.square().sum().backward())  # type: ignore[no-untyped-call]

    def _refuse_unknown(self, leaves: Sequence[Tensor]) -> None:
        if leaves:
            shapes = listed(str(list(leaf.shape)) for leaf in leaves[:SHOWN])
            raise self._error(
                f"computes with {len(leaves)} trainable tensors (of shape {shapes}"
                f"{', ...' * (len(leaves) > SHOWN)}) that are not among its parameters: "
                "they would be neither trained nor saved. Keep layers in torch.nn.ModuleList or "
                "ModuleDict and tensors in torch.nn.Parameter, or freeze them (requires_grad_(False))"
                + self.is_object
                * "; closures and hooks of a network given as an object need its class instead"
            )

    def _scores(self, inputs: Tensor, when: str) -> Tensor:
        copied = inputs.clone()  # a forward may change its inputs
        scores = self._tried(when, lambda: self.net(copied))
        if isinstance(scores, Tensor) and list(scores.shape) == self.expected:
            return scores
        what = f"shape {list(scores.shape)}" if isinstance(scores, Tensor) else f"a {type(scores).__name__}"
        raise self._error(
            f"gives {what} for a batch of shape {list(inputs.shape)}{when}, but the data need a "
            f"tensor of shape {self.expected}: {self.expected[1]} scores for each example{_remedy(scores)}"
        )

    def _tried(self, when: str, compute: Callable[[], object]) -> object:
        try:
            with seeded(self.seed):
                return compute()
        except Exception as error:
            raise self._error(
                f"cannot compute a batch of shape {list(self.inputs.shape)}{when} "
                f"({class_and_line(error)}). HYDRA_FULL_ERROR=1 shows where"
            ) from error

    def _error(self, what: str) -> ConfigError:
        return ConfigError(f"model: {self.name} {what}")


def _remedy(output: object) -> str:
    """How to make one tensor of what a network gives."""
    if hasattr(output, "logits") or (isinstance(output, dict) and "logits" in output):
        return ". Let its forward give the logits alone"
    if isinstance(output, (tuple, list)):
        return ". Let its forward give one tensor (aux_logits=false for GoogLeNet and Inception)"
    return ""


def _saves_itself(module: nn.Module) -> bool:
    """Whether what a checkpoint holds of the module is decided by its class."""
    kind = type(module)
    return (kind.state_dict, kind.load_state_dict) != (nn.Module.state_dict, nn.Module.load_state_dict)


def _is_usual(parameter: nn.Parameter) -> bool:
    """Whether every optimizer takes the parameter's gradient."""
    grad = parameter.grad
    return grad is None or (grad.layout == torch.strided and grad.dtype == torch.float32)


def _leaves(scores: Tensor) -> dict[int, Tensor]:
    """The tensors that a gradient of the scores would be accumulated in, by identity; held, to keep it."""
    open_nodes, seen = [scores.grad_fn], set()
    leaves: dict[int, Tensor] = {}
    while open_nodes:
        node = open_nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves[id(node.variable)] = node.variable
        open_nodes += [following for following, _ in node.next_functions]
    return leaves
