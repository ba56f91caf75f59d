"""Evaluation: embeddings, protocols, and results as rows."""
