"""The doorway as its clients see it: one protocol, whatever carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from core.model.views import View
from link.replica import Replica

if TYPE_CHECKING:
    # Commands are pydantic, which costs a face 80 ms before its first paint.
    from core.model.commands import Command

LinkState: TypeAlias = Literal["connecting", "up", "down"]


class EngineLink(Protocol):
    """A connection to an engine that mends itself and keeps a replica of its state."""

    replica: Replica
    state: LinkState
    reason: str
    """Why the link is not up, in words."""

    async def run(self) -> None:
        """Connect, follow and reconnect with back-off until cancelled; resumes after a gap."""
        ...

    async def request(self, command: Command, timeout_s: float = 10.0) -> Any:
        """Have the engine carry out a command and return its typed result.

        Raises:
            LinkError: The engine cannot be reached or did not answer; for an order this means
                its outcome is unknown, and the same client order id may safely be sent again.
            ClxError: The engine refused; the message says what and why.
        """
        ...

    def watch(self, view: View) -> None:
        """Replace what market data this client looks at; kept across reconnects."""
        ...
