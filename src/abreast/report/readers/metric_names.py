"""What names of others' metrics mean: the stage, the metric, and which way is better."""

from __future__ import annotations

import re

from abreast.metrics.registry import Mode, lookup

MOST_NAME = 1_000  # characters; a longer one is no metric's
STAGES = {
    **dict.fromkeys(("test", "tst", "final", "eval_test"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "eval", "dev"), "val"),
    **dict.fromkeys(("train", "training", "tr"), "train"),
}
_INNER = ("test", "val", "valid", "validation", "train", "training")  # also within a name
_CAMEL = re.compile(  # before or behind a stage, as in `valLoss` and `MSETest`
    r"(?<=\b[Vv]al)(?=[A-Z])|(?<=\b[Tt]est)(?=[A-Z])|(?<=\b[Tt]rain)(?=[A-Z])|"
    r"(?<=[a-zA-Z0-9])(?=(?:Test|Train|Training|Val|Valid|Validation)$)"
)
PREFIXES = ("hparam", "hparams", "metric", "metrics", "epoch")  # that loggers put before a name
_SAME = {
    "accuracy": "acc top1 top_1 top1_acc top_1_acc top1_accuracy top_1_accuracy predictive_accuracy "
    "percent_correct categorical_accuracy binary_accuracy sparse_categorical_accuracy accuracy_score",
    "auroc": "auc roc_auc area_under_roc_curve",
    "macro_f1": "f1_macro",
    "balanced_accuracy": "balanced_acc",
    "mae": "mean_absolute_error",
    "rmse": "root_mean_squared_error",
    "r2": "r2_score",
    "top5": "top5_accuracy",
    "brier": "brier_score",
}
ALIASES = {alias: name for name, aliases in _SAME.items() for alias in aliases.split()}
_LOWER = (
    r"loss|losses|err|error|errors|mse|mae|rmse|mape|nll|bce|ce|perplexity|ppl|ece|brier|wer|cer|fid|regret|"
    r"deviation|hamming|fpr|fnr|crps|smape|mase|lpips|fvd|eer|divergence|kl|incorrect|latency"
)
_HIGHER = (
    r"acc|accuracy|f1|fbeta|auc|auroc|auprc|roc|ap|map|precision|recall|sensitivity|specificity|score|r2|iou|"
    r"miou|dice|jaccard|bleu|rouge|rew|reward|return|returns|kappa|mcc|psnr|ssim|top1|top5|hits|ndcg|correlation|"
    r"tpr|tnr|fps|aupr|spearman|pearson|nmi|ari|chrf|meteor|cider|success|likelihood|elbo|correct|accuracies|throughput"
)
LOWER, HIGHER = re.compile(rf"(?:{_LOWER})\d?"), re.compile(rf"(?:{_HIGHER})\d?")
# Logged beside metrics, and no result.
NOT_RESULTS = re.compile(
    r"(_?step|_?epoch|_?runtime|_?timestamp|hp_metric|lr|learning_rate|(.*[_/.])?(time|secs?|seconds|minutes|"
    r"hours|duration|elapsed)(_s|_sec|_ms|_seconds|_minutes)?|(.*/)?global_step|iterations?|(.*_)?time(_[a-z]+){0,2}_(s|secs?|ms|seconds|min|minutes|h|hours)|"
    r"(.*_)?runtime(_[a-z]+)?|(fit|train|training|tune|test|eval|infer|inference|predict|wall|total)_(s|secs?|ms|min)|"
    r"(.*_)?(samples|steps|tokens|items)_per_(s|sec|second)|(peak|max|used|gpu|cpu)_(.*_)?(memory|mem|ram|vram)(_.*)?|"
    r"peak_[mg]i?b|(memory|mem)_[mg]i?b|total_flos|(train|eval|test|predict)_samples|"
    r"lr[-/].*|system/.*|_wandb.*)",
    re.IGNORECASE,
)

# Words after which a metric may be better either way: the drop of an accuracy, the gap of a score.
_CHANGES = re.compile(r"drop|drops|gap|gaps|forgetting|decrease|decline|degradation|reduction|increase|delta")
_NEGATED = ("likelihood", "elbo", "reward", "return", "returns", "rew")  # lower is better behind `negative`
_UP = r"[↑⬆▲↗]\ufe0f?|\$?\s{0,9}\\(?:uparrow|nearrow)\s{0,9}\$?|higher(?: is|=) ?better"
_DOWN = r"[↓⬇▼↘]\ufe0f?|\$?\s{0,9}\\(?:downarrow|searrow)\s{0,9}\$?|lower(?: is|=) ?better"
_GAP = r"\s{0,9}"  # a run of blanks is not looked through from each of them
_WAY = rf"{_GAP}(?:{_UP}|{_DOWN}){_GAP}"
_ARROW = re.compile(rf"{_GAP}(?:\({_WAY}\)|\[{_WAY}\]|{_UP}|{_DOWN})", re.IGNORECASE)
_FILE = re.compile(r"^[\w/.-]+\.(json|ya?ml|toml):")  # that `dvc exp show` puts before a name
_UNIT = re.compile(r"\s{0,9}(\([^()]{1,12}\)|\[[^\[\]]{1,12}\]|%)\s{0,9}$")  # `accuracy (%)`, `time [s]`


