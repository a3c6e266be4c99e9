"""The run directory: the contract between what trains and what reads. No torch."""
