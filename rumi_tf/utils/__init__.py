"""Utilities that know nothing of models: errors, files, locks, randomness, devices, commands."""
