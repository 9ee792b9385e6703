"""What the tests of the import share."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.seg import CrackFormer
from models.sr import DBPN
from tests.helpers.network_checks import checkpoint


@pytest.fixture(scope="module")
def pair() -> dict[str, Tensor]:
    """DBPN with CrackFormer under the authors' names, without memory."""
    with torch.device("meta"):
        return checkpoint(DBPN(), "dbpn") | checkpoint(CrackFormer(), "crackformer")
