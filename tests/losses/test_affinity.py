"""Feature affinity: values by hand, the two reductions, gradients, precision and wrong input."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from contracts.errors import UserError
from losses.affinity import FeatureAffinity, feature_affinity

# One channel, two pixels. Similarities [[1,2],[2,4]] and [[0,0],[0,1]] differ by 1+2+2+3 = 8, over 4 pairs.
LEFT, RIGHT = torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[0.0, 1.0]]]])


def test_two_pixels_by_hand() -> None:
    assert feature_affinity(LEFT, RIGHT, pool=1).tolist() == [2.0]
    assert feature_affinity(LEFT, LEFT, pool=1).tolist() == [0.0]


def test_two_normalised_pixels_by_hand() -> None:
    """Directions are (1, 1) and (0, 1): similarities [[1,1],[1,1]] and [[0,0],[0,1]]."""
    assert feature_affinity(LEFT, RIGHT, pool=1, normalise=True).tolist() == [0.75]
    assert feature_affinity(3 * LEFT, RIGHT, pool=1, normalise=True).tolist() == [0.75]


def test_pooling_averages_squares_and_leaves_out_the_rest() -> None:
    """A 3x5 map of two 2x2 squares with means 1 and 2; the last row and column are not looked at."""
    pooled = torch.tensor([[0.0, 2.0, 2.0, 2.0, 9.0], [0.0, 2.0, 2.0, 2.0, 9.0], [9.0, 9.0, 9.0, 9.0, 9.0]])
    plain = torch.tensor([[0.0, 0.0, 1.0, 1.0, 7.0], [0.0, 0.0, 1.0, 1.0, 7.0], [7.0, 7.0, 7.0, 7.0, 7.0]])
    assert feature_affinity(pooled[None, None], plain[None, None], pool=2).tolist() == [2.0]


def test_channels_may_differ_and_match_numpy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 4, 6)), rng.standard_normal((2, 5, 4, 6))
    expected = [
        np.abs(np.einsum("cij,ckl->ijkl", x, x) - np.einsum("cij,ckl->ijkl", y, y)).sum() / 24**2
        for x, y in zip(a, b, strict=True)
    ]
    ours = feature_affinity(torch.as_tensor(a), torch.as_tensor(b), pool=1)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-12)


def test_the_reference_sums_over_the_batch() -> None:
    batch = (torch.cat([LEFT, LEFT, RIGHT]), torch.cat([RIGHT, LEFT, RIGHT]))  # 2, 0 and 0
    assert FeatureAffinity(pool=1, reduction="sum")(batch).item() == 2.0
    assert FeatureAffinity(pool=1)(batch).item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("normalise", [False, True])
def test_gradient_reaches_both_sides(normalise: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    pair = [torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64, requires_grad=True) for _ in "ab"]
    loss = FeatureAffinity(pool=2, normalise=normalise)
    assert torch.autograd.gradcheck(lambda *features: loss(features), pair)


def test_dead_features_have_finite_gradients() -> None:
    dead = torch.zeros(1, 3, 2, 2, requires_grad=True)
    FeatureAffinity(pool=1, normalise=True)((dead, torch.ones(1, 3, 2, 2))).backward()
    assert torch.isfinite(dead.grad).all()


def test_half_precision_is_widened() -> None:
    generator = torch.Generator().manual_seed(0)
    pair = tuple(torch.randn(1, 3, 32, 32, generator=generator).bfloat16() for _ in "ab")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = FeatureAffinity()(pair)
    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, FeatureAffinity()(tuple(features.float() for features in pair)))


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"\(1, 1, 1, 2\) and \(1, 1, 2, 2\)"):
        feature_affinity(LEFT, torch.zeros(1, 1, 2, 2), pool=1)
    with pytest.raises(UserError, match=r"16 x 16 squares, features are 1 x 2; give larger crops"):
        feature_affinity(LEFT, RIGHT)
    with pytest.raises(UserError, match="reduction must be 'mean' or 'sum'; received 'avg'"):
        FeatureAffinity(reduction="avg")
    with pytest.raises(UserError, match="pool must be at least 1; received 0"):
        FeatureAffinity(pool=0)
