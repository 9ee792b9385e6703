"""Command-line tools beside training: numeric parity, frozen test sets, data checks, converters."""
