"""CrackFormer's own parts: the lambda layer against SciPy, pooling by softmax, sizes, unused reference weights."""

from __future__ import annotations

import json
import re
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch import nn

from contracts.errors import UserError
from models.joint import JointModel
from models.layers import softmax_pooling
from models.reference_keys import FAMILIES, load_reference
from models.seg.crackformer import CrackFormer
from models.seg.lambda_block import LambdaAttention, TransformerBlock, apply_lambdas, group_norm
from models.sr.bicubic import Bicubic
from tests.helpers.network_checks import checkpoint


def test_lambdas_are_content_plus_correlation_with_the_surroundings() -> None:
    """Every head and channel put together by hand, the position term by SciPy's correlation."""
    draw = np.random.default_rng(0).standard_normal
    queries, content, values, kernels = draw((2, 4, 3, 5, 6)), draw((2, 3, 2)), draw((2, 2, 5, 6)), draw((3, 1, 7, 7))
    expected = np.zeros((2, 4, 2, 5, 6))
    for sample, head, channel, key in np.ndindex(2, 4, 2, 3):
        position = correlate2d(values[sample, channel], kernels[key, 0], mode="same")
        made = content[sample, key, channel] + position
        expected[sample, head, channel] += queries[sample, head, key] * made
    ours = apply_lambdas(*(torch.as_tensor(one) for one in (queries, content, values, kernels)))
    np.testing.assert_allclose(ours, expected, atol=1e-12)


def test_attention_channels_are_ordered_by_head() -> None:
    """With queries of one head only, only that head's quarter of the output is not zero."""
    attention = LambdaAttention(16)
    for parameter in attention.queries.parameters():
        nn.init.zeros_(parameter)
    nn.init.ones_(attention.queries[1].bias[16:32])  # second head
    silent = attention(torch.randn(1, 16, 5, 7)).abs().amax((0, 2, 3)) == 0
    assert silent.tolist() == [True] * 4 + [False] * 4 + [True] * 8


@pytest.mark.parametrize(("channels", "groups"), [(16, 4), (4, 1), (6, 3), (3, 3), (1, 1)])
def test_four_channels_to_a_group_where_four_divide_them(channels: int, groups: int) -> None:
    assert group_norm(channels).num_groups == groups


def test_softmax_pooling_is_a_weighted_mean() -> None:
    logits, values = torch.tensor([[[[0.0, np.log(3.0)]]]]), torch.tensor([[[[1.0, 5.0]], [[2.0, -2.0]]]])
    torch.testing.assert_close(softmax_pooling(logits, values), torch.tensor([[[4.0, -1.0]]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_softmax_pooling_of_many_positions_in_half_precision(dtype: torch.dtype) -> None:
    """Weights of 2^-18 each are not lost: the mean of ones is one."""
    logits, values = torch.zeros(1, 1, 512, 512, dtype=dtype), torch.ones(1, 2, 512, 512, dtype=dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = softmax_pooling(logits, values)
    assert pooled.dtype == dtype
    torch.testing.assert_close(pooled.float(), torch.ones(1, 1, 2))


@torch.no_grad()
def test_a_block_is_close_in_half_precision() -> None:
    """The whole network is not: block after block amplifies rounding, and places of maxima change."""
    torch.manual_seed(0)
    block, x = TransformerBlock(64, 64, dropout=0.3).eval(), torch.randn(2, 64, 24, 16)
    full = block(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = block(x)
    assert (mixed - full).abs().max() < 0.05 * full.abs().max()


@torch.no_grad()
def test_joint_model_crops_five_side_outputs() -> None:
    joint = JointModel(Bicubic(scale=4), CrackFormer(width=16), scale=4).eval()
    output = joint(torch.rand(1, 3, 9, 11))
    assert output.logits.shape == (1, 1, 36, 44)
    assert [side.shape for side in output.aux] == [(1, 5, 36, 44)]


def test_images_too_small_to_pool_are_named() -> None:
    with pytest.raises(UserError, match="32 pixels or more, got 16 x 48"):
        CrackFormer(width=16)(torch.zeros(1, 3, 16, 48))


def test_unused_reference_weights_are_allowed_and_others_are_not() -> None:
    network = CrackFormer(width=16)
    state = checkpoint(network, "crackformer")
    for unused in ("down3.nn3.conv.conv1.weight", "up1.nn2.conv.bn2.bias"):
        state[f"segmentation_model.{unused}"] = torch.zeros(1)
    load_reference("crackformer", network, state)
    state["segmentation_model.down2.nn3.conv.conv1.weight"] = torch.zeros(1)
    with pytest.raises(UserError, match=r"1 unexpected \(segmentation_model.down2.nn3"):
        load_reference("crackformer", network, state)


def test_unused_reference_weights_are_those_of_the_dead_blocks_and_norms(shared: Path) -> None:
    listed = json.loads((shared / "parity" / "keys" / "crackformer.json").read_text())
    sizes = {key: prod(shape) for key, (shape, _) in listed.items()}
    unused = {key: size for key, size in sizes.items() if re.fullmatch(FAMILIES["crackformer"].unused, key)}
    blocks = sum(size for key, size in unused.items() if re.search(r"down\d\.nn3", key))
    assert (blocks, sum(unused.values()) - blocks, sum(sizes.values())) == (359_312, 3_552, 4_961_691)
