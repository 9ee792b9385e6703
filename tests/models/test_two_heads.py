"""One network at low resolution with two heads: sizes, what it starts from, what each loss reaches, tiles, files."""

from __future__ import annotations

import pytest
import scipy.ndimage
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.errors import ArgumentError
from engine.predict.tiled_model import TiledModel
from engine.train.stages import STAGE_SPECS
from engine.train.step import set_trainable
from models.layers import mirror_to_multiple
from models.two_heads import TwoHeads
from tests.helpers.network_checks import (
    check_evaluation,
    check_half_precision,
    check_saved_weights,
    parameters_without_gradient,
)
from tests.helpers.small_networks import SMALL_TWO_HEADS


@pytest.fixture(params=[1, 2], ids=["LR image", "its x2 enlargement"])
def network(request: pytest.FixtureRequest) -> TwoHeads:
    """A new one for each test: some move its statistics."""
    torch.manual_seed(0)
    return TwoHeads(enlarge=request.param, **SMALL_TWO_HEADS)


def lr(samples: int = 2, height: int = 20, width: int = 13) -> Tensor:
    return torch.rand(samples, 3, height, width, generator=torch.Generator().manual_seed(1))


def logits(network: nn.Module, x: Tensor) -> Tensor:
    return network(x).logits


def test_both_outputs_are_of_the_restored_size(network: TwoHeads) -> None:
    output = network.train()(lr())
    assert output.sr.shape == (2, 3, 80, 52) and output.logits.shape == (2, 1, 80, 52)
    assert output.kernel is None and network.segment(lr()).logits.shape == (2, 1, 20, 13)
    assert torch.equal(network.eval().restore(lr()).sr, network(lr()).sr)


def test_restoration_starts_from_the_bicubic_enlargement(network: TwoHeads) -> None:
    restored = TwoHeads(clip=False, **SMALL_TWO_HEADS).eval()(lr()).sr
    expected = F.interpolate(lr(), scale_factor=4, mode="bicubic", align_corners=False)
    assert torch.equal(restored, expected)
    clipped = TwoHeads(**SMALL_TWO_HEADS).eval()(lr()).sr
    assert clipped.max() == 1 and torch.equal(clipped, expected.clamp(0, 1))


def test_every_stage_trains_what_it_says(network: TwoHeads) -> None:
    names = dict(network.named_parameters())
    for stage, parts in (("sr", ("trunk", "sr")), ("seg", ("seg",)), ("joint", ("trunk", "sr", "seg"))):
        set_trainable(network, STAGE_SPECS[stage], train_batchnorm=True)
        assert {name.split(".")[0] for name, value in names.items() if value.requires_grad} == set(parts), stage
    output = network(lr(4))
    assert parameters_without_gradient(network, output.sr.mean() + output.logits.mean()) == []


def test_the_masks_loss_does_not_reach_the_image_head(network: TwoHeads) -> None:
    set_trainable(network, STAGE_SPECS["joint"], train_batchnorm=True)
    missed = parameters_without_gradient(network, network(lr(4)).logits.mean())
    assert missed and all(name.startswith("sr.") for name in missed)


def test_in_evaluation_samples_are_apart_and_weights_all_there(network: TwoHeads) -> None:
    check_evaluation(network, lr(3), logits)
    check_saved_weights(network, lr(), logits)
    # not 13 px wide: of maps 2 px wide, oneDNN's strided convolutions with AMX read beyond them: NaN at times
    check_half_precision(network, lr(width=20), torch.bfloat16, logits)


@torch.inference_mode()
def test_whole_cells_of_the_encoder_are_tiles(network: TwoHeads) -> None:
    """Far from the tiles' borders a tile answers as the whole; 1e-3: the encoder sees some hundred pixels."""
    photo, model = lr(1, 64, 160), network.eval()
    tiled = TiledModel(model, torch.device("cpu"), tile=128, overlap=64)
    maps, whole = tiled.restore(photo)[0], model(photo)
    torch.testing.assert_close(maps.image, whole.sr, rtol=0, atol=1e-3)
    torch.testing.assert_close(tiled.segment(maps), whole.logits.sigmoid(), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("side", "padded"), [(5, 8), (3, 8), (1, 8), (8, 8), (9, 16)])
def test_borders_are_mirrored_as_scipy_does(side: int, padded: int) -> None:
    image = torch.rand(1, 1, side, side)
    rows = torch.arange(padded, dtype=torch.float64)
    expected = scipy.ndimage.map_coordinates(
        image[0, 0].numpy(), torch.meshgrid(rows, rows, indexing="ij"), order=0, mode="mirror"
    )
    assert torch.equal(mirror_to_multiple(image, 8)[0, 0], torch.as_tensor(expected))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"enlarge": 3}, "enlarge 3"), ({"enlarge": 2, "scale": 3}, r"scale \(3\)"), ({"depth": 0}, "depth 0")],
)
def test_arguments_that_make_no_network_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        TwoHeads(**{**SMALL_TWO_HEADS, **arguments})
