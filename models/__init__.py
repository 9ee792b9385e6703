"""The networks: super-resolution (sr/), segmentation (seg/), and the joint model that chains them."""
