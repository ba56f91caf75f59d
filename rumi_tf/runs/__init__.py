"""Run directories: resolving a configuration, locking, reading outputs."""
