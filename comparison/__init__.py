"""Compare finished experiments: paired differences, their intervals, and where they come from."""
