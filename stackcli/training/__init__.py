"""One run: the loop, its batches, its evaluation, its baselines."""
