"""Commands that reproduce the papers' results."""
