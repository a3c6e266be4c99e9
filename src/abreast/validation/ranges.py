"""The values each key may have, beyond its type: one table, mirroring what torch and Lightning check late."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from abreast.suggestions import did_you_mean


@dataclass(frozen=True)
class Rule:
    """Whether a value is allowed, and which ones are, in words."""

    allows: Callable[[Any], bool]
    text: str
    choices: tuple[str, ...] = ()


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
    """From low to high; a round bracket leaves that end out."""
    inside = {
        "[]": lambda value: low <= value <= high,
        "[)": lambda value: low <= value < high,
        "(]": lambda value: low < value <= high,
        "()": lambda value: low < value < high,
    }
    return Rule(inside[ends], f"in {ends[0]}{low}, {high}{ends[1]}")


def one_of(*choices: str) -> Rule:
    """A text among some."""
    return Rule(lambda value: value in choices, "one of " + ", ".join(choices), choices)


POSITIVE = at_least(1)
NOT_NEGATIVE = at_least(0)
COUNT_OR_ALL = Rule(lambda value: value == -1 or value >= 1, "at least 1, or -1 for no limit")
LIMIT = Rule(
    lambda value: 0 <= value <= 1 or (value > 1 and value % 1 == 0),
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

RULES: dict[str, dict[str, Rule]] = {
    "": {
        "seed": Rule(lambda value: 0 <= value < 2**32, "in [0, 2**32)"),
        "checkpoint": one_of("best", "last"),
        "steps_per_execution": POSITIVE,
        "matmul_precision": one_of("bf16", "tf32"),
    },
    "sweep": {"on_fail": one_of("continue", "stop")},
    "loader": {
        "task": one_of("classification", "regression"),
        "batch_size": POSITIVE,
        "eval_batch_size": POSITIVE,
        "val_fraction": within(0, 1, "[)"),
        "split_seed": NOT_NEGATIVE,
        "label_noise": within(0, 1),
    },
    "data": {  # of our own sources
        "test_fraction": within(0, 1, "()"),
        "classes": POSITIVE,
        "seed": NOT_NEGATIVE,
        "hidden": NOT_NEGATIVE,
        "noise": NOT_NEGATIVE,
        **dict.fromkeys(("size", "test_size", "features", "outputs"), POSITIVE),
    },
    "model": {"hidden": POSITIVE, "dropout": within(0, 1, "[)")},
    "loss": {
        "scores": one_of("logits", "log_probs", "probs", "sigmoid", "distance"),
        "targets": one_of("index", "one_hot", "signed"),
        "tasks": one_of("classification", "regression"),
    },
    "criterion": {
        "reduction": one_of("mean", "batchmean"),
        "weight": NOT_NEGATIVE,
        "pos_weight": NOT_NEGATIVE,
        "alpha": NOT_NEGATIVE,
        "label_smoothing": within(0, 1),
        "delta": above(0),
        "beta": NOT_NEGATIVE,
        "gamma": NOT_NEGATIVE,
        "power": POSITIVE,
        "epsilon": at_least(-1),
        "q": within(0, 1, "(]"),
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
    "schedule": {"interval": one_of("step", "epoch")},
    "scheduler": {
        "gamma": above(0),
        "factor": within(0, 1),
        "start_factor": within(0, 1, "(]"),
        "end_factor": within(0, 1),
        "warmup_fraction": within(0, 1, "[)"),
        "pct_start": within(0, 1),
        "anneal_strategy": one_of("cos", "linear"),
        **dict.fromkeys(("div_factor", "final_div_factor"), above(0)),
        **dict.fromkeys(("step_size", "T_max", "T_0", "T_mult", "total_iters", "total_steps"), POSITIVE),
        **dict.fromkeys(("epochs", "steps_per_epoch", "milestones"), POSITIVE),
        **dict.fromkeys(("patience", "threshold", "cooldown", "min_lr", "eta_min"), NOT_NEGATIVE),
        **dict.fromkeys(("max_lr", "base_lr", "final_lr_ratio", "power"), NOT_NEGATIVE),
    },
    "trainer": {
        "max_epochs": COUNT_OR_ALL,
        "max_steps": COUNT_OR_ALL,
        "gradient_clip_val": Rule(lambda value: value > 0, "above 0, or null for no clipping"),
        "gradient_clip_algorithm": one_of("norm", "value"),
        "accelerator": one_of("auto", "cpu", "gpu", "cuda", "mps", "tpu"),
        "strategy": Rule(
            lambda value: value in STRATEGIES,
            "auto, ddp, fsdp, deepspeed or one of their variants",
            STRATEGIES,
        ),
        **dict.fromkeys(("num_nodes", "accumulate_grad_batches", "check_val_every_n_epoch"), POSITIVE),
        **dict.fromkeys(("min_epochs", "min_steps"), NOT_NEGATIVE),
        "log_every_n_steps": POSITIVE,
        "limit_train_batches": Rule(
            lambda value: value > 0 and LIMIT.allows(value), LIMIT.text + ", above 0"
        ),
        **dict.fromkeys(("limit_val_batches", "limit_test_batches", "overfit_batches"), LIMIT),
    },
    "logger": {},
    "callbacks": {"patience": NOT_NEGATIVE, "worst": NOT_NEGATIVE},
}


def out_of_range(key: str, values: Mapping[str, Any], section: str) -> Iterator[str]:
    """A message for every value, or element of a list, that its section's table does not allow."""
    rules = RULES.get(section, {})
    for name, value in values.items():
        if name in rules:
            for place, each in _elements(f"{key}.{name}" if key else name, value):
                if not _is_allowed(each, rules[name]):
                    yield f"{place}: must be {rules[name].text}, got {each}" + did_you_mean(
                        str(each), rules[name].choices
                    )


def _elements(key: str, value: Any) -> Iterable[tuple[str, Any]]:
    if not isinstance(value, list):
        return [(key, value)]
    return [pair for at, each in enumerate(value) for pair in _elements(f"{key}[{at}]", each)]


def _is_allowed(value: Any, rule: Rule) -> bool:
    if value is None:
        return True
    if rule.choices:
        return not isinstance(value, str) or rule.allows(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return not is_number or rule.allows(value)
