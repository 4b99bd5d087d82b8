"""The network: attention, blocks, stack, and what it costs."""
