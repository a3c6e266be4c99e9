"""Packages that components need and that may be missing: what to do about it."""

from __future__ import annotations

# Packages that an extra of abreast installs.
_EXTRAS = {
    "schedulefree": "schedule_free",
    "pytorch_optimizer": "optimizers",
    "onnx": "export",
    "onnxruntime": "export",
    "onnxscript": "export",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "pyarrow": "tables",
}
# Other packages that components need, and what pip calls them.
_KNOWN = {
    "comet_ml": "comet-ml",
    "sklearn": "scikit-learn",
    "tensorboard": "tensorboard",
    "torchmetrics": "torchmetrics",
    "torchvision": "torchvision",
}
# Options of Hydra that an extra of abreast installs.
_PLUGINS = {
    "hydra/launcher=joblib": "joblib",
    "hydra/launcher=ray": "ray",
    "hydra/launcher=ray_aws": "ray",
    "hydra/launcher=submitit_local": "submitit",
    "hydra/launcher=submitit_slurm": "submitit",
    "hydra/sweeper=optuna": "search",
}


def missing_plugin(option: str) -> str | None:
    """The message for an option of Hydra, such as `hydra/launcher=ray`, that an extra installs; or None."""
    if option not in _PLUGINS:
        return None
    return f"{option}: is not installed: pip install 'abreast[{_PLUGINS[option]}]'"


def install_advice(package: str) -> str:
    """What to do about a missing package. Pip is told known names alone: others may be anybody's."""
    if package in _EXTRAS:
        return f"pip install 'abreast[{_EXTRAS[package]}]'"
    if package in _KNOWN:
        return f"pip install {_KNOWN[package]}"
    advice = "if it is a module of your own, put it into the working directory"
    return f"{advice}; else install the package that it comes from, if you trust it"
