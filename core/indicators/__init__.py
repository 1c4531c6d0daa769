"""Numba kernels: one definition gives the batch and the streaming form."""
