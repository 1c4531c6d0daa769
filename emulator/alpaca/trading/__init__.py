"""Alpaca's trading API: accounts on margin, orders of every class, and what they are told."""
