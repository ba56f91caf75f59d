"""The training step, its callbacks and checkpoints, and a whole run."""
