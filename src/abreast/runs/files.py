"""The file names of a run's, a sweep's and a report's directory. No torch.

A run's directory, written by training and read by everything else:

    config.yaml          the resolved configuration, written before training
    status.json          running, finished, failed, interrupted or dropped, and why
    metrics.csv          one row per epoch
    result.json          final metrics, duration, versions
    test_examples.bin    which test examples were classified correctly, or their squared errors
    worst.json           the test images that were classified worst
    tracker_id           by which W&B and MLflow know the run
    wandb.jsonl          what W&B was given
    wandb/               W&B's folder of the run
    tags.json            words that a person has put on the run
    train.log            what the terminal showed, with times
    checkpoints/         best.ckpt and last.ckpt
    events.out.tfevents* TensorBoard
    .hydra/              what Hydra composed: the overrides among it
    .replaced-1/ ...     runs that a restart from scratch has replaced
"""

from __future__ import annotations

CONFIG = "config.yaml"
STATUS = "status.json"
METRICS = "metrics.csv"
RESULT = "result.json"
EXAMPLES = "test_examples.bin"
WORST = "worst.json"
TRACKER_ID = "tracker_id"
WANDB = "wandb"
WANDB_ROWS = "wandb.jsonl"
TAGS = "tags.json"
LOG = "train.log"
CHECKPOINTS = "checkpoints"
BEST = "best.ckpt"
LAST = "last.ckpt"
EVENTS = "events.out.tfevents.*"  # a pattern
SWEEP_EVENTS = "events.out.tfevents.0000000000.sweep"  # what varies among the runs
HYDRA = ".hydra"
OVERRIDES = "overrides.yaml"  # in HYDRA
PART = ".*.part"  # a pattern: files that were being written when the process was killed

REPLACED = ".replaced-"  # a number follows

# What training leaves behind; taken away before a run restarts from scratch.
OUTPUTS = (STATUS, METRICS, RESULT, EXAMPLES, WORST, CHECKPOINTS, EVENTS, WANDB, WANDB_ROWS)

# Of a sweep or a study.
SWEEP = "multirun.yaml"
STUDY = "study.json"
DECISION = "decision.json"
LOOKS = "looks.jsonl"  # every look at the test set, one a line

# Of a report.
REPORT = "report"
REPORT_PAGE = "report.html"
REPORT_RUNS = "runs.csv"
REPORT_SUMMARY = "summary.csv"
REPORT_EXAMPLES = "examples.json"
REPORT_RANKS = "ranks.csv"
REPORT_MARKDOWN = "table.md"
REPORT_LATEX = "table.tex"
