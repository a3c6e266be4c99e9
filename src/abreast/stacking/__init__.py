"""Runs of a sweep, trained side by side: grouped, each group as one training, one run directory a lane."""
