"""Helpers without models: errors, files, locks, random numbers, replicas, the command line."""
