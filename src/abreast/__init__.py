"""Abreast: which loss, which optimizer, and is the difference real?"""

__version__ = "0.1.0.dev0"
