"""Runs: complete a configuration, lock the run directory, read its outputs."""
