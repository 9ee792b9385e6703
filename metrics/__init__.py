"""Numbers per image and per data set: overlap, surface distance, centreline, image quality."""
