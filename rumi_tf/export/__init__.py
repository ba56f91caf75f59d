"""Export of generators, checks of SavedModels, and sampling from them."""
