"""The output layer in two steps chooses what the layer chooses."""

import pytest
import torch
from torch import nn

from alignatt4llm.attention.vocabulary_head import CANDIDATES, FEW, VocabularyHead

SIZE, WIDTH = 1001 * CANDIDATES, 48


def layer(seed=0, dtype=torch.bfloat16, bias=False):
    torch.manual_seed(seed)
    return nn.Linear(WIDTH, SIZE, bias=bias, dtype=dtype).requires_grad_(False)


@pytest.mark.parametrize("positions", range(1, FEW + 1))
def test_the_best_tokens_have_the_layers_own_logits(positions):
    head = layer()
    hidden = torch.randn(1, positions, WIDTH, dtype=torch.bfloat16)
    exact, near = head(hidden)[0], VocabularyHead(head)(hidden)[0]
    assert near.shape == exact.shape and near.dtype == exact.dtype
    assert torch.equal(near.argmax(-1), exact.argmax(-1))
    best = exact.topk(5).indices
    torch.testing.assert_close(near.gather(1, best), exact.gather(1, best), atol=0.02, rtol=0.01)
    torch.testing.assert_close(
        near.float().logsumexp(-1), exact.float().logsumexp(-1), atol=0.05, rtol=0
    )


def test_no_other_token_comes_above_the_best():
    head = layer(1)
    head.weight[CANDIDATES:] *= 0.01
    hidden = torch.ones(1, 1, WIDTH, dtype=torch.bfloat16)
    near = VocabularyHead(head)(hidden)[0, 0]
    assert near.argmax() == head(hidden)[0, 0].argmax()


def test_many_positions_go_through_the_layer_itself():
    head, hidden = layer(), torch.randn(1, FEW + 1, WIDTH, dtype=torch.bfloat16)
    assert torch.equal(VocabularyHead(head)(hidden), head(hidden))


def test_only_large_bfloat16_layers_on_a_cpu_are_replaced():
    assert VocabularyHead.suits(layer())
    assert not VocabularyHead.suits(layer(dtype=torch.float32))
    assert not VocabularyHead.suits(layer(bias=True))
    assert not VocabularyHead.suits(nn.Linear(8, 100, bias=False, dtype=torch.bfloat16))
    assert not VocabularyHead.suits(nn.Identity())
