"""Training: the loop, embeddings, checkpoints, devices and progress."""
