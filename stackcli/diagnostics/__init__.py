"""Measurements of a model: layer statistics, initialisation, linear probes, encoding checks, step time."""
