"""Shared by all packages: the registry of parts, records, seeding, atomic files, suggestions, wording. No PyTorch."""
