"""Orthomosaics: GeoTIFF files of gigapixels in, crack rasters and centrelines in map coordinates out."""
