"""Readers of runs that others trained, from files that may be a stranger's. No torch."""
