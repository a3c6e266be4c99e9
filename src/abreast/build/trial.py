"""Whether a network takes the examples of the data and gives as many scores as they need, tried on a few."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from abreast.build.trainable import has_usual_gradient, leaves_of
from abreast.config.targets import GIVEN_NETWORK, is_custom_network
from abreast.config.types import Config, State
from abreast.data.datamodule import DataModule
from abreast.errors import ConfigError, class_and_line, first_line
from abreast.learner.attribute_state import ATTRIBUTES, AttributeState, buffers_kept, copied_network
from abreast.learner.checkpoint import as_read
from abreast.learner.network_state import load_state
from abreast.learner.normalize import Normalize
from abreast.runtime.given import given_object
from abreast.runtime.seeding import seeded
from abreast.suggestions import listed

ROWS = 2
HELD = "net."  # before the names of a network's weights
SHOWN = 4  # shapes in a message
TRAINING = " in training"
ROUNDING = 1e-3  # of the scores, at most


def check_network(
    cfg: Config, net: nn.Module, data: DataModule, rebuild: Callable[[], nn.Module]
) -> list[nn.Parameter]:
    """Try a network on the first examples. It stays as it is: a copy is tried.

    The copy evaluates them; one that is not of `abreast.models` also computes gradients, and computes both
    again with the state that it had before, changed and loaded. One that fails is tried again, built anew and
    on a whole mini-batch: a copy shares what a closure or a hook refers to with its network, and some
    networks need more examples.

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
    if not is_custom_network(cfg["model"]):
        return _Trial(cfg, copy.deepcopy(net), data, ROWS).evaluated()
    try:
        copied = copied_network(net)
    except Exception:  # it holds something that cannot be copied, such as a lock
        copied = rebuild()
    try:
        with buffers_kept(net):
            return _Trial(cfg, copied, data, ROWS).trained()
    except ConfigError:
        return _Trial(cfg, rebuild(), data, min(data.batch_size, len(data.train))).trained()


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
        self.holder = nn.Module()  # as a learner holds it: whose own load_state_dict is not called
        self.holder.add_module(HELD.rstrip("."), net)
        self.modes = {module: module.training for module in net.modules()}

    def evaluated(self) -> list[nn.Parameter]:
        """Try the evaluation alone."""
        self._evaluate()
        return []

    def trained(self) -> list[nn.Parameter]:
        """Try evaluation and training."""
        state, attributes = copy.deepcopy(self.holder.state_dict()), AttributeState(self.net)
        known = dict(self.net.named_parameters(remove_duplicate=False))
        scores = self._evaluate()
        trained = self._back_propagate()
        parameters = dict(self.net.named_parameters(remove_duplicate=False))
        late = sorted(parameters.keys() - known.keys())
        if late:
            raise self._error(
                f"makes {listed(late)} in its forward, too late for the optimizer: make them in "
                "its __init__, or use a lazy layer (torch.nn.LazyLinear)"
            )
        tried = [*self.net.parameters()]
        self._check_state(scores, trained, state, attributes)
        return [] if all(map(has_usual_gradient, tried)) else tried

    def _check_state(self, scores: Tensor, trained: Tensor, state: State, attributes: AttributeState) -> None:
        """Compute once more with the weights, buffers and attributes of the first time."""
        late = sorted(key.removeprefix(HELD) for key in self.holder.state_dict().keys() - state.keys())
        if late:
            raise self._error(
                f"makes the buffers {listed(late)} in its forward, too late to load them from a checkpoint: "
                "register them in its __init__, or with persistent=False"
            )
        _change(self.net)
        try:
            as_read({ATTRIBUTES: attributes.changed(self.net)})
            load_state(self.holder, as_read(state), self.net, attributes)
        except Exception as error:
            reason = first_line(error).replace(HELD, "")
            raise self._error(
                f"has a state_dict that cannot be saved and loaded again: {reason}. "
                "Let its buffers keep the shapes that __init__ gives them, and its own state_dict hold all "
                "that it loads, as tensors and plain values"
            ) from error
        when = ""
        again = self._evaluate()
        if _are_close(scores, again):
            when, scores = TRAINING, trained
            again = self._scores(self.others, TRAINING).detach()
        if not _are_close(scores, again):
            trainable = [name for name, value in self.net.named_parameters() if value.requires_grad]
            lacking = [name for name in trainable if HELD + name not in state]
            what = f"the trained {listed(lacking[:SHOWN])}" if lacking else "a state that it keeps"
            raise self._error(
                f"gives other scores{when} for the same batch after a step, although its weights were loaded "
                f"again: no checkpoint holds {what}. Keep it in its state_dict (a persistent buffer, "
                "get_extra_state), or in attributes that are numbers, tensors, random generators, or lists "
                "and dicts of these, or start it anew in each forward"
            )

    def _evaluate(self) -> Tensor:
        self.net.eval()
        with torch.no_grad():
            scores = self._scores(self.inputs, "")
        for module, mode in self.modes.items():
            module.training = mode
        return scores.clone()

    def _back_propagate(self) -> Tensor:
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
            first = leaves_of(scores)
            unknown = first.keys() - {id(parameter) for parameter in parameters}
            if unknown:  # what a forward makes for itself, as a perturbed input, is another one in the next
                again = leaves_of(self._scores(self.others, TRAINING))
                self._refuse_unknown([leaf for key, leaf in again.items() if key in unknown])
            self._tried(TRAINING, lambda: scores.square().sum().backward())  # type: ignore[no-untyped-call]
        return scores.detach().clone()

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


def _change(net: nn.Module) -> None:
    """Give the trained parameters other values, as a step does."""
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.requires_grad:
                parameter.mul_(0.5).add_(0.5)


def _are_close(scores: Tensor, others: Tensor) -> bool:
    size = float(scores.abs().max()) if scores.numel() else 0.0
    return torch.allclose(scores, others, rtol=ROUNDING, atol=ROUNDING * size, equal_nan=True)
