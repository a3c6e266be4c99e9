"""The classes that the parts of a run derive from, compared without importing them."""

from __future__ import annotations

from abreast.static.ancestors import derives_from

# What a class has to derive from, and what that is called.
BASE_CLASSES: dict[str, tuple[tuple[str, ...], str]] = {
    "model": (("Module",), "a network: a torch.nn.Module"),
    "criterion": (("Module",), "a criterion: a torch.nn.Module"),
    "optim": (("Optimizer",), "an optimizer: a torch.optim.Optimizer"),
    "scheduler": (("LRScheduler", "_LRScheduler"), "a learning-rate schedule: an LRScheduler of torch.optim"),
    "trainer": (("Trainer",), "Lightning's Trainer"),
    "callbacks": (("Callback",), "a Lightning Callback"),
    "logger": (("Logger",), "a Lightning Logger"),
}
_INNER = ("criterion", "scheduler", "callbacks", "logger")  # sections whose components have two-part keys


def wrong_class(key: str, section: str, target: str) -> str | None:
    """Say that a class is not of the kind that its place in the configuration takes.

    Args:
        key: The component's key, such as `loss.criterion`; one inside a component may be of any class.
        section: A key of `BASE_CLASSES`, or another section, whose components are of any class.
        target: The dotted name of the class.
    """
    if key.count(".") != (section in _INNER) or section not in BASE_CLASSES:
        return None
    classes, what = BASE_CLASSES[section]
    return f"{target} is not {what}" if derives_from(target, classes) is False else None
