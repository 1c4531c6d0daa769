"""What people and events have switched, beside the limits."""

from __future__ import annotations

from core.model.accounts import RiskState
from core.model.ids import InstrumentId, OriginKind, VenueName


class Switches:
    """What people and events have switched, beside the limits."""

    def __init__(self) -> None:
        self.state = RiskState.ACTIVE
        self.reason = ""
        self.kill = ""
        """The kill switch's step that stands, or empty."""
        self.origin: OriginKind = "engine"
        """Who set the state that stands."""
        self.journal_problem = ""
        """Why the journal cannot be written, or empty."""
        self.closed_venues: dict[VenueName, str] = {}
        """Venues whose entries wait for reconciliation, and why."""
        self.armed: dict[InstrumentId, int] = {}
        """Instrument to the UTC ns at which its arming ends."""

    def effective(self) -> tuple[RiskState, str]:
        """Return the state that counts now, and why."""
        if self.journal_problem and self.state is RiskState.ACTIVE:
            return RiskState.REDUCING, f"journal: {self.journal_problem}"
        return self.state, self.reason
