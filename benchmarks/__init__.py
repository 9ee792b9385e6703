"""Speed and memory, always as a ratio against a named alternative, both timed alternately in one run."""
