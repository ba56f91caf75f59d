"""Commands that draw the papers' figures."""
