"""What can go wrong between an engine and a venue, as the emulator can make it go wrong."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from core.venues.conformance.control import Control


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which things go wrong."""

    name: str
    kind: str
    """The emulator's own word."""
    more: dict[str, str | int | float] = {}
    when: Literal["before", "midway"] = "before"
    """Armed before the first order, or in the middle of the case."""

    async def strike(self, control: Control) -> None:
        """Arm it, or let it happen."""
        await control.arm(self.kind, **self.more)


def _placing(kind: str, **more: float) -> Fault:
    return Fault(name=kind.replace("_", " "), kind=kind, more=dict(more))


def _cancelling(kind: str, **more: float) -> Fault:
    name = f"{kind.replace('_', ' ')} of a cancel"
    return Fault(name=name, kind=kind, more={"on": "cancel", **more})


FAULTS: Final = (
    _placing("lost_ack"),
    _placing("drop_before"),
    _placing("http_5xx_after"),
    _placing("http_5xx_before"),
    _placing("code_1007"),
    _placing("code_1007_before"),
    _placing("delay_ms", value=80),
    _placing("slow_ack_ms", value=120),
    _placing("ack_after_fill", value=300),
    _cancelling("lost_ack"),
    _cancelling("drop_before"),
    _cancelling("http_5xx_before"),
    _cancelling("code_1007"),
    Fault(name="cancel and fill race", kind="cancel_race"),
    Fault(name="ended by the venue", kind="expire_after_ack", more={"value": 30}),
    Fault(name="duplicate reports", kind="duplicate_report", more={"count": 40}),
    Fault(name="reports out of order", kind="reorder_reports", more={"count": 3}),
    Fault(name="reports never sent", kind="suppress_reports", more={"count": 3}),
    Fault(name="late reports", kind="delay_reports_ms", more={"count": 5, "value": 90}),
    Fault(name="no such order, for a moment", kind="transient_2013", more={"count": 2}),
    Fault(name="visible late", kind="delay_visible_ms", more={"value": 60}),
    Fault(name="stale account", kind="stale_account", when="midway"),
    Fault(name="session expires", kind="expire_sessions", when="midway"),
    Fault(name="venue away", kind="refuse_connections", more={"value": 0.2}, when="midway"),
    Fault(name="clock behind", kind="clock_skew_ms", more={"value": 1400}, when="midway"),
    Fault(name="clock ahead", kind="clock_skew_ms", more={"value": -1400}, when="midway"),
    Fault(name="too many requests", kind="rate_limit_now", when="midway"),
)
"""Every one of them is to leave engine and venue agreed, and no order sent twice."""
