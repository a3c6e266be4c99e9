"""Data sets: each source is a plain function that returns a `Source`. Lightning is not imported here."""

from abreast.data.arrays import npz
from abreast.data.given import given
from abreast.data.image_folder import images
from abreast.data.mnist_family import fashion_mnist, idx, kmnist, mnist
from abreast.data.sklearn_digits import digits
from abreast.data.sklearn_sets import sklearn
from abreast.data.source import Source, Split
from abreast.data.synthetic import random_classes, random_noise, random_regression
from abreast.data.tables import table
from abreast.data.torchvision_sets import torchvision

__all__ = [
    "Source",
    "Split",
    "digits",
    "fashion_mnist",
    "given",
    "idx",
    "images",
    "kmnist",
    "mnist",
    "npz",
    "random_classes",
    "random_noise",
    "random_regression",
    "sklearn",
    "table",
    "torchvision",
]
