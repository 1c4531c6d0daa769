"""Training of the shipped models: the only room that knows torch."""
