from __future__ import annotations

from decimal import Decimal

from core.model.ids import InstrumentId
from core.model.market import MarkPrice
from core.venues.funding import HOUR_NS, FundingClock

PERP = InstrumentId("BTC-USDT-PERP.binance_usdm")
T = 1_700_000_000_000_000_000 // HOUR_NS * HOUR_NS
EIGHT = 8 * HOUR_NS


def told(ts_ns: int, rate: str | None, next_ns: int = 0) -> MarkPrice:
    return MarkPrice(
        instrument_id=PERP,
        ts_event_ns=ts_ns,
        ts_recv_ns=ts_ns,
        funding_rate=None if rate is None else Decimal(rate),
        next_funding_ns=next_ns,
    )


def test_rate_told_last_before_the_time_is_due_once() -> None:
    clock = FundingClock()
    due_ns = T + EIGHT
    assert clock.take(told(T + 1, "0.0001", due_ns)) is None
    assert clock.take(told(due_ns - 1, "0.0003", due_ns)) is None
    due = clock.take(told(due_ns + 10, "-0.0002", due_ns + EIGHT))
    assert due == (PERP, Decimal("0.0003"), due_ns)
    assert clock.take(told(due_ns + 20, "-0.0002", due_ns + EIGHT)) is None
    later = clock.take(told(due_ns + EIGHT, "0.5", due_ns + 2 * EIGHT))
    assert later == (PERP, Decimal("-0.0002"), due_ns + EIGHT)


def test_venue_that_still_names_the_old_time_is_charged_once() -> None:
    clock = FundingClock()
    due_ns = T + EIGHT
    clock.take(told(T, "0.0001", due_ns))
    assert clock.take(told(due_ns + 1, "0.0001", due_ns)) is not None
    assert clock.take(told(due_ns + 2, "0.0001", due_ns)) is None
    assert clock.take(told(due_ns + 3, "0.0001", due_ns + EIGHT)) is None


def test_nothing_is_due_for_a_time_before_we_looked() -> None:
    clock = FundingClock()
    assert clock.take(told(T + 5, "0.0001", T)) is None
    assert clock.take(told(T + 6, "0.0001", T)) is None


def test_rate_and_time_may_come_in_messages_of_their_own() -> None:
    clock = FundingClock()
    clock.take(told(T, None, T + EIGHT))
    clock.take(told(T + 1, "0.0004"))
    due = clock.take(told(T + EIGHT, None, T + 2 * EIGHT))
    assert due is not None
    assert due.share == Decimal("0.0004")


def test_where_no_time_is_named_funding_runs_and_is_due_each_full_hour() -> None:
    clock = FundingClock()
    assert clock.take(told(T, "0.0008")) is None
    assert clock.take(told(T + HOUR_NS // 2, "0.0016")) is None
    due = clock.take(told(T + HOUR_NS, "0.0016"))
    # Half an hour at 0.08 % and half an hour at 0.16 % for eight hours each.
    assert due == (PERP, Decimal("0.00015"), T + HOUR_NS)
    again = clock.take(told(T + 2 * HOUR_NS, "0"))
    assert again == (PERP, Decimal("0.0002"), T + 2 * HOUR_NS)
