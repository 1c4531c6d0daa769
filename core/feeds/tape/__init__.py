"""Tapes as feeds, and what can be said of a tape without replaying it."""
