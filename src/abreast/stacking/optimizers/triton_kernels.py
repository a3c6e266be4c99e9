"""The updates of `slab_formulas` as Triton kernels: every value is read once, and written once.

A program updates a block of a parameter's values in one lane, of which each factor `[K]` has a number.
Nothing is read or written for a lane that is not active. Triton reads annotations: only constants have one,
and `annotations` from `__future__` would hide them.
"""

import triton
import triton.language as tl


@triton.jit
def _place(active, values, stride, size: tl.constexpr):
    """The program's lane, where its values are, and which of them exist."""
    lane = tl.program_id(1)
    index = tl.program_id(0) * size + tl.arange(0, size)
    return lane, lane.to(tl.int64) * stride + index, (index < values) & (tl.load(active + lane) != 0)


@triton.jit
def _decayed(weight, grad, weight_decay, lane, at, mask, has_decay: tl.constexpr):
    """Weight, and gradient with the weight decay that is added to it."""
    w = tl.load(weight + at, mask)
    g = tl.load(grad + at, mask)
    if has_decay:
        g += w * tl.load(weight_decay + lane)
    return w, g


@triton.jit
def sgd(
    weight, grad, momentum_buffer, momentum, weight_decay, minus_lr, new,
    active, values, stride, has_momentum: tl.constexpr, is_nesterov: tl.constexpr,
    has_decay: tl.constexpr, size: tl.constexpr,
):  # fmt: skip
    """SGD, with or without momentum."""
    lane, at, mask = _place(active, values, stride, size)
    w, g = _decayed(weight, grad, weight_decay, lane, at, mask, has_decay)
    if has_momentum:
        kept = tl.load(momentum + lane)
        buffer = kept * tl.load(momentum_buffer + at, mask) + g * tl.load(new + lane)
        tl.store(momentum_buffer + at, buffer, mask)
        if is_nesterov:
            g += kept * buffer
        else:
            g = buffer
    tl.store(weight + at, w + g * tl.load(minus_lr + lane), mask)


@triton.jit
def _moments(
    weight, grad, exp_avg, exp_avg_sq, beta2, weight_decay, kept,
    new1, new2, lane, at, mask, has_decay: tl.constexpr, is_decoupled: tl.constexpr,
):  # fmt: skip
    """Weight and gradient after either kind of weight decay, and both moments with the gradient."""
    w = tl.load(weight + at, mask)
    g = tl.load(grad + at, mask)
    if has_decay:
        if is_decoupled:
            w *= tl.load(kept + lane)
        else:
            g += w * tl.load(weight_decay + lane)
    mean = tl.load(exp_avg + at, mask)
    square = tl.load(exp_avg_sq + at, mask)
    mean += (g - mean) * tl.load(new1 + lane)
    square = square * tl.load(beta2 + lane) + g * g * tl.load(new2 + lane)
    tl.store(exp_avg + at, mean, mask)
    tl.store(exp_avg_sq + at, square, mask)
    return w, g, mean, square


@triton.jit
def adam(
    weight, grad, exp_avg, exp_avg_sq, beta2, eps, weight_decay, kept,
    new1, new2, root, minus_size, active, values, stride,
    has_decay: tl.constexpr, is_decoupled: tl.constexpr, size: tl.constexpr,
):  # fmt: skip
    """Adam and AdamW."""
    lane, at, mask = _place(active, values, stride, size)
    w, _, mean, square = _moments(
        weight, grad, exp_avg, exp_avg_sq, beta2, weight_decay, kept, new1, new2, lane, at, mask,
        has_decay, is_decoupled,
    )  # fmt: skip
    deviation = tl.sqrt(square) / tl.load(root + lane) + tl.load(eps + lane)
    tl.store(weight + at, w + tl.load(minus_size + lane) * mean / deviation, mask)


@triton.jit
def nadam(
    weight, grad, exp_avg, exp_avg_sq, beta2, eps, weight_decay, kept,
    new1, new2, mu_product, correction, minus_grad, minus_mean, active,
    values, stride, has_decay: tl.constexpr, is_decoupled: tl.constexpr, size: tl.constexpr,
):  # fmt: skip
    """NAdam."""
    lane, at, mask = _place(active, values, stride, size)
    w, g, mean, square = _moments(
        weight, grad, exp_avg, exp_avg_sq, beta2, weight_decay, kept, new1, new2, lane, at, mask,
        has_decay, is_decoupled,
    )  # fmt: skip
    deviation = tl.sqrt(square / tl.load(correction + lane)) + tl.load(eps + lane)
    w += tl.load(minus_grad + lane) * g / deviation
    tl.store(weight + at, w + tl.load(minus_mean + lane) * mean / deviation, mask)


@triton.jit
def rmsprop(
    weight, grad, square_avg, grad_avg, momentum_buffer, alpha, eps,
    weight_decay, momentum, minus_lr, new, active, values, stride,
    is_centered: tl.constexpr, has_momentum: tl.constexpr, has_decay: tl.constexpr, size: tl.constexpr,
):  # fmt: skip
    """RMSprop, centered or not, with or without momentum."""
    lane, at, mask = _place(active, values, stride, size)
    w, g = _decayed(weight, grad, weight_decay, lane, at, mask, has_decay)
    share = tl.load(new + lane)
    square = tl.load(square_avg + at, mask) * tl.load(alpha + lane) + g * g * share
    tl.store(square_avg + at, square, mask)
    if is_centered:
        mean = tl.load(grad_avg + at, mask)
        mean += (g - mean) * share
        tl.store(grad_avg + at, mean, mask)
        square -= mean * mean
    g /= tl.sqrt(square) + tl.load(eps + lane)
    if has_momentum:
        g += tl.load(momentum_buffer + at, mask) * tl.load(momentum + lane)
        tl.store(momentum_buffer + at, g, mask)
    tl.store(weight + at, w + g * tl.load(minus_lr + lane), mask)


@triton.jit
def adagrad(
    weight, grad, sum, eps, weight_decay, minus_lr, active, values,
    stride, has_decay: tl.constexpr, size: tl.constexpr,
):  # fmt: skip
    """Adagrad."""
    lane, at, mask = _place(active, values, stride, size)
    w, g = _decayed(weight, grad, weight_decay, lane, at, mask, has_decay)
    total = tl.load(sum + at, mask) + g * g
    tl.store(sum + at, total, mask)
    tl.store(weight + at, w + tl.load(minus_lr + lane) * g / (tl.sqrt(total) + tl.load(eps + lane)), mask)


@triton.jit
def lion(
    weight, grad, exp_avg, kept, kept_fixed, new1, new2, minus_lr,
    active, values, stride, has_decay: tl.constexpr, is_fixed: tl.constexpr,
    size: tl.constexpr,
):  # fmt: skip
    """Lion."""
    lane, at, mask = _place(active, values, stride, size)
    w = tl.load(weight + at, mask)
    g = tl.load(grad + at, mask)
    if has_decay:
        if is_fixed:
            w *= tl.load(kept_fixed + lane)
        else:
            w *= tl.load(kept + lane)
    mean = tl.load(exp_avg + at, mask)
    mixed = mean + (g - mean) * tl.load(new1 + lane)
    rate = tl.load(minus_lr + lane)
    tl.store(exp_avg + at, mean + (g - mean) * tl.load(new2 + lane), mask)
    tl.store(weight + at, w + tl.where(mixed > 0, rate, tl.where(mixed < 0, -rate, rate * 0)), mask)
