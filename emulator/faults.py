"""What can go wrong on purpose: faults armed by count, time or chance, used up, and logged."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from emulator.market.latent import stream, uniforms

ORDER_FAULTS: Final[dict[str, str]] = {
    "lost_ack": "the order is accepted, the connection drops before the answer",
    "drop_before": "the connection drops before the order is accepted",
    "http_5xx_after": "the order is accepted, the answer is a 503 in HTML",
    "http_5xx_before": "the order is not accepted, the answer is a 503 in HTML",
    "code_1007": "the order is accepted, the answer is -1007 (execution status unknown)",
    "code_1007_before": "the same words, but the order is not accepted",
    "delay_ms": "the order is accepted `value` ms late, and so is its answer",
    "slow_ack_ms": "the order is accepted at once, its answer comes `value` ms late",
    "ack_after_fill": "the order is accepted, its answer comes after its first fill (or 5 s)",
}
"""Faults of placing an order (or cancelling it, with ``on`` set to ``cancel``)."""

PRIVATE_FAULTS: Final[dict[str, str]] = {
    "transient_2013": "the next order queries say that there is no such order (-2013)",
    "delay_visible_ms": "the next orders are not seen by any query for `value` ms",
    "stale_account": "the next answers about balances and positions are of before the last change",
    "cancel_race": "the next orders are filled just before their cancel comes",
    "expire_after_ack": "the next resting orders are ended by the venue `value` ms after their ack",
    "duplicate_report": "the next execution reports are sent twice",
    "reorder_reports": "the next private messages change places with the ones after them",
    "suppress_reports": "the next private messages are never sent",
    "delay_reports_ms": "the next private messages are sent `value` ms late",
}
"""Faults of what an account is told."""

STREAM_FAULTS: Final[dict[str, str]] = {
    "gap": "the next messages of `channel` and `symbol` are dropped",
    "duplicate": "the next messages are sent twice",
    "reorder": "the next messages change places with the ones after them",
    "number_zero": "the first price or size of the next messages is 0",
    "number_huge": "the first price or size is beyond any double's whole numbers",
    "number_off": "the first price or size is 3 % too high, and looks as good as any",
    "number_exponent": "the first price or size is written as 6.1e+4, the value is right",
    "number_nan": "the first price or size is NaN as text",
    "null_field": "the first price or size is null",
    "empty_field": "the first price or size is an empty text",
    "unknown_field": "the next messages carry a field nobody has heard of",
    "unknown_message": "a message of a type nobody has heard of comes before the next ones",
}
"""Faults of the messages of one channel; `channel` is book unless told otherwise."""

BOOK_FAULTS: Final[dict[str, str]] = {
    "crossed_book": "the next depth message crosses the book, the one after it mends it",
    "checksum_mismatch": "the next checksums are wrong (where the venue sends one)",
    "seq_reset": "the numbering of the book starts anew, as after maintenance",
    "delta_before_snapshot": "the next subscriber gets an update before the snapshot",
    "frozen_snapshot": "the next book snapshots of REST are all the same old one",
}

SUBSCRIBE_FAULTS: Final[dict[str, str]] = {
    "no_ack": "the next subscriptions are never acknowledged, nor their data sent",
    "partial_ack": "of the next subscriptions only the first topic is taken",
    "no_welcome": "the next connections get no greeting (where the venue sends one)",
    "refuse_upgrade": "the next WebSocket handshakes are answered 503",
}

BAR_FAULTS: Final[dict[str, str]] = {
    "bar_never_closes": "the next closed bars are not sent",
    "bar_out_of_order": "after the next bars the bar before them is sent again",
}

REST_FAULTS: Final[dict[str, str]] = {
    "rate_limit_now": "the next requests answer 429 (`value` 418: banned) with Retry-After",
    "rate_limit_bare": "the same without Retry-After",
    "waf_403": "the next requests answer 403 with a firewall's HTML page",
    "html_5xx": "the next requests answer `value` (503) with a proxy's HTML page",
    "html_200": "the next requests answer 200 with an HTML page",
    "error_in_200": "the next requests answer 200 with the venue's own error inside",
    "truncated_json": "the next answers of REST are cut in half",
    "gzip_error": "the next answers say gzip and are none",
    "latency_ms": "the next answers come `value` ms late, by the law in `spread`",
    "timeout": "the next requests are never answered; dropped after `value` s (60)",
}

COUNTED_FAULTS: Final[dict[str, str]] = {
    **ORDER_FAULTS,
    **STREAM_FAULTS,
    **BOOK_FAULTS,
    **SUBSCRIBE_FAULTS,
    **BAR_FAULTS,
    **REST_FAULTS,
    **PRIVATE_FAULTS,
    "duplicate_depth": "the next depth events of `symbol` are sent twice",
}

INSTANT_FAULTS: Final[dict[str, str]] = {
    "malformed_frame": "every stream connection gets a text frame that is no JSON",
    "truncated_frame": "every stream connection breaks in the middle of a frame",
    "oversized_frame": "every stream connection gets a frame of `value` bytes (8 MiB)",
    "binary_frame": "every stream connection gets a binary frame",
    "binary_next": "the next `value` frames of every stream connection are marked binary",
    "fragment_frames": "every frame is cut into pieces of `value` bytes from now on (0: whole)",
    "slow_writer": "every stream connection writes `value` bytes a second (0: as usual)",
    "slow_reader": "what clients send is not read for `value` seconds",
    "no_pong": "no ping of a client is answered for `value` seconds",
    "deflate": "new connections offer permessage-deflate (`value` 1) or do not (0)",
    "close_streams": "every stream connection is closed (`value` 1: without a close frame)",
    "close_user_streams": "every WS-API connection is closed",
    "server_shutdown": "every stream connection is told of maintenance, closed `value` s later",
    "hollow_acks": "subscriptions are confirmed and their data never sent (`value` 1) or sent (0)",
    "forget": "whoever listens to `symbol` gets nothing of it any more, and is not told",
    "small_buffers": "a client that lets more than `value` messages wait is cut off (0: 20000)",
    "stall_streams": "stream connections stay open and silent for `value` seconds",
    "refuse_connections": "nobody can connect for `value` seconds; open streams are dropped",
    "clock_skew_ms": "the venue's clock is `value` ms off from now on",
    "stale_depth_ms": "depth snapshots lag `value` ms more from now on",
    "weight_limit": "the request weight limit per minute is `value` from now on",
    "withdrawing_keys": "keys say that they may withdraw (`value` 1) or may not (0)",
    "stock_hours": "stocks trade in NYSE's hours alone (`value` 1) or always (0) (Alpaca)",
    "legacy_checksum": "books carry a CRC32 again (`value` 1) or 0 (OKX)",
    "halt": "`symbol` is halted: nobody trades or quotes (`value` 1: it goes on)",
    "tick_size": "`symbol`'s tick is `value` times the usual one from now on",
    "delist": "`symbol` is gone from lists and streams (`value` 1: it is back)",
    "rename": "`symbol` is called `text` from now on (MATIC became POL)",
    "correct_trade": "the last trade of `symbol` is corrected (Alpaca)",
    "cancel_trade": "the last trade of `symbol` is cancelled (Alpaca)",
    "liquidate": "positions in `symbol` are liquidated (futures)",
    "liquidate_accounts": "the accounts' own positions are liquidated (futures)",
    "adl": "own positions in `symbol` are closed against somebody's gain (futures)",
    "pin_mark": "`symbol`'s mark price is `value` from now on (0: as it comes) (futures)",
    "settle_funding": "funding of `symbol` is paid now, at the rate `value` (futures)",
    "expire_sessions": "listen keys, logins and tokens are no longer valid",
    "fire_dead_man": "armed dead-man switches fire now",
}


CHANNELS: Final = (
    "", "book", "depth", "snapshot", "trade", "quote", "bar", "ticker", "liquidation", "private",
)  # fmt: skip
SPREADS: Final = ("fixed", "uniform", "pareto")


OF_ANY_SYMBOL: Final = frozenset((*SUBSCRIBE_FAULTS, *REST_FAULTS, "stale_account"))
"""Faults of a connection or a request, which are of no one symbol."""


class Fault(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One armed fault."""

    kind: str
    count: int = 1
    """How often it still strikes."""
    value: float = 0.0
    venue: str = ""
    """Only at this venue; empty means every one."""
    symbol: str = ""
    """Only for this symbol; empty means any."""
    channel: str = ""
    """For faults of messages, one of `CHANNELS`; empty means book."""
    path: str = ""
    """For faults of REST: only for requests whose path contains this."""
    on: str = "place"
    """For order faults: ``place`` or ``cancel``."""
    probability: float = 1.0
    """The chance of each strike, drawn from the seed."""
    after_ms: int = 0
    """Not before this time of the venue."""
    spread: str = "fixed"
    """The law of a latency: ``fixed``, ``uniform`` (0 to twice) or ``pareto`` (a heavy tail)."""
    text: str = ""
    """The new name, for ``rename``."""


