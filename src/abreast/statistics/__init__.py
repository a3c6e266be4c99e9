"""Summaries and significance tests over seeds: arrays in, verdicts out. No files, no torch."""
