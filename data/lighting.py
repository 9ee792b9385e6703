"""Light that photographs are taken in: darkness, shadows, slanting light, a lamp, wet ground. After kornia.

E. Riba et al., "Kornia: an Open Source Differentiable Computer Vision Library for PyTorch", WACV 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from data.transforms import keyed_bits

GRAIN = 0.02  # standard deviation of the noise of a dark photograph, of the range [0, 1]


def kinds() -> dict[str, tuple[nn.Module, ...]]:
    """What is done to a photograph in each light, in this order."""
    import kornia.augmentation as K  # here, as it takes a third of a second that predictions have no use for

    return {
        "dark": (
            K.RandomGamma(gamma=(0.8, 1.6), gain=(0.08, 0.6), p=1.0),
            K.RandomRGBShift(0.04, 0.04, 0.04, p=0.5),
            K.RandomGaussianNoise(std=GRAIN, p=0.5),
            K.RandomAutoContrast(clip_output=True, p=0.2),  # as cameras lift what they see
        ),
        "shadow": (
            K.RandomPlasmaShadow(
                roughness=(0.1, 0.5), shade_intensity=(-0.35, -0.1), shade_quantity=(0.35, 0.55), p=1.0
            ),
        ),
        "slanting": (K.RandomLinearIllumination(gain=(0.1, 0.35), sign=(-1.0, 1.0), p=1.0),),
        "lamp": (
            K.RandomGamma(gamma=(0.9, 1.4), gain=(0.15, 0.6), p=1.0),
            K.RandomGaussianIllumination(gain=(0.15, 0.5), center=(0.1, 0.9), sigma=(0.3, 1.0), sign=(1.0, 1.0), p=1.0),
        ),
        "wet": (
            K.RandomGamma(gamma=(1.2, 2.0), p=1.0),
            K.RandomSaturation((1.0, 1.6), p=1.0),
            K.RandomPlasmaShadow(
                roughness=(0.1, 0.4), shade_intensity=(-0.2, -0.05), shade_quantity=(0.35, 0.55), p=0.7
            ),
            K.RandomGaussianIllumination(  # the sky's reflection
                gain=(0.15, 0.4), center=(0.1, 0.9), sigma=(0.1, 0.4), sign=(1.0, 1.0), p=0.7
            ),
        ),
    }


class Lighting:
    """Puts some photographs in another light, drawn for each of them.

    Args:
        probability: share of the photographs that are; each of ``kinds`` is as likely as another.
    """

    def __init__(self, probability: float) -> None:
        self.probability = probability
        self.kinds = kinds()

    def __call__(self, hr: Tensor, drawn: dict[str, float], seed: int, epoch: int, name: str) -> Tensor:
        """A photograph in its light, which depends on the arguments alone.

        Args:
            hr: float32 [3,H,W] in [0,1]; it stays as it is.
            drawn: as from ``data.transforms.draw``.
            seed: of the augmentation.
            epoch: the pass over the data.
            name: of the photograph.

        Returns:
            float32 [3,H,W] in [0,1], ``hr`` itself where its light is kept.
        """
        if drawn["light"] >= self.probability:
            return hr
        kind = list(self.kinds)[int(drawn["light"] / self.probability * len(self.kinds))]
        return self.put(hr, kind, int(keyed_bits("lighting", seed, epoch, name).random_raw() >> 1))

    def put(self, hr: Tensor, kind: str, seed: int) -> Tensor:
        """A photograph in the light of one kind; the generator of torch is left as it was.

        Args:
            hr: float32 [3,H,W] in [0,1].
            kind: a key of ``kinds``.
            seed: of what is random in this light.
        """
        lit = hr[None]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for change in self.kinds[kind]:
                lit = change(lit)
        return lit[0].clamp(0, 1).contiguous()
