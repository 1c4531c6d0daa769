"""Which hosts are this machine: an emulator may be there, and no venue is."""

from __future__ import annotations

from typing import Final

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of it in a URL."""
