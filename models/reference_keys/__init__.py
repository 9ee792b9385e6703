"""One-to-one maps from the names in the authors' checkpoints to ours.

A released checkpoint of Kondo & Ukita is a flat dictionary that holds ``sr_model.*`` and
``segmentation_model.*`` together; names may carry a leading ``module.`` (data parallel). A file for
each group of families with its ``rules.Family``, and an entry in ``families.FAMILIES``.
"""

from models.reference_keys.conversion import convert, load_reference, reference_keys
from models.reference_keys.families import FAMILIES

__all__ = ["FAMILIES", "convert", "load_reference", "reference_keys"]
