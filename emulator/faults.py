"""What can go wrong on purpose: faults armed by count, used up one by one, and logged."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

ORDER_FAULTS: Final[dict[str, str]] = {
    "lost_ack": "the order is accepted, the connection drops before the answer",
    "drop_before": "the connection drops before the order is accepted",
    "http_5xx_after": "the order is accepted, the answer is a 503 in HTML",
    "http_5xx_before": "the order is not accepted, the answer is a 503 in HTML",
    "code_1007": "the order is accepted, the answer is -1007 (execution status unknown)",
    "code_1007_before": "the same words, but the order is not accepted",
    "delay_ms": "the order is accepted `value` ms late, and so is its answer",
    "slow_ack_ms": "the order is accepted at once, its answer comes `value` ms late",
}
"""Faults of placing an order (or cancelling it, with ``on`` set to ``cancel``)."""

COUNTED_FAULTS: Final[dict[str, str]] = {
    **ORDER_FAULTS,
    "transient_2013": "the next order queries answer -2013 (no such order)",
    "duplicate_report": "the next execution reports are sent twice",
    "suppress_reports": "the next private messages are never sent",
    "delay_reports_ms": "the next private messages are sent `value` ms late",
    "duplicate_depth": "the next depth events of `symbol` are sent twice",
    "gap": "the next depth events of `symbol` are dropped",
    "rate_limit_now": "the next requests answer 429 (`value` 418: banned) with Retry-After",
    "truncated_json": "the next answers of REST are cut in half",
}

INSTANT_FAULTS: Final[dict[str, str]] = {
    "malformed_frame": "every stream connection gets a text frame that is no JSON",
    "truncated_frame": "every stream connection breaks in the middle of a frame",
    "oversized_frame": "every stream connection gets a frame of `value` bytes (8 MiB)",
    "binary_frame": "every stream connection gets a binary frame",
    "close_streams": "every stream connection is closed (`value` 1: without a close frame)",
    "close_user_streams": "every WS-API connection is closed",
    "server_shutdown": "every stream connection is told serverShutdown, then closed",
    "stall_streams": "stream connections stay open and silent for `value` seconds",
    "refuse_connections": "nobody can connect for `value` seconds; open streams are dropped",
    "clock_skew_ms": "the venue's clock is `value` ms off from now on",
    "stale_depth_ms": "depth snapshots lag `value` ms more from now on",
    "weight_limit": "the request weight limit per minute is `value` from now on",
}


class Fault(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One armed fault."""

    kind: str
    count: int = 1
    """How often it still strikes."""
    value: float = 0.0
    symbol: str = ""
    """Only for this symbol; empty means any."""
    on: str = "place"
    """For order faults: ``place`` or ``cancel``."""


class Struck(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that struck, for the log."""

    ts_ms: int
    kind: str
    detail: str


class Faults:
    """The armed faults and the log of those that struck."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []
        self.log: deque[Struck] = deque(maxlen=1_000)

    def arm(self, fault: Fault) -> None:
        """Add a counted fault."""
        self.armed.append(fault)

    def take(
        self, kinds: tuple[str, ...], now_ms: int, *, symbol: str = "", on: str = "place"
    ) -> Fault | None:
        """Use up one strike of the first armed fault that fits, None when none does."""
        for fault in self.armed:
            if fault.kind not in kinds or fault.symbol not in ("", symbol):
                continue
            if fault.kind in ORDER_FAULTS and fault.on != on:
                continue
            fault.count -= 1
            if fault.count <= 0:
                self.armed.remove(fault)
            self.note(fault.kind, now_ms, f"{on} {symbol}".strip())
            return fault
        return None

    def note(self, kind: str, now_ms: int, detail: str = "") -> None:
        """Log a strike."""
        self.log.append(Struck(ts_ms=now_ms, kind=kind, detail=detail))

    def clear(self) -> None:
        """Disarm everything that is counted."""
        self.armed.clear()
