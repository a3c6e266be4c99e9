"""Hydra's launcher that trains the runs of a sweep side by side: `hydra/launcher=abreast`."""
