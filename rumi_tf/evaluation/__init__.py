"""Evaluation of generated images: embeddings, protocols, metrics, and rows of results."""
