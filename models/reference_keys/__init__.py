"""One-to-one maps from the names in the authors' checkpoints to ours.

A released checkpoint of Kondo & Ukita is a flat dictionary that holds ``sr_model.*`` and
``segmentation_model.*`` together; names may carry a leading ``module.`` (data parallel). Each network has
a ``rules.Family`` and an entry in ``conversion.FAMILIES``.
"""

from models.reference_keys.conversion import FAMILIES, convert, load_reference, reference_keys

__all__ = ["FAMILIES", "convert", "load_reference", "reference_keys"]
