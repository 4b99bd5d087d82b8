"""DataFrames only, never PyTorch and never the disk: statistics, comparisons, findings, sentences, tables."""
