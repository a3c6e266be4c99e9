"""Random data of which the best possible score is known: a teacher is planted, noise hides it.

Every function is pure: the rows depend on its arguments alone, and the training examples not on `test_size`.
Training and test examples are drawn alike, so a split seed or a fold may deal them out anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch import Tensor

from abreast.data.source import Source, Split
from abreast.data.split import generator
from abreast.errors import ConfigError

Teacher = Callable[[Tensor], Tensor]

_SCALE_ROWS = 16384


def random_classes(
    size: Annotated[int, Ge(1)] = 2000,
    test_size: Annotated[int, Ge(1)] = 10000,
    features: Annotated[int, Ge(1)] = 20,
    classes: Annotated[int, Ge(2)] = 10,
    noise: Annotated[float, Ge(0), Lt(1)] = 0.1,
    hidden: Annotated[int, Ge(0)] = 0,
    seed: Annotated[int, Ge(0)] = 0,
) -> Source:
    """Inputs from N(0, I), float32 `[N, features]`; a teacher's label, replaced by another with P = noise.

    Args:
        size: Training examples.
        test_size: Test examples.
        features: Values of an example.
        classes: The number of classes.
        noise: Probability that a label is another one, below (classes - 1) / classes.
        hidden: Width of the teacher's tanh layer; 0 is a linear teacher.
        seed: Draws the teacher and the examples.

    Returns:
        The source, with the facts `best_accuracy` = 1 - noise, what no model can beat in expectation, since
        each of the other classes is less likely than the teacher's; and `teacher_accuracy`, what the teacher
        itself reaches on these very test examples.

    Raises:
        ConfigError: An argument is out of its range.
    """
    _check_counts(1, size=size, test_size=test_size, features=features)
    _check_counts(2, classes=classes)
    _check_counts(0, hidden=hidden)
    _check_noise(noise, (classes - 1) / classes)
    teacher = _teacher(features, classes, hidden, seed)

    def draw(rows: int, name: str) -> tuple[Split, Tensor]:
        random = generator(seed, f"random classes, {name}")
        inputs = torch.randn(rows, features, generator=random)
        truth = teacher(inputs).argmax(1)
        is_noisy = torch.rand(rows, generator=random) < noise
        other = (truth + torch.randint(1, classes, (rows,), generator=random)) % classes
        return Split(inputs, torch.where(is_noisy, other, truth)), is_noisy.double()

    (train, noisy_train), (test, noisy_test) = draw(size, "train"), draw(test_size, "test")
    return Source(
        train,
        test,
        _names(classes),
        facts={"best_accuracy": 1.0 - noise, "teacher_accuracy": 1 - float(noisy_test.mean())},
        official_test=False,
        test_facts={"teacher_accuracy": 1 - torch.cat([noisy_train, noisy_test])},
    )


def random_noise(
    size: Annotated[int, Ge(1)] = 2000,
    test_size: Annotated[int, Ge(1)] = 10000,
    features: Annotated[int, Ge(1)] = 20,
    classes: Annotated[int, Ge(2)] = 10,
    seed: Annotated[int, Ge(0)] = 0,
) -> Source:
    """Inputs from N(0, I), float32 `[N, features]`, and uniform labels that have nothing to do with them.

    What is learnt is memory: test accuracy above the fact `best_accuracy`, 1 / classes, is luck or a leak.

    Raises:
        ConfigError: A count or a number is out of its range.
    """
    _check_counts(1, size=size, test_size=test_size, features=features)
    _check_counts(2, classes=classes)

    def draw(rows: int, name: str) -> Split:
        random = generator(seed, f"random noise, {name}")
        inputs = torch.randn(rows, features, generator=random)
        return Split(inputs, torch.randint(classes, (rows,), generator=random))

    return Source(
        draw(size, "train"),
        draw(test_size, "test"),
        _names(classes),
        facts={"best_accuracy": 1 / classes},
        official_test=False,
    )


def random_regression(
    size: Annotated[int, Ge(1)] = 2000,
    test_size: Annotated[int, Ge(1)] = 10000,
    features: Annotated[int, Ge(1)] = 20,
    outputs: Annotated[int, Ge(1)] = 1,
    noise: Annotated[float, Ge(0)] = 0.1,
    hidden: Annotated[int, Ge(0)] = 0,
    seed: Annotated[int, Ge(0)] = 0,
) -> Source:
    """Inputs from N(0, I), float32 `[N, features]`; targets `[N, outputs]`: a teacher's, plus noise.

    Args:
        size: Training examples.
        test_size: Test examples.
        features: Values of an example.
        outputs: Values of a target.
        noise: Standard deviation of the normal noise, beside a teacher of variance 1.
        hidden: Width of the teacher's tanh layer; 0 is a linear teacher.
        seed: Draws the teacher and the examples.

    Returns:
        The source, with the facts `best_mse` = noise^2 and `best_r2` = 1 / (1 + noise^2), those of the
        teacher, in expectation. Its variance is exact if it is linear, and else set by 16,384 rows (to about
        1 %).

    Raises:
        ConfigError: An argument is out of its range.
    """
    _check_counts(1, size=size, test_size=test_size, features=features, outputs=outputs)
    _check_counts(0, hidden=hidden)
    _check_noise(noise, float("inf"))
    teacher = _teacher(features, outputs, hidden, seed)
    scale = torch.ones(outputs, dtype=torch.float64)
    if hidden:
        random = generator(seed, "random regression, scale")
        scale = teacher(torch.randn(_SCALE_ROWS, features, generator=random)).std(0)

    def draw(rows: int, name: str) -> Split:
        random = generator(seed, f"random regression, {name}")
        inputs = torch.randn(rows, features, generator=random)
        hiss = torch.randn(rows, outputs, generator=random, dtype=torch.float64)
        return Split(inputs, (teacher(inputs) / scale + noise * hiss).float())

    facts = {"best_mse": float(noise**2), "best_r2": 1 / (1 + noise**2)}
    return Source(draw(size, "train"), draw(test_size, "test"), (), facts, official_test=False)


def _teacher(features: int, outputs: int, hidden: int, seed: int) -> Teacher:
    """Scores `[N, outputs]` of inputs `[N, features]`, in float64: near ties must not hang on the machine.

    No biases, and columns of norm 1: no class is favoured, and a linear teacher's scores have variance 1.
    """
    random = generator(seed, "teacher")

    def matrix(rows: int, columns: int) -> Tensor:
        drawn = torch.randn(rows, columns, generator=random, dtype=torch.float64)
        return drawn / drawn.square().sum(0).sqrt()

    if not hidden:
        weights = matrix(features, outputs)
        return lambda inputs: inputs.double().matmul(weights)
    inner, outer = matrix(features, hidden), matrix(hidden, outputs)
    return lambda inputs: (inputs.double() @ inner).tanh() @ outer


def _names(classes: int) -> tuple[str, ...]:
    return tuple(map(str, range(classes)))


def _check_counts(least: int, **counts: int) -> None:
    for name, value in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ConfigError(f"{name}={value!r} must be a whole number of {least} or more.")


def _check_noise(value: float, below: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < below:
        raise ConfigError(f"noise={value!r} must be a number from 0 to below {below:g}.")
