"""Run configurations: their fields, flags, JSON and recipes."""
