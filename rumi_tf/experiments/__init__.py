"""Studies made of many runs: sweeps, augmentation, Gaussian mixtures."""
