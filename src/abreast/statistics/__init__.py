"""Means with intervals and comparisons: arrays in, verdicts out; no files."""
