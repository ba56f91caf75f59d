"""Data sets, positive and negative subsets, and the training input pipeline."""
