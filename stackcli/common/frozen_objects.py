"""Importing this module last, before processes are forked, keeps the objects of all modules out of their garbage
collections: a collection would look at each, which copies the memory that the processes share."""

import gc

gc.collect()
gc.freeze()
