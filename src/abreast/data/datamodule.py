"""The LightningDataModule over a source held in memory, on the device that trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any, Literal

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from abreast.data.augment import Augment
from abreast.data.checks import check_labels
from abreast.data.label_noise import replace_labels
from abreast.data.loader import Augmentation, EvalLoader, TrainLoader, batch_limit
from abreast.data.normalization import input_moments, training_levels
from abreast.data.partition import partition
from abreast.data.principal_components import principal_components
from abreast.data.source import Source, Split, Subset, chosen_rows
from abreast.data.target_scale import TargetScale, standardized, target_scale
from abreast.errors import ConfigError


class DataModule(LightningDataModule):
    """Serves the training, validation and test examples of a source as mini-batches.

    Which examples are validated on, and tested on where the source has no official test set, is a function
    of `val_fraction`, `split_seed` and the fold, not of the run's `seed` (see `abreast.data.partition`).
    Inputs stay as stored (uint8 for images) on the device; `mean` and `std`, of the training examples,
    normalise them: all values together, or each column of a table or channel of images.

    Args:
        source: The data set; its tensors are used, not copied.
        batch_size: Of the global batch, over all devices.
        eval_batch_size: The same for validation and test.
        val_fraction: Share of the training examples that are held out for validation.
        split_seed: Draws these, the test examples or the folds, and the label noise.
        folds: Number of folds, or None.
        fold: The fold that is tested on, or validated on where the source has an official test set.
        label_noise: Share of the training labels replaced by another class; validation and test keep theirs.
        scale_targets: Whether regression targets are in units of the training targets' deviation.
        augment: What is done to training examples, by name (see `abreast.data.augment`).
        normalize: Whether `mean` and `std` are the training inputs', or each channel's; else 0 and 1.
        pca: How many principal components of the training inputs the network is given, or None.
        shuffle: A new order every epoch; else the first epoch's.
        seed: Draws the order of the training examples.
        steps: Mini-batches in a block.
        limits: Bounds the batches of `train`, `val` and `test` as Lightning's limits do.
        ignore_index: A label that marks examples without one.
        shared: Whether the source's rows stay where they are, for other data modules of the same source; else
            the training and validation examples are copied out of it.
        scale: Of the targets, in place of that of these training examples: what a network was trained with.

    Attributes:
        content: The digest of the source's examples.
        drawn: The part that the split seed or the fold draws first, `test` or `val`.
        columns: What the inputs of a table are.
        target_scale: Mean and deviation of each target that is standardised.

    Raises:
        DataError: For labels outside the classes (but `ignore_index`), or nothing to validate on.
        ConfigError: For sizes below 1, label noise without classes, or a fold that does not exist.
    """

    def __init__(
        self,
        source: Source,
        *,
        batch_size: int,
        eval_batch_size: int = 1024,
        val_fraction: float = 0.1,
        split_seed: int = 0,
        folds: int | None = None,
        fold: int | None = None,
        label_noise: float = 0.0,
        scale_targets: bool = False,
        augment: Mapping[str, float] | None = None,
        normalize: bool | Literal["channels"] = True,
        pca: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        steps: int = 1,
        limits: Mapping[str, int | float | None] | None = None,
        ignore_index: int | None = None,
        shared: bool = False,
        scale: TargetScale | None = None,
    ) -> None:
        super().__init__()
        # The source itself is not kept: the training examples would be in memory twice.
        self.content = source.content
        self.facts = dict(source.facts)
        self.classes = source.classes
        self.columns = source.columns
        labels = (source.train.targets, source.test.targets)
        self.ignores = ignore_index is not None and any(
            bool(targets.eq(ignore_index).any()) for targets in labels
        )
        if self.classes:
            for name, split in (("train", source.train), ("test", source.test)):
                check_labels(split.targets, len(self.classes), name, ignore_index)
        parts = partition(source, val_fraction, split_seed, folds, fold)
        self.drawn = parts.drawn
        is_redrawn = parts.test is not None and not (folds is None and split_seed == 0)
        pool = source.pool if shared or is_redrawn else source.train
        self.train, self.val = (chosen_rows(pool, rows, shared=shared) for rows in (parts.train, parts.val))
        self.test = source.test
        if parts.test is not None and (shared or is_redrawn):
            self.test = chosen_rows(pool, parts.test, shared=shared)
        if parts.test is not None and is_redrawn:
            for fact, by_row in source.test_facts.items():
                self.facts[fact] = float(by_row[parts.test].mean())
        if label_noise:
            noisy = replace_labels(
                self.train.targets, label_noise, len(self.classes), split_seed, ignore_index
            )
            self.train = Subset(pool, parts.train, noisy) if shared else Split(self.train.inputs, noisy)
        self.target_scale: TargetScale = ()
        if scale_targets and not self.classes:
            self.target_scale = target_scale(self.train.targets) if scale is None else scale
            self.train, self.val, self.test = (
                standardized(split, self.target_scale) for split in (self.train, self.val, self.test)
            )
        self._levels = training_levels(source, parts.train) if shared else None
        self.mean: float | Tensor
        self.std: float | Tensor
        self.mean, self.std = input_moments(self.train, self._levels, source.numeric, normalize)
        if min(batch_size, eval_batch_size) < 1:
            raise ConfigError(f"{batch_size=} and {eval_batch_size=} must be 1 or more")
        self.augment = Augment.from_config(augment, self.in_shape, ignores=self.ignores)
        self.projection = None if pca is None else principal_components(self.train, self.mean, self.std, pca)
        self.shuffle = shuffle
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.seed = seed
        self.steps = steps
        limits = limits or {}
        self.limit = batch_limit(limits.get("train"), len(self.train), batch_size)
        self.val_limit = batch_limit(limits.get("val"), len(self.val), eval_batch_size)
        self.test_limit = batch_limit(limits.get("test"), len(self.test), eval_batch_size)

    @property
    def in_shape(self) -> tuple[int, ...]:
        """The shape of the inputs of one example."""
        return tuple(self.train.inputs.shape[1:])

    @property
    def net_shape(self) -> tuple[int, ...]:
        """The shape of one input of the network."""
        return self.in_shape if self.projection is None else (len(self.projection.components),)

    @property
    def out_features(self) -> int:
        """Scores per example: one per class, or one per regression target."""
        return len(self.classes) or self.train.targets.shape[1]

    @cached_property
    def peak(self) -> int | None:
        """The highest stored pixel value; None where the inputs are not images."""
        if self.train.inputs.dtype != torch.uint8:
            return None
        return int(self.train.inputs.max()) if self._levels is None else int(self._levels.nonzero().max())

    @cached_property
    def class_counts_test(self) -> list[int]:
        """The number of test examples of each class; of none for regression."""
        targets = self.test.targets
        if not self.classes:
            return []
        of_class = targets[(targets >= 0) & (targets < len(self.classes))]  # the others are ignored
        return list(torch.bincount(of_class.cpu(), minlength=len(self.classes)).tolist())

    @property
    def validates(self) -> bool:
        """Whether there are validation examples to measure."""
        return len(self.val) > 0 and self.val_limit != 0

    @property
    def batches_per_epoch(self) -> int:
        """Mini-batches in an epoch of training."""
        return TrainLoader(self.train, batch_size=self.batch_size, seed=0, limit=self.limit).batches

    @property
    def examples_per_epoch(self) -> int:
        """Examples in an epoch of training."""
        return min(len(self.train), self.batches_per_epoch * self.batch_size)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the data: their digest, by which a resumed run knows them again."""
        return {"digest": self.content.hex}

    def setup(self, stage: str) -> None:
        """Move all examples to the trainer's device, and floats to its precision."""
        del stage
        assert self.trainer is not None
        device, convert = self.trainer.strategy.root_device, self.trainer.precision_plugin.convert_input
        self.move(lambda tensor: convert(tensor.to(device)))

    def move(self, to: Callable[[Tensor], Tensor]) -> None:
        """Replace all tensors by what `to` makes of them."""
        self.train, self.val, self.test = (split.moved(to) for split in (self.train, self.val, self.test))

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Return the batch: its tensors are on the device already."""
        return batch

    def train_dataloader(self) -> TrainLoader:
        """Shuffled mini-batches, or blocks of them."""
        rank, world = self._rank_and_world()
        return TrainLoader(
            self.train,
            batch_size=self.batch_size,
            seed=self.seed,
            shuffle=self.shuffle,
            steps=self.steps,
            limit=self.limit,
            rank=rank,
            world=world,
            augment=partial(self.augmentation, self.seed),
        )

    def augmentation(self, seed: int, epoch: int) -> Augmentation | None:
        """What is done to the examples of a mini-batch in an epoch of a run's seed."""
        if self.augment is None:
            return None
        augment, std, classes = self.augment, self.std, len(self.classes)
        return lambda x, y, batch: augment.examples(x, y, classes, std, (seed, epoch, batch))

    def val_dataloader(self) -> EvalLoader | list[EvalLoader]:
        """The validation examples; no loader where none are held out."""
        return self._eval(self.val, self.val_limit) if len(self.val) else []

    def test_dataloader(self) -> EvalLoader:
        """The official test examples."""
        return self._eval(self.test, self.test_limit)

    def _eval(self, split: Split, limit: int | None) -> EvalLoader:
        rank, world = self._rank_and_world()
        return EvalLoader(
            split,
            batch_size=self.eval_batch_size,
            as_block=self.steps > 1,
            limit=limit,
            rank=rank,
            world=world,
        )

    def _rank_and_world(self) -> tuple[int, int]:
        assert self.trainer is not None
        return self.trainer.global_rank, self.trainer.world_size
