"""The values that arguments of other libraries may have, where those check them late or not at all.

torch checks most of an optimizer's arguments when it is built, seconds after the command was given, and
takes some nonsense in silence; Lightning checks the Trainer's. Our own keys and components have their ranges
in their annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from abreast.config.types import is_number
from abreast.static.fit import written
from abreast.suggestions import did_you_mean, listed


@dataclass(frozen=True)
class Rule:
    """Whether a value is allowed, and which ones are, in words."""

    allows: Callable[[Any], bool]
    text: str
    choices: tuple[str, ...] = ()
    may_be_null: bool = True


def at_least(low: float) -> Rule:
    """`low` or more."""
    return Rule(lambda value: value >= low, f"at least {low}")


def above(low: float) -> Rule:
    """More than `low`."""
    return Rule(lambda value: value > low, f"above {low}")


def at_most(high: float) -> Rule:
    """`high` or less."""
    return Rule(lambda value: value <= high, f"at most {high}")


def within(low: float, high: float, ends: str = "[]") -> Rule:
    """From low to high; a round bracket excludes that end."""
    inside = {
        "[]": lambda value: low <= value <= high,
        "[)": lambda value: low <= value < high,
        "(]": lambda value: low < value <= high,
        "()": lambda value: low < value < high,
    }
    return Rule(inside[ends], f"in {ends[0]}{low}, {high}{ends[1]}")


def one_of(*choices: str) -> Rule:
    """One of some texts."""
    return Rule(lambda value: value in choices, f"one of {listed(choices)}", choices)


POSITIVE = at_least(1)
NOT_NEGATIVE = at_least(0)
COUNT_OR_ALL = Rule(lambda value: value == -1 or value >= 1, "at least 1, or -1 for no limit")
LIMIT = Rule(
    lambda value: 0 <= value <= 1 or (1 < value < 2**63 and value % 1 == 0),
    "a number of batches, or a share in [0.0, 1.0]",
)
# The names Lightning registers.
_DDP = [
    f"ddp{start}{unused}"
    for start in ("", "_spawn", "_fork", "_notebook")
    for unused in ("", "_find_unused_parameters_false", "_find_unused_parameters_true")
]
_DEEPSPEED = [
    f"deepspeed{stage}"
    for stage in ("", "_stage_1", "_stage_2", "_stage_2_offload", "_stage_3", "_stage_3_offload")
]
_OTHERS = ("single_device", "single_tpu", "single_xla", "xla", "xla_debug", "deepspeed_stage_3_offload_nvme")
STRATEGIES = ("auto", *_DDP, "fsdp", "fsdp_cpu_offload", *_DEEPSPEED, *_OTHERS)

# By the section of the configuration, then by argument.
RULES: dict[str, dict[str, Rule]] = {
    "criterion": {
        "reduction": one_of("mean", "batchmean"),
        "weight": NOT_NEGATIVE,
        "pos_weight": NOT_NEGATIVE,
        "label_smoothing": within(0, 1),
        "delta": above(0),
        "beta": NOT_NEGATIVE,
        "p": Rule(lambda value: value in (1, 2), "1 or 2"),
    },
    "optim": {
        "betas": within(0, 1, "[)"),
        "rho": within(0, 1),
        "d": POSITIVE,
        "beta2_decay": at_most(0),
        "ns_steps": within(1, 99),
        "adjust_lr_fn": one_of("original", "match_rms_adamw", "spectral_unclamped"),
        "line_search_fn": one_of("strong_wolfe"),
        **dict.fromkeys(("max_iter", "max_eval", "history_size"), POSITIVE),
        **dict.fromkeys(("lr", "weight_decay", "momentum", "eps", "alpha", "lambd", "t0"), NOT_NEGATIVE),
        **dict.fromkeys(("lr_decay", "initial_accumulator_value", "momentum_decay"), NOT_NEGATIVE),
        **dict.fromkeys(("tolerance_grad", "tolerance_change", "warmup_steps", "step_sizes"), NOT_NEGATIVE),
    },
    "scheduler": {
        "gamma": above(0),
        "factor": within(0, 1),
        "start_factor": within(0, 1, "(]"),
        "end_factor": within(0, 1),
        "pct_start": within(0, 1),
        "anneal_strategy": one_of("cos", "linear"),
        **dict.fromkeys(("div_factor", "final_div_factor"), above(0)),
        **dict.fromkeys(("step_size", "T_max", "T_0", "T_mult", "total_iters", "total_steps"), POSITIVE),
        **dict.fromkeys(("epochs", "steps_per_epoch", "milestones"), POSITIVE),
        **dict.fromkeys(("patience", "threshold", "cooldown", "min_lr", "eta_min"), NOT_NEGATIVE),
        **dict.fromkeys(("max_lr", "base_lr", "power"), NOT_NEGATIVE),
    },
    "trainer": {
        "max_epochs": COUNT_OR_ALL,
        "max_steps": COUNT_OR_ALL,
        "gradient_clip_val": Rule(lambda value: value > 0, "above 0, or null for no clipping"),
        "gradient_clip_algorithm": one_of("norm", "value"),
        "accelerator": replace(one_of("auto", "cpu", "gpu", "cuda", "mps", "tpu"), may_be_null=False),
        "strategy": Rule(
            lambda value: value in STRATEGIES,
            "auto, ddp, fsdp, deepspeed or one of their variants",
            STRATEGIES,
            may_be_null=False,
        ),
        **dict.fromkeys(("num_nodes", "accumulate_grad_batches", "check_val_every_n_epoch"), POSITIVE),
        **dict.fromkeys(("min_epochs", "min_steps"), NOT_NEGATIVE),
        "log_every_n_steps": POSITIVE,
        "val_check_interval": Rule(lambda value: value > 0 and LIMIT.allows(value), LIMIT.text + ", above 0"),
        "reload_dataloaders_every_n_epochs": NOT_NEGATIVE,
        "limit_predict_batches": LIMIT,
        "profiler": one_of("simple", "advanced", "pytorch", "xla"),
        "limit_train_batches": Rule(
            lambda value: value > 0 and LIMIT.allows(value), LIMIT.text + ", above 0"
        ),
        **dict.fromkeys(("limit_val_batches", "limit_test_batches", "overfit_batches"), LIMIT),
    },
    "callbacks": {"patience": NOT_NEGATIVE},
    "launcher": {
        "engine": one_of("none", "joblib", "submitit", "ray"),
        "matmul_precision": one_of("bf16", "tf32"),
        "memory_gib": above(0),
        "save_every": NOT_NEGATIVE,
        "keep": within(0, 1, "(]"),
        **dict.fromkeys(("max_lanes", "threads", "workers"), POSITIVE),
    },
}


def out_of_range(key: str, values: Mapping[str, Any], section: str) -> Iterator[str]:
    """A message for every value, or element of a list, that its section's rules do not allow."""
    rules = RULES.get(section, {})
    for name, value in values.items():
        rule = rules.get(name)
        if rule is None:
            continue
        whole = f"{key}.{name}"
        for path, element in [(whole, value)] if rule.choices else _elements(whole, value):
            if not _is_allowed(element, rule):
                near = did_you_mean(str(element), rule.choices)
                yield f"{path}: must be {rule.text}, got {_shown(element)}{near}"


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) else written(value)


def _elements(key: str, value: Any) -> Iterable[tuple[str, Any]]:
    if not isinstance(value, list):
        return [(key, value)]
    return [pair for index, element in enumerate(value) for pair in _elements(f"{key}[{index}]", element)]


def is_object(value: Any) -> bool:
    """Whether an object is built from a value."""
    return isinstance(value, Mapping) and "_target_" in value


def _is_allowed(value: Any, rule: Rule) -> bool:
    if value is None:
        return rule.may_be_null
    if rule.choices:
        return rule.allows(value) if isinstance(value, str) else is_object(value)
    return not is_number(value) or rule.allows(value)
