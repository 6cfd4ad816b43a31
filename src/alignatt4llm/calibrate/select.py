"""Which heads are read and with which weights: a conditional logit, grown head by head.

A source column c is right for a token with probability softmax_c(Σ_h w_h · log_shares_h(c)); see
`HeadSet.combine`. Weights maximise the log-likelihood of the right columns over whole and
truncated sources. Heads enter one at a time, the one that promises the largest gain first: the
squared gradient of the log-likelihood over its curvature.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.calibrate.scores import Evidence
from alignatt4llm.heads.headset import log_shares

RIDGE = 1e-3
"""Penalty on squared weights, per token."""
_STEPS = 40
_ENOUGH = 1e-9
"""Gain of a step below which the weights are found."""
_NEVER = -1e9

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Choice:
    """Heads by index, in the order in which they entered, and their weights."""

    heads: tuple[int, ...]
    weights: tuple[float, ...]


class Tokens:
    """The tokens to learn from, as log shares of all heads; their columns one after the other.

    Parameters
    ----------
    seen
        Evidence on examples; tokens with no right column say nothing and are left out.

    Attributes
    ----------
    logs
        Log shares of every head at each of the M columns of all tokens, shape [H, M].
    right
        Whether a column is right for its token, shape [M].
    starts, counts
        The first column of each token, and how many it has, shape [N].
    """

    def __init__(self, seen: Sequence[Evidence]) -> None:
        usable = [(one, one.right.any(1)) for one in seen]
        self.logs: NDArray[np.float16] = np.concatenate(
            [_columns(log_shares(one.rows[use])).astype(np.float16) for one, use in usable], axis=1
        )
        self.right = np.concatenate([one.right[use].ravel() for one, use in usable])
        self.counts = np.concatenate(
            [np.full(use.sum(), one.right.shape[1]) for one, use in usable]
        )
        self.starts = np.cumsum(self.counts) - self.counts

    def __len__(self) -> int:
        return len(self.starts)

    def loss(self, choice: Choice) -> Array:
        """Return the negative log-likelihood of every token, shape [N]."""
        return -self.likelihood(self.logits(choice.heads, np.array(choice.weights)))

    def logits(self, heads: Sequence[int], weights: Array) -> Array:
        """Return the weighted sum of log shares, shape [M]."""
        total = np.zeros(len(self.right))
        for head, weight in zip(heads, weights, strict=True):
            total += weight * self.logs[head].astype(np.float64)
        return total

    def likelihood(self, logits: Array) -> Array:
        """Log of the probability that the right columns have together, shape [N]."""
        right = np.where(self.right, logits, _NEVER)
        return self._log_sum(right) - self._log_sum(logits)

    def shares(self, logits: Array) -> tuple[Array, Array]:
        """Return the probability of each column, and of each among the right ones, shape [M]."""
        right = np.where(self.right, logits, _NEVER)
        every, among = (each - self.spread(self._log_sum(each)) for each in (logits, right))
        return np.exp(every), np.exp(among)

    def sums(self, values: Array) -> Array:
        """Sum over the columns of each token: shape [..., M] to [..., N]."""
        summed: Array = np.add.reduceat(values, self.starts, axis=-1)
        return summed

    def spread(self, values: Array) -> Array:
        """Give each column what its token has: shape [N] to [M]."""
        return np.repeat(values, self.counts)

    def _log_sum(self, logits: Array) -> Array:
        highest = np.maximum.reduceat(logits, self.starts)
        total: Array = highest + np.log(self.sums(np.exp(logits - self.spread(highest))))
        return total


def _columns(logs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put the columns of tokens one after the other: shape [T, H, S] to [H, T · S]."""
    return logs.transpose(1, 0, 2).reshape(logs.shape[1], -1)


def grow(tokens: Tokens, count: int) -> list[Choice]:
    """Return the choices of 1, 2, … ``count`` heads."""
    path: list[Choice] = []
    heads: tuple[int, ...] = ()
    weights: Array = np.zeros(0)
    while len(path) < min(count, len(tokens.logs)):
        gains = _gains(tokens, tokens.logits(heads, weights))
        gains[list(heads)] = -1
        heads = (*heads, int(gains.argmax()))
        weights = _fit(tokens, heads, np.append(weights, 0.0))
        path.append(Choice(heads, tuple(round(float(weight), 4) for weight in weights)))
    return path


def _gains(tokens: Tokens, logits: Array) -> Array:
    """Promise of every head: squared gradient over curvature, shape [H]."""
    every, among = tokens.shares(logits)
    gains = np.zeros(len(tokens.logs))
    for head, half in enumerate(tokens.logs):
        logs = half.astype(np.float64)
        slope = (among - every) @ logs / len(tokens)
        gains[head] = slope**2 / (_spread_of(tokens, every, logs[None])[0, 0] + RIDGE)
    return gains


def _spread_of(tokens: Tokens, shares: Array, logs: Array) -> Array:
    """Covariance of heads' log shares under a token's columns, the mean over tokens, [k, k]."""
    means = tokens.sums(logs * shares)  # [k, N]
    spread: Array = ((logs * shares) @ logs.T - means @ means.T) / len(tokens)
    return spread


def _fit(tokens: Tokens, heads: Sequence[int], start: Array) -> Array:
    """Maximise the log-likelihood over the weights of the heads, by Newton's method."""
    logs = tokens.logs[list(heads)].astype(np.float64)  # [k, M]

    def loss(weights: Array) -> float:
        mean = tokens.likelihood(weights @ logs).mean()
        return float(RIDGE * np.square(weights).sum() - mean)

    weights, least = start, loss(start)
    for _ in range(_STEPS):
        step = _newton(tokens, logs, weights)
        while (found := loss(weights + step)) > least and np.abs(step).max() > _ENOUGH:
            step = step / 2
        gained = least - found
        if gained > 0:
            weights, least = weights + step, found
        if gained < _ENOUGH:
            break
    return weights


def _newton(tokens: Tokens, logs: Array, weights: Array) -> Array:
    """Return the step towards the best weights.

    The log-likelihood of several right columns together is not concave everywhere; where it is
    not, their share is taken as it is now, which leaves a concave bound.
    """
    every, among = tokens.shares(weights @ logs)
    slope = logs @ (among - every) / len(tokens) - 2 * RIDGE * weights
    bound = _spread_of(tokens, every, logs) + 2 * RIDGE * np.eye(len(weights))
    curvature = bound - _spread_of(tokens, among, logs)
    if np.linalg.eigvalsh(curvature)[0] <= 0:
        curvature = bound
    step: Array = np.linalg.solve(curvature, slope)
    return step
