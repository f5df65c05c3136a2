"""The loop: optimiser for embedding rows, schedule, checkpoints."""
