"""What a request passes before anything is done: parameters, keys, signatures, limits."""
