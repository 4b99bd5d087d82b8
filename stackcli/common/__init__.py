"""What every room uses: the registry of parts, records, seeding, atomic files, suggestions. No PyTorch."""
