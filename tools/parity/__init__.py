"""Numeric parity with the authors' released code, on fixtures made from it."""
