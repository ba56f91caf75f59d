"""Generators as files: exporting, checking, sampling."""
