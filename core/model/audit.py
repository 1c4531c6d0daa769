"""Who did what from where: one record of the audit log, and the port it goes through."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """The program at the other end of the engine's socket, as the system knows it."""

    uid: int = -1
    pid: int = 0
    """0 where the system does not say."""
    exe: str = ""
    tty: str = ""
    """Such as ``/dev/pts/3``; empty for a program without a terminal."""
    ssh: str = ""
    """The address it came from, where it runs in an SSH session."""


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One thing somebody changed, or tried to."""

    ts_ns: int
    origin: str
    """An origin kind, such as ``tui``; of a strategy with its name, ``strat:rsi``."""
    what: str
    """The command's name, such as ``submit_order``, or ``keys.add``."""
    parameters: dict[str, str | int | float | bool | None] = {}
    outcome: str
    """Empty: it was done; else why not, or what became of it."""
    refused: bool = False
    client: Client | None = None
    """None for what did not come through a socket."""


class Audit(Protocol):
    """Takes records; never blocks and never raises."""

    def note(self, record: AuditRecord) -> None:
        """Keep a record: in memory now, on disk within a second."""
        ...
