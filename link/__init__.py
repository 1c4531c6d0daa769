"""The one doorway to an engine."""
