"""The log of who did what from where."""
