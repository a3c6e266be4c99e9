"""Configuration files, `_target_`s and a run's id. No torch."""
