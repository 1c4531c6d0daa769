"""`clx data`: what is stored, how good it is, and where it comes from."""
