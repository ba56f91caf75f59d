"""Images, the split into positives and negatives, and the stream of training batches."""
