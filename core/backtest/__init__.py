"""The engine driven by history and a simulated clock."""
