"""Measurements of `reproduce.benchmark`, one module per topic."""
