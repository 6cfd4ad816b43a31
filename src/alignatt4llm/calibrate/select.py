"""Which heads are read and with which weights: a conditional logit, grown head by head.

A source column c is right for a token with probability softmax_c(Σ_h w_h · log_shares_h(c)); see
`HeadSet.combine`. Weights maximise the log-likelihood of the right columns over whole and
truncated sources. Heads enter one at a time, the one that promises the largest gain first: the
squared gradient of the log-likelihood over its curvature.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from alignatt4llm.calibrate.scores import Evidence
from alignatt4llm.heads.headset import log_shares

RIDGE = 1e-3
"""Penalty on squared weights, per token."""
_STEPS = 40
_NEVER = -1e9


@dataclass(frozen=True, slots=True)
class Choice:
    """Heads by index, in the order in which they entered, and their weights."""

    heads: tuple[int, ...]
    weights: tuple[float, ...]


class Tokens:
    """The tokens to learn from, as log shares of all heads.

    Parameters
    ----------
    seen
        Evidence on examples; tokens with no right column say nothing and are left out.
    """

    def __init__(self, seen: Sequence[Evidence]) -> None:
        logs: list[Tensor] = []
        right: list[Tensor] = []
        for one in seen:
            usable = one.right.any(1)
            logs.extend(torch.from_numpy(log_shares(one.rows[usable])).transpose(1, 2).half())
            right.extend(torch.from_numpy(one.right[usable]))
        self.valid = pad_sequence([torch.ones(len(token)) for token in right], True) > 0  # [N, S]
        self.right = pad_sequence(right, True)  # [N, S]
        self.logs = pad_sequence(logs, True).permute(2, 0, 1).contiguous()  # [H, N, S]

    def __len__(self) -> int:
        return len(self.right)

    def loss(self, choice: Choice) -> NDArray[np.float64]:
        """Return the negative log-likelihood of every token, shape [N]."""
        logits = self.logits(choice.heads, torch.tensor(choice.weights))
        loss: NDArray[np.float64] = -_log_likelihood(logits, self.right).double().numpy()
        return loss

    def logits(self, heads: Sequence[int], weights: Tensor) -> Tensor:
        """Return the weighted sum of log shares, shape [N, S]."""
        total = torch.zeros(self.valid.shape)
        for head, weight in zip(heads, weights, strict=True):
            total = total + weight * self.logs[head].float()
        return total.masked_fill(~self.valid, _NEVER)


def grow(tokens: Tokens, count: int) -> list[Choice]:
    """Return the choices of 1, 2, … ``count`` heads."""
    path: list[Choice] = []
    heads: tuple[int, ...] = ()
    weights = torch.zeros(0)
    while len(path) < min(count, len(tokens.logs)):
        gains = _gains(tokens, tokens.logits(heads, weights))
        gains[list(heads)] = -1
        heads = (*heads, int(gains.argmax()))
        weights = _fit(tokens, heads, torch.cat([weights, torch.zeros(1)]))
        path.append(Choice(heads, tuple(round(float(weight), 4) for weight in weights)))
    return path


def _gains(tokens: Tokens, logits: Tensor) -> Tensor:
    """Promise of every head: squared gradient over curvature, shape [H]."""
    share = logits.softmax(1)
    pull = logits.masked_fill(~tokens.right, _NEVER).softmax(1) - share
    gains = torch.zeros(len(tokens.logs))
    for head, half in enumerate(tokens.logs):
        logs = half.float()
        mean = (share * logs).sum(1, keepdim=True)
        curvature = (share * (logs - mean) ** 2).sum(1).mean()
        gains[head] = (pull * logs).sum(1).mean() ** 2 / (curvature + RIDGE)
    return gains


def _fit(tokens: Tokens, heads: Sequence[int], start: Tensor) -> Tensor:
    """Maximise the log-likelihood over the weights of the heads."""
    logs = tokens.logs[list(heads)].float()  # [k, N, S]
    weights = start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([weights], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        optimiser.zero_grad()
        logits = torch.einsum("k,kns->ns", weights, logs).masked_fill(~tokens.valid, _NEVER)
        loss = RIDGE * weights.square().sum() - _log_likelihood(logits, tokens.right).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(objective)  # type: ignore[no-untyped-call]
    return weights.detach()


def _log_likelihood(logits: Tensor, right: Tensor) -> Tensor:
    """Log of the probability that the right columns have together, shape [N]."""
    return logits.masked_fill(~right, _NEVER).logsumexp(1) - logits.logsumexp(1)
