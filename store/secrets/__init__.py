"""Secrets of accounts at rest."""
