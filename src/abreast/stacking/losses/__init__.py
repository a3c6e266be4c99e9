"""The losses of many lanes and their gradients, batched where lanes share a common loss."""
