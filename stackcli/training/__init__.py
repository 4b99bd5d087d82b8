"""Training one run: the loop, its batches, evaluation and baselines."""
