"""What a release of weights says about them, measured: scores with intervals, false alarms, the rule of ``auto``."""
