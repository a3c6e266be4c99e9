"""Hydra's sweeper that searches with Optuna a stack at a time: `hydra/sweeper=abreast_search`."""
