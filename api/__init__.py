"""The engine's doors for programs."""
