"""Statistics, comparisons, findings, sentences and tables of DataFrames. Imports no PyTorch, reads no files."""
