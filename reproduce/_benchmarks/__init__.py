"""What `reproduce.benchmark` measures, one module per topic."""