def _bare(name: str) -> str:
    """A name without its arrow and its unit."""
    name = _FILE.sub("", _ARROW.sub("", name).strip()) or name
    return _UNIT.sub("", name) or name


def _arrow(name: str) -> Mode | None:
    """Which way an arrow in a header says that a metric is better."""
    ways = {bool(re.search(_UP, mark, re.IGNORECASE)) for mark in _ARROW.findall(name)}
    if len(ways) != 1:
        return None
    return "max" if True in ways else "min"


def usual_name(base: str) -> str:
    """A metric's name as abreast writes it: `accuracy` for `Top-1`."""
    name = re.sub(r"[\s\-]+", "_", base.strip().lower())
    return ALIASES.get(name, name)


def _words(name: str) -> list[str]:
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.findall(r"[a-z]+\d*|\d+", parted.lower())


def split_stage(name: str) -> tuple[str, str]:
    """The stage and the rest of a name; no stage if it has none.

    >>> split_stage("val_acc"), split_stage("Loss/train"), split_stage("accuracy")
    (('val', 'acc'), ('train', 'Loss'), ('', 'accuracy'))
    >>> split_stage("final_val_acc"), split_stage("probe_test_acc"), split_stage("valLoss")
    (('val', 'acc'), ('test', 'probe_acc'), ('val', 'Loss'))
    """
    if len(name) > MOST_NAME:
        return "", name
    name = _bare(name)
    parts = [part for part in re.split(r"[/._\-\s]+", _CAMEL.sub("_", name)) if part]
    if len(parts) > 1 and parts[0].lower() in PREFIXES:
        parts, name = parts[1:], "_".join(parts[1:])
    if len(parts) > 2 and parts[0].lower() == "final" and parts[1].lower() in STAGES:
        parts = parts[1:]
    for at in (0, len(parts) - 1):
        stage = STAGES.get(parts[at].lower()) if len(parts) > 1 else None
        if stage is not None:
            return stage, "_".join(parts[1:] if at == 0 else parts[:-1])
    inner = [at for at, part in enumerate(parts) if part.lower() in _INNER]
    if len(inner) == 1 and len(parts) > 2:
        return STAGES[parts[inner[0]].lower()], "_".join(parts[: inner[0]] + parts[inner[0] + 1 :])
    return "", name


def direction_of(name: str) -> Mode | None:
    """Which way a metric is better, as an arrow or its name says; None if neither does.

    >>> direction_of("val_acc"), direction_of("test/MSELoss"), direction_of("fitness")
    ('max', 'min', None)
    >>> direction_of("return (↓)"), direction_of("negative log likelihood"), direction_of("accuracy drop")
    ('min', 'min', None)
    """
    if len(name) > MOST_NAME:
        return None
    arrow = _arrow(name)
    if arrow is not None:
        return arrow
    base = split_stage(name)[1]
    words = _words(base)
    if any(map(_CHANGES.fullmatch, words)):
        return None
    if {"neg", "negative"} & {*words} and {*words} & {*_NEGATED}:
        return "min"
    if base.lower().startswith("neg_"):  # scikit-learn's scores: greater is better
        return "max"
    metric = lookup(usual_name(base))
    if metric is not None and not metric.is_declared:
        return metric.mode
    if any(LOWER.fullmatch(word) for word in words):
        return "min"
    return "max" if any(HIGHER.fullmatch(word) for word in words) else None


def is_measured(name: str) -> bool:
    """Whether a name is that of a time or a count that was measured; not that of a learning rate."""
    if len(name) > MOST_NAME:
        return False
    name = _bare(name)
    return NOT_RESULTS.fullmatch(name) is not None and "lr" not in _words(name) and "rate" not in _words(name)


def is_metric(name: str) -> bool:
    """Whether a name is that of a result."""
    if len(name) > MOST_NAME:
        return False
    if _arrow(name) is not None:
        return True
    name = _bare(name)
    if NOT_RESULTS.fullmatch(name) or name.lower().startswith(("param", "loss_fn")):
        return False
    words = _words(name)
    changes = [word for word in words if _CHANGES.fullmatch(word)]
    if changes:  # a result whose direction nothing says
        others = " ".join(word for word in words if word not in changes)
        return "forgetting" in changes or direction_of(others) is not None
    return direction_of(name) is not None