def check(fault: Fault) -> None:
    """Refuse a fault that could never strike as it is meant.

    Raises:
        ValueError: Names the field, its value, and what there is.
    """
    for name, known in (
        ("channel", CHANNELS),
        ("spread", SPREADS),
        ("on", ("place", "cancel")),
    ):
        value = getattr(fault, name)
        if value not in known:
            there = ", ".join(word for word in known if word)
            raise ValueError(f"{name} must be one of {there}, was {value!r}")
    if fault.symbol and fault.kind in OF_ANY_SYMBOL:
        path = "; `path` narrows it" if fault.kind in REST_FAULTS else ""
        raise ValueError(
            f"symbol must be left out, was {fault.symbol!r}: {fault.kind} strikes whoever comes"
            f" next{path}"
        )
    if not 0.0 < fault.probability <= 1.0:
        raise ValueError(f"probability must be above 0 and at most 1, was {fault.probability:g}")
    if fault.count < 1:
        raise ValueError(f"count must be at least 1, was {fault.count}")


class Struck(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that struck, for the log."""

    ts_ms: int
    kind: str
    detail: str
    seed: int = 0


class Faults:
    """The armed faults of one venue and the log of those that struck."""

    def __init__(self, seed: int = 0, venue: str = "") -> None:
        self.armed: list[Fault] = []
        self.log: deque[Struck] = deque(maxlen=1_000)
        self._seed = seed
        self._uniform = uniforms(stream(seed, "faults", venue)).__next__

    def arm(self, fault: Fault) -> None:
        """Add a counted fault."""
        self.armed.append(fault)

    def take(
        self,
        kinds: tuple[str, ...],
        now_ms: int,
        *,
        symbol: str | None = "",
        on: str = "place",
        channel: str = "",
        path: str = "",
    ) -> Fault | None:
        """Use up one strike of the first armed fault that fits, None when none does.

        `symbol` is what would be struck; None: all symbols together, so any fault's fits.
        """
        for fault in self.armed:
            if fault.kind not in kinds:
                continue
            if symbol is not None and fault.symbol not in ("", symbol):
                continue
            if fault.kind in ORDER_FAULTS and fault.on != on:
                continue
            if fault.kind in STREAM_FAULTS and channel != (fault.channel or "book"):
                continue
            if fault.path not in path or now_ms < fault.after_ms:
                continue
            if fault.probability < 1.0 and self._uniform() >= fault.probability:
                continue
            fault.count -= 1
            if fault.count <= 0:
                self.armed.remove(fault)
            self.note(
                fault.kind, now_ms, f"{on} {symbol or ''}{channel and ' ' + channel}{path}".strip()
            )
            return fault
        return None

    def chance(self) -> float:
        """Draw a uniform number from the seed."""
        return self._uniform()

    def note(self, kind: str, now_ms: int, detail: str = "") -> None:
        """Log a strike."""
        self.log.append(Struck(ts_ms=now_ms, kind=kind, detail=detail, seed=self._seed))

    def clear(self) -> None:
        """Disarm everything that is counted."""
        self.armed.clear()
