"""stackattn: what happens when self-attention layers with position encodings are stacked?"""

__version__ = "0.1.0"
