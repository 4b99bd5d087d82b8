"""The network: the stack, its blocks and their attention; building it, and what it costs."""
